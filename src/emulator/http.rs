//! HTTP/1.1 as far as a pretend Chipp needs it: reading requests, without IO.
//!
//! Own code, because the emulator must be able to break HTTP, and no server library lets it.

use bytes::{Buf, BytesMut};

/// Longest request head, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// Largest request body, in bytes.
pub(super) const MAX_BODY: usize = 32 * 1024 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Longest line of a chunk's size, and longest trailer section, in bytes.
const MAX_CHUNK_LINES: usize = 4 * 1024;

/// A request that cannot be read; the connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Malformed,
    HeadTooLarge,
    BodyTooLarge,
}

impl Unreadable {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
        }
    }
}

/// How the request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// The head of a request: only what the emulator looks at.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) framing: Framing,
    /// The client wants the connection closed after the reply.
    pub(super) close: bool,
    pub(super) expects_continue: bool,
    /// The bearer key; empty if there is none.
    pub(super) key: String,
    pub(super) session: Option<String>,
    pub(super) correlation_id: Option<String>,
    /// The content type is JSON.
    pub(super) json: bool,
    /// All names, in lower case.
    pub(super) names: Vec<String>,
}

impl Head {
    /// Reads a head and its length; `None` while it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Unreadable> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Unreadable::HeadTooLarge);
            }
            Err(_) => return Err(Unreadable::Malformed),
        };
        let target = request.path.unwrap_or_default();
        let mut head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: target.split('?').next().unwrap_or_default().to_owned(),
            framing: Framing::Length(0),
            close: request.version != Some(1),
            expects_continue: false,
            key: String::new(),
            session: None,
            correlation_id: None,
            json: false,
            names: Vec::with_capacity(request.headers.len()),
        };
        let mut framed = false;
        for header in request.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| Unreadable::Malformed)?;
            let name = header.name.to_ascii_lowercase();
            if let Some(framing) = framing(&name, value)? {
                // Two framings are how requests are smuggled.
                if std::mem::replace(&mut framed, true) {
                    return Err(Unreadable::Malformed);
                }
                head.framing = framing;
            }
            head.note(&name, value);
            head.names.push(name);
        }
        Ok(Some((head, length)))
    }

    fn note(&mut self, name: &str, value: &str) {
        match name {
            "connection" => self.close |= value.eq_ignore_ascii_case("close"),
            "expect" => self.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "authorization" => {
                let key = value.strip_prefix("Bearer ").unwrap_or_default();
                key.trim().clone_into(&mut self.key);
            }
            "x-chat-session-id" => self.session = Some(value.to_owned()),
            "x-correlation-id" => self.correlation_id = Some(value.to_owned()),
            "content-type" => {
                let kind = value.split(';').next().unwrap_or_default();
                self.json = kind.trim().eq_ignore_ascii_case("application/json");
            }
            _ => {}
        }
    }
}

fn framing(name: &str, value: &str) -> Result<Option<Framing>, Unreadable> {
    match name {
        "content-length" => {
            let length = value.parse().map_err(|_| Unreadable::Malformed)?;
            if length > MAX_BODY {
                return Err(Unreadable::BodyTooLarge);
            }
            Ok(Some(Framing::Length(length)))
        }
        "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        "transfer-encoding" => Err(Unreadable::Malformed),
        _ => Ok(None),
    }
}

/// Moves whole chunks from the buffer into the body; true once the last one has been read.
pub(super) fn take_chunks(buffer: &mut BytesMut, body: &mut BytesMut) -> Result<bool, Unreadable> {
    loop {
        let (line, size) = match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) if buffer.len() < MAX_CHUNK_LINES => return Ok(false),
            _ => return Err(Unreadable::Malformed),
        };
        let size = usize::try_from(size).map_err(|_| Unreadable::BodyTooLarge)?;
        if size > MAX_BODY.saturating_sub(body.len()) {
            return Err(Unreadable::BodyTooLarge);
        }
        if size == 0 {
            return take_trailers(buffer, line);
        }
        if buffer.len() < line + size + 2 {
            return Ok(false);
        }
        buffer.advance(line);
        body.extend_from_slice(&buffer.split_to(size));
        if !buffer.starts_with(b"\r\n") {
            return Err(Unreadable::Malformed);
        }
        buffer.advance(2);
    }
}

/// Drops the last chunk, whose size line is `line` bytes long, and the trailers behind it.
fn take_trailers(buffer: &mut BytesMut, line: usize) -> Result<bool, Unreadable> {
    let rest = buffer.get(line..).unwrap_or_default();
    let trailers = if rest.starts_with(b"\r\n") {
        Some(2)
    } else {
        memchr::memmem::find(rest, b"\r\n\r\n").map(|at| at + 4)
    };
    match trailers {
        Some(length) => {
            buffer.advance(line + length);
            Ok(true)
        }
        None if rest.len() > MAX_CHUNK_LINES => Err(Unreadable::Malformed),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_the_same_at_every_split() {
        let wire: &[u8] = b"4\r\nWiki\r\nc;ext=1\r\npedia in ch.\r\n0\r\nTrailer: x\r\n\r\nGET";
        for step in 1..wire.len() {
            let (mut buffer, mut body, mut done) = (BytesMut::new(), BytesMut::new(), false);
            for piece in wire.chunks(step) {
                buffer.extend_from_slice(piece);
                done = done || take_chunks(&mut buffer, &mut body).unwrap();
            }
            assert!(done, "{step}");
            assert_eq!(&body[..], b"Wikipedia in ch.", "{step}");
            assert_eq!(&buffer[..], b"GET", "{step}");
        }
    }

    #[test]
    fn what_could_smuggle_or_flood_is_refused() {
        let refused = |head: &str| Head::read(head.as_bytes()).unwrap_err();
        let both = "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(refused(both), Unreadable::Malformed);
        let twice = "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n";
        assert_eq!(refused(twice), Unreadable::Malformed);
        let huge = "POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n";
        assert_eq!(refused(huge), Unreadable::BodyTooLarge);
        let long = format!("POST / HTTP/1.1\r\na: {}", "x".repeat(MAX_HEAD));
        assert_eq!(refused(&long), Unreadable::HeadTooLarge);
        let mut chunk = BytesMut::from(&b"fffffff\r\n"[..]);
        assert_eq!(take_chunks(&mut chunk, &mut BytesMut::new()), Err(Unreadable::BodyTooLarge));
    }
}
