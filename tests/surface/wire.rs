//! HTTP itself: how requests may be framed and coded, and what a connection is good for afterwards.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::question;
use crate::raw::{self, Answer, connect, post, read_head};
use crate::support::Proxy;

const INVALID: &str = "invalid_request_error";

/// Posts a body in chunks of odd sizes.
pub(crate) fn post_chunked(at: SocketAddr, body: &[u8]) -> Answer {
    let mut request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec();
    for piece in body.chunks(if body.len() > 4096 { 60_000 } else { 7 }) {
        write!(request, "{:x}\r\n", piece.len()).unwrap();
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    raw::send(at, &request)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn chunked_bodies() {
    let proxy = Proxy::start();
    let answer = post_chunked(proxy.listen, question("gpt-4o").to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    post_chunked(proxy.listen, b"").is_error((400, INVALID, None, None));
}

#[test]
fn gzip_bodies() {
    let proxy = Proxy::start();
    let body = question("gpt-4o").to_string();
    let coded = gzip(body.as_bytes());
    for coding in ["gzip", "GZIP", "x-gzip"] {
        let answer = post(proxy.listen, &[("content-encoding", coding)], &coded);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (first, second) = body.as_bytes().split_at(10);
    let members = [gzip(first), gzip(second)].concat();
    assert_eq!(post(proxy.listen, &[("content-encoding", "gzip")], &members).status, 200);
    assert_eq!(post(proxy.listen, &[("content-encoding", "identity")], body.as_bytes()).status, 200);

    let broken = (400, INVALID, None, None);
    let half = &coded[..coded.len() / 2];
    for garbage in [b"no gzip at all".as_slice(), half, b""] {
        post(proxy.listen, &[("content-encoding", "gzip")], garbage).is_error(broken);
    }
    let unknown = (415, INVALID, Some("unsupported_media_type"), None);
    for coding in ["br", "deflate", "gzip, gzip"] {
        post(proxy.listen, &[("content-encoding", coding)], &coded).is_error(unknown);
    }
}

#[test]
fn a_gzip_bomb_is_too_large() {
    let proxy = Proxy::start();
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    post(proxy.listen, &[("content-encoding", "gzip")], &bomb).is_error((
        413,
        INVALID,
        Some("request_too_large"),
        None,
    ));
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to() {
    let proxy = Proxy::start();
    let body = question("gpt-4o").to_string();
    let mut connection = connect(proxy.listen);
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    assert!(read_head(&mut connection).starts_with("HTTP/1.1 100 "));
    connection.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert_eq!(raw::parse(&answer).status, 200);
}

#[test]
fn a_connection_serves_many_requests_errors_and_streams_among_them() {
    let proxy = Proxy::start();
    let mut connection = connect(proxy.listen);
    let bodies = [
        (200, question("gpt-4o").to_string()),
        (400, "{".to_owned()),
        (404, question("nobody").to_string()),
        (502, question("error-500").to_string()),
        (200, question("dialect-b").to_string()),
    ];
    for (status, body) in &bodies {
        write!(
            connection,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let head = read_head(&mut connection);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut rest = vec![0; length.parse().unwrap()];
        connection.read_exact(&mut rest).unwrap();
        assert_eq!(rest.last(), Some(&b'}'));
    }
}

#[test]
fn requests_in_one_go_are_answered_in_order() {
    let proxy = Proxy::start();
    let two = "GET /v1/models/gpt-4o HTTP/1.1\r\nhost: proxy\r\n\r\n\
               GET /v1/models/nobody HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n";
    let answer = raw::send(proxy.listen, two.as_bytes());
    assert_eq!(answer.status, 200);
    let second = answer.whole.find("HTTP/1.1 404 ").unwrap();
    assert!(answer.whole[..second].contains("\"id\":\"gpt-4o\""));
}

#[test]
fn an_old_client_gets_a_stream_that_ends_with_the_connection() {
    let proxy = Proxy::start();
    let mut body = question("gpt-4o");
    body["stream"] = true.into();
    let body = body.to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw::send(proxy.listen, request.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("transfer-encoding"), "");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("data: {") && text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[test]
fn a_large_history_passes() {
    let proxy = Proxy::start();
    let mut body = question("gpt-4o");
    let text = "Zażółć 日本語 🦀 \"quoted\"\n".repeat(8000);
    body["messages"][0]["content"] = text.as_str().into();
    let answer = post(proxy.listen, &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    let heard = proxy.emulator.requests()[0].heard();
    assert_eq!(*heard[0].content, text);
}

#[test]
fn odd_characters_pass_and_lone_surrogates_do_no_harm() {
    let proxy = Proxy::start();
    let body =
        br#"{"model":"gpt-4o","messages":[{"role":"user","content":"\ud83e\udd80 \u0000 \ud83e \udd80!"}]}"#;
    let answer = post(proxy.listen, &[], body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let heard = proxy.emulator.requests()[0].heard();
    assert!(heard[0].content.starts_with("🦀 \0 ") && heard[0].content.ends_with('!'));
}
