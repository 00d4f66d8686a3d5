//! Interim responses in every split.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const FINAL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\nHTTP/1.1 103 no\r\n\r\n, yes";

/// A source of pieces; an empty one is a read that has to wait. Then the stream ends.
struct Source(VecDeque<Vec<u8>>);

impl Source {
    fn of(pieces: &[&[u8]]) -> Self {
        Self(pieces.iter().map(|piece| piece.to_vec()).collect())
    }

    /// `bytes`, cut into pieces of these sizes, over and over.
    fn cut(bytes: &[u8], sizes: &[usize]) -> Self {
        let (mut rest, mut pieces) = (bytes, VecDeque::new());
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (piece, others) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            pieces.push_back(piece.to_vec());
            rest = others;
        }
        Self(pieces)
    }

    fn read(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Ready(Ok(())) };
        if piece.is_empty() {
            return Poll::Pending;
        }
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// All that is read in a room of so many bytes.
fn read_all(filter: &mut Filter, source: &mut Source, room: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut room = vec![0; room];
        let mut buf = ReadBuf::new(&mut room);
        match filter.poll_read(&mut buf, |buf| source.read(buf)) {
            Poll::Pending => assert!(buf.filled().is_empty(), "what is read is told"),
            Poll::Ready(result) => {
                result?;
                if buf.filled().is_empty() {
                    return Ok(all);
                }
                all.extend_from_slice(buf.filled());
            }
        }
    }
}

fn after_request(source: &mut Source, room: usize) -> io::Result<Vec<u8>> {
    let mut filter = Filter::default();
    filter.written(b"POST /api/v1/chat/completions HTTP/1.1\r\n");
    read_all(&mut filter, source, room)
}

fn interim() -> impl Strategy<Value = Vec<u8>> {
    let status = (100_u16..200).prop_filter("switches protocols", |status| *status != 101);
    let line_end = prop_oneof![Just("\r\n"), Just("\n")];
    let fields = proptest::collection::vec("[a-z]{1,9}: [ -~]{0,20}", 0..4);
    let reason = prop_oneof![Just(""), Just(" "), Just(" Early Hints")];
    (status, line_end, fields, reason, 0..2).prop_map(|(status, end, fields, reason, minor)| {
        let fields: String = fields.into_iter().map(|field| field + end).collect();
        format!("HTTP/1.{minor} {status}{reason}{end}{fields}{end}").into_bytes()
    })
}

proptest! {
    #[test]
    fn the_final_response_is_read_whatever_comes_before_it_and_however_it_is_split(
        heads in proptest::collection::vec(interim(), 0..4),
        sizes in proptest::collection::vec(0_usize..40, 1..20),
        room in 1_usize..60,
    ) {
        prop_assume!(sizes.iter().any(|size| *size > 0));
        let mut bytes = heads.concat();
        bytes.extend_from_slice(FINAL);
        prop_assert_eq!(after_request(&mut Source::cut(&bytes, &sizes), room).unwrap(), FINAL);
    }

    #[test]
    fn anything_else_passes_through(
        bytes in proptest::collection::vec(proptest::sample::select(b"HTP/1.0 \r\n".to_vec()), 1..40),
        sizes in proptest::collection::vec(1_usize..9, 1..9),
        room in 1_usize..20,
    ) {
        prop_assume!(!bytes.starts_with(b"HTTP/1.1 1") && !bytes.starts_with(b"HTTP/1.0 1"));
        prop_assert_eq!(after_request(&mut Source::cut(&bytes, &sizes), room).unwrap(), bytes);
    }
}

#[test]
fn what_is_no_interim_response_is_passed_on() {
    for bytes in [
        "HTTP/1.1 101 Switching Protocols\r\n\r\nbytes",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 1000 What\r\n\r\n",
        "HTTP/2 103 Early Hints\r\n\r\n",
        "HTTP/1.1 10",
        "HTTP/1.1 103",
        "H",
        "",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let mut source = Source::of(&[bytes.as_bytes()]);
        assert_eq!(after_request(&mut source, 1000).unwrap(), bytes.as_bytes(), "{bytes}");
    }
}

#[test]
fn a_cut_interim_response_is_an_end() {
    for bytes in ["HTTP/1.1 103 Early Hints\r\n", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r"] {
        assert_eq!(after_request(&mut Source::of(&[bytes.as_bytes()]), 1000).unwrap(), b"", "{bytes}");
    }
}

#[test]
fn only_what_follows_a_request_is_filtered_and_each_request_anew() {
    const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    let mut filter = Filter::default();
    assert_eq!(read_all(&mut filter, &mut Source::of(&[HINTS]), 1000).unwrap(), HINTS, "no request");
    for method in [&b"POST / HTTP/1.1\r\n"[..], b"GET / HTTP/1.1\r\n"] {
        filter.written(method);
        filter.written(b"{\"model\":");
        let mut source = Source::of(&[HINTS, FINAL, HINTS]);
        assert_eq!(read_all(&mut filter, &mut source, 1000).unwrap(), [FINAL, HINTS].concat());
    }
}

#[test]
fn interim_responses_have_a_limit() {
    let mut head = b"HTTP/1.1 103 Early Hints\r\nlink: ".to_vec();
    head.resize(MAX_BYTES - 4, b'x');
    head.extend_from_slice(b"\r\n\r\n");
    assert_eq!(head.len(), MAX_BYTES);
    assert_eq!(after_request(&mut Source::of(&[&head, FINAL]), 1000).unwrap(), FINAL);
    let one_more = b"HTTP/1.1 100 Continue\r\n\r\n";
    for sources in [[&head[..], one_more, FINAL], [one_more, &head, FINAL]] {
        let error = after_request(&mut Source::of(&sources), 1000).unwrap_err();
        assert!(TooLarge::caused(&error), "{error:?}");
    }
}

#[test]
fn the_ordinary_response_is_not_moved() {
    let mut filter = Filter::default();
    filter.written(b"GET / HTTP/1.1\r\n");
    let mut room = [0; 100];
    let mut buf = ReadBuf::new(&mut room);
    buf.put_slice(b"before");
    assert!(filter.poll_read(&mut buf, |buf| Source::of(&[FINAL]).read(buf)).is_ready());
    assert_eq!(buf.filled(), [&b"before"[..], FINAL].concat());
    assert_eq!(filter.held.capacity(), 0);
}
