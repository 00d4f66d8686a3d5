//! Bodies with a content coding that nobody asked for.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;
use chipp_proxy::upstream::{BodyError, SendErrorKind, Sent};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::future::join;

use crate::scene::{OK, Server, failure, send, text, worker};

const EVENTS: [&str; 3] = ["data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"];

/// What an encoder has written so far.
type Encoder = (&'static str, Box<dyn FnMut(&str, bool) -> Vec<u8>>);

/// An encoder that flushes after each text, and ends when it is told to.
fn encoder<W: Write + 'static>(
    name: &'static str,
    writer: W,
    mut take: impl FnMut(&mut W) -> Vec<u8> + 'static,
    finish: impl Fn(W) -> Vec<u8> + 'static,
) -> Encoder {
    let mut writer = Some(writer);
    let encode = move |text: &str, is_last: bool| {
        let mut own = writer.take().unwrap();
        own.write_all(text.as_bytes()).unwrap();
        own.flush().unwrap();
        let mut bytes = take(&mut own);
        if is_last {
            bytes.extend(finish(own));
        } else {
            writer = Some(own);
        }
        bytes
    };
    (name, Box::new(encode))
}

fn encoders() -> Vec<Encoder> {
    let level = Compression::default();
    let gzip = |name| {
        let writer = GzEncoder::new(Vec::new(), level);
        encoder(name, writer, |own| std::mem::take(own.get_mut()), |own| own.finish().unwrap())
    };
    let zlib = ZlibEncoder::new(Vec::new(), level);
    let brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
    // Its buffer cannot be taken away.
    let taken = Rc::new(Cell::new(0));
    let left = Rc::clone(&taken);
    let zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    vec![
        gzip("gzip"),
        gzip("x-gzip"),
        encoder("deflate", zlib, |own| std::mem::take(own.get_mut()), |own| own.finish().unwrap()),
        encoder(
            "br",
            brotli,
            move |own| own.get_ref().split_at(taken.replace(own.get_ref().len())).1.to_vec(),
            move |own| own.into_inner().split_off(left.get()),
        ),
        encoder("zstd", zstd, |own| std::mem::take(own.get_mut()), |own| own.finish().unwrap()),
    ]
}

/// All of a text in the coding.
fn coded(name: &str, text: &str) -> Vec<u8> {
    let (_, mut encode) = encoders().into_iter().find(|(own, _)| *own == name).unwrap();
    encode(text, true)
}

fn plain(status: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[test]
fn a_plain_body_is_decoded_whatever_its_status_and_the_connection_is_used_again() {
    for (name, _) in encoders() {
        for status in ["200 OK", "401 Unauthorized", "503 Service Unavailable"] {
            worker(async {
                let (server, client) = Server::start().await;
                // More than its content-length says.
                let answer = "{\"error\":\"no\"}".repeat(50);
                let body = coded(name, &answer);
                assert!(body.len() < 100, "{name}");
                let (reply, mut peer) = join(send(&client), server.serve(plain(status, name, &body))).await;
                assert_eq!(text(reply).await, answer, "{name} {status}");
                let again = async {
                    assert!(peer.request().await.is_some(), "{name}: the connection is used again");
                    peer.write(OK).await;
                };
                let (reply, ()) = join(send(&client), again).await;
                assert_eq!(text(reply).await, "ok");
            });
        }
    }
}

#[test]
fn an_event_comes_out_as_soon_as_it_has_come_in() {
    for (name, mut encode) in encoders() {
        worker(async {
            let (server, client) = Server::start().await;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ntransfer-encoding: chunked\r\n\r\n");
            let (reply, mut peer) = join(send(&client), server.serve(head)).await;
            let mut body = reply.unwrap().body;
            for (event, number) in EVENTS.iter().zip(1..) {
                peer.write(chunk(&encode(event, number == EVENTS.len()))).await;
                // The server says no more until this has been seen.
                let mut seen = Vec::new();
                while seen.len() < event.len() {
                    seen.extend_from_slice(&body.next().await.unwrap().unwrap());
                }
                assert_eq!(seen, event.as_bytes(), "{name}");
            }
            peer.write("0\r\n\r\n").await;
            assert_eq!(body.next().await, None, "{name}");
            assert_eq!(body.next().await, None, "{name}: and ever after");
        });
    }
}

#[test]
fn identity_is_no_coding() {
    for coding in ["identity", "", " Identity"] {
        worker(async {
            let (server, client) = Server::start().await;
            let (reply, _peer) = join(send(&client), server.serve(plain("200 OK", coding, b"ok"))).await;
            assert_eq!(text(reply).await, "ok", "{coding:?}");
        });
    }
}

#[test]
fn an_unknown_coding_is_no_answer() {
    for (status, coding) in [("200 OK", "compress"), ("200 OK", "gzip, br"), ("206 Part", "aes128gcm")] {
        worker(async {
            let (server, client) = Server::start().await;
            let (reply, mut peer) = join(send(&client), server.serve(plain(status, coding, b"??"))).await;
            assert_eq!(failure(reply), (SendErrorKind::UnknownCoding, Sent::Unknown), "{coding}");
            assert!(peer.is_closed().await);
            let (reply, _peer) = join(send(&client), server.serve(OK)).await;
            assert_eq!(text(reply).await, "ok");
        });
    }
    worker(async {
        let (server, client) = Server::start().await;
        let (reply, mut peer) =
            join(send(&client), server.serve(plain("429 Slow down", "compress", b"??"))).await;
        assert_eq!(reply.as_ref().unwrap().status, 429, "the status of an error says enough");
        assert_eq!(text(reply).await, "");
        assert!(peer.is_closed().await, "its connection is not used again");
    });
    worker(async {
        let (server, client) = Server::start().await;
        let bare = "HTTP/1.1 401 Unauthorized\r\ncontent-encoding: compress\r\ncontent-length: 0\r\n\r\n";
        let (reply, _peer) = join(send(&client), server.serve(bare)).await;
        assert_eq!(reply.unwrap().status, 401, "without a body there is nothing to decode");
    });
}

#[test]
fn a_coded_body_that_is_cut_or_spoilt_is_no_short_one() {
    for (name, _) in encoders() {
        let whole = coded(name, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\"}");
        let (cut, _) = whole.split_at(whole.len() - 3);
        let promised = String::from_utf8_lossy(&plain("200 OK", name, &whole)).into_owned();
        let head = promised.split_inclusive("\r\n\r\n").next().unwrap().as_bytes().to_vec();
        let cases = [
            ("the framing is whole", plain("200 OK", name, cut), BodyError::Cut),
            ("the framing is cut", [&head[..], cut].concat(), BodyError::Cut),
            ("not coded", plain("200 OK", name, b"{\"choices\":[]}, uncoded"), BodyError::Malformed),
        ];
        for (what, answer, error) in cases {
            worker(async {
                let (server, client) = Server::start().await;
                let serve = async { drop(server.serve(answer).await) };
                let (reply, ()) = join(send(&client), serve).await;
                let result = reply.unwrap().body.collect(1000).await;
                assert_eq!(result, Err(error), "{name} {what}");
            });
        }
    }
}

#[test]
fn the_cap_counts_decoded_bytes() {
    for (name, _) in encoders() {
        worker(async {
            let (server, client) = Server::start().await;
            let answer = plain("200 OK", name, &coded(name, &" ".repeat(1 << 20)));
            assert!(answer.len() < 5000, "{name}");
            let (reply, _peer) = join(send(&client), server.serve(answer)).await;
            assert_eq!(reply.unwrap().body.collect(1 << 19).await, Err(BodyError::TooLarge), "{name}");
            let small = coded(name, "abc");
            let long = small.len();
            assert!(long > 3);
            let peer = join(send(&client), server.serve(plain("200 OK", name, &small))).await;
            let whole = peer.0.unwrap().body.collect(3).await;
            assert_eq!(whole, Ok(Bytes::from_static(b"abc")), "{name}: the coded length is no matter");
        });
    }
}
