//! Clients that mean harm, or are broken: each gets an error or the end of its connection, nobody else notices, and the
//! memory of the process stays what it was.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

mod program;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Instant;

use program::{Answer, PATIENCE, Program, QUESTION, answers, read};

/// What a page of memory more or less may come to, for what is not to grow.
const SLACK: usize = 48 << 20;

/// Connections that do nothing, each of which takes a file here and one there.
const IDLE: usize = 10_000;

/// What follows a head that is refused; a second answer would mean that it was read as a request.
const SMUGGLED: &str = "GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[test]
fn heads_that_are_no_http_end_the_connection() {
    let program = Program::start("");
    let post = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let long = "x".repeat(200_000);
    let many = "x-a: 1\r\n".repeat(1000);
    for (head, status) in [
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(), 400),
        ("GET\r\n\r\n".to_owned(), 400),
        ("GET /v1/models\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/9.9\r\nhost: a\r\n\r\n".to_owned(), 400),
        ("G(T /v1/models HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-request-id: a\0b\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-request-id: a\rb\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n folded\r\n\r\n".to_owned(), 400),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-a : 1\r\n\r\n".to_owned(), 400),
        (format!("{post}content-length: 5\r\ncontent-length: 6\r\n\r\n"), 400),
        (format!("{post}content-length: 5\r\ncontent-length: 5\r\n\r\n"), 400),
        (format!("{post}content-length: 5, 6\r\n\r\n"), 400),
        (format!("{post}content-length: -1\r\n\r\n"), 400),
        (format!("{post}content-length: +5\r\n\r\n"), 400),
        (format!("{post}content-length: 0x5\r\n\r\n"), 400),
        (format!("{post}content-length: 99999999999999999999999\r\n\r\n"), 400),
        (format!("{post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 400),
        ("POST /v1/chat/completions HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        (format!("GET /v1/models HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431),
        (format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-request-id: {long}\r\n\r\n"), 431),
        (format!("GET /v1/{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 431),
    ] {
        let shown = head.get(..120).unwrap_or(&head).to_owned();
        let got: Vec<u16> =
            program.send((head + SMUGGLED).as_bytes()).iter().map(|answer| answer.status).collect();
        // A reset may overtake the answer where not all was read.
        assert!(got == [status] || (status == 431 && got.is_empty()), "{shown:?}: {got:?}");
    }
    program.still_serves();
    assert_eq!(program.emulator.requests().len(), 1);
}

#[test]
fn chunks_that_are_none_are_errors() {
    let program = Program::start("");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    for chunks in [
        "fffffffffffffffff\r\n{",
        "7fffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}",
        "2\n{}\n0\n\n",
        "2\r\n{}xx0\r\n\r\n",
        "zz\r\n",
    ] {
        let mut socket = program.connect();
        let _ = socket.write_all((head.to_owned() + chunks + SMUGGLED).as_bytes());
        // What is still waited for does not come.
        let _ = socket.shutdown(Shutdown::Write);
        let got = read(socket);
        assert!(got.iter().all(|answer| answer.status == 400), "{chunks:?}: {got:?}");
        assert!(got.len() <= 2, "{chunks:?}: {got:?}");
    }
    program.still_serves();
    assert_eq!(program.emulator.requests().len(), 1);
}

#[test]
fn bodies_that_are_no_requests_are_errors() {
    let program = Program::start("body_limit: 4MiB, ");
    program.still_serves();
    let before = program.memory();
    let wrap = |inner: &str| format!(r#"{{"model": "gpt-4o", "messages": {inner}}}"#).into_bytes();
    let message = r#"{"role": "user", "content": "a"}"#;
    let many = format!("[{}]", vec![message; 10_001].join(","));
    let with = |key: &str, value: &str| {
        format!(r#"{{"model": "gpt-4o", "messages": [{message}], "{key}": {value}}}"#).into_bytes()
    };
    for (body, status) in [
        ("[".repeat(100_000).into_bytes(), 400),
        ("[".repeat(4 << 20).into_bytes(), 400),
        (r#"{"a":"#.repeat(100_000).into_bytes(), 400),
        (wrap(&"[".repeat(100_000)), 400),
        (with("metadata", &r#"{"a":"#.repeat(100_000)), 400),
        (with("unknown", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), 400),
        (wrap(&many), 400),
        (wrap(&format!("[{}]", "0,".repeat(1 << 20))), 400),
        (b"\xff\xfe{\x00}".to_vec(), 400),
        (
            [&br#"{"model": "gpt-4o", "messages": [{"role": "user", "content": ""#[..], b"\xc3\x28\"}]}"]
                .concat(),
            400,
        ),
        (with("n", &"9".repeat(100_000)), 400),
        (with("max_tokens", "1e999"), 400),
        (b"null".to_vec(), 400),
        (b" ".repeat(4 << 20), 400),
        (b" ".repeat((4 << 20) + 1), 413),
        (vec![0; 1000], 400),
    ] {
        program.post("", &body).is_error(status);
    }
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1000 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    program.post("content-encoding: gzip\r\n", &bomb.finish().unwrap()).is_error(413);
    program.post("content-encoding: gzip\r\n", b"\x1f\x8b\x08\0broken").is_error(400);
    program.still_serves();
    assert_eq!(program.emulator.requests().len(), 2);
    assert!(program.memory() < before + SLACK, "{before} {}", program.memory());
}

#[test]
fn ids_that_are_none_are_not_taken() {
    let program = Program::start("");
    for id in ["x".repeat(100_000), "a b".to_owned(), "\u{e4}".to_owned(), "a\tb".to_owned(), String::new()] {
        let answer = program.post(&format!("x-request-id: {id}\r\n"), QUESTION);
        assert_eq!(answer.status, 200);
        assert!(answer.request_id.starts_with("req_"), "{answer:?}");
    }
    // A line break ends the header; what follows is another one, and not part of the answer.
    let answer = program.post("x-request-id: a\r\nset-cookie: b\r\n", QUESTION);
    assert_eq!((answer.status, answer.request_id.as_str()), (200, "a"));
    for header in ["x-user-id", "x-conversation-id"] {
        program.post(&format!("{header}: {}\r\n", "x".repeat(256)), QUESTION).is_error(400);
        program.post(&format!("{header}: {}\r\n", "x".repeat(100_000)), QUESTION).is_error(400);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{header}: ",
            QUESTION.len()
        );
        let got = program.send(&[head.as_bytes(), b"\xff\xfe\r\n\r\n", QUESTION].concat());
        got[0].is_error(400);
    }
    program.post("x-chipp-session: forget everything\r\n", QUESTION).is_error(400);
    program.still_serves();
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let program = Program::start("timeouts: {head: 200ms, body: 200ms, keep_alive: 200ms}, ");
    let begun = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let body = format!("{begun}content-length: 1000\r\n\r\n{{");
    let chunked = format!("{begun}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n");
    // None of them sends more; the server ends them all.
    let nothing = program.connect();
    let (mut half_head, mut half_body, mut half_chunks) =
        (program.connect(), program.connect(), program.connect());
    half_head.write_all(begun.as_bytes()).unwrap();
    half_body.write_all(body.as_bytes()).unwrap();
    half_chunks.write_all(chunked.as_bytes()).unwrap();
    let mut second_head = program.connect();
    second_head.write_all(b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    second_head.write_all(b"GET /v1/models HTTP/1.1\r\nho").unwrap();
    let mut idle = program.connect();
    idle.write_all(b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();

    let statuses = |answers: &[Answer]| answers.iter().map(|answer| answer.status).collect::<Vec<_>>();
    assert_eq!(statuses(&read(nothing)), [408]);
    assert_eq!(statuses(&read(half_head)), [408]);
    for socket in [half_body, half_chunks] {
        let got = read(socket);
        assert_eq!(got.len(), 1, "{got:?}");
        got[0].is_error(408);
    }
    assert_eq!(statuses(&read(second_head)), [200]);
    assert_eq!(statuses(&read(idle)), [200]);
    program.still_serves();
}

#[test]
fn a_body_that_drips_has_a_deadline() {
    let program = Program::start("timeouts: {body: 300ms}, ");
    let mut socket = program.connect();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 1000000\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut reader = socket.try_clone().unwrap();
    // Never silent, never done: only a deadline for the whole ends it.
    let dripping = std::thread::spawn(move || while socket.write_all(b" ").is_ok() {});
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !got.ends_with(b"}") && !got.ends_with(b"}\n") {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => got.extend_from_slice(&buffer[..count]),
        }
    }
    let _ = reader.shutdown(Shutdown::Both);
    dripping.join().unwrap();
    answers(&got)[0].is_error(408);
    program.still_serves();
}

#[test]
fn thousands_of_idle_connections_cost_little() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let program = Program::start("timeouts: {head: 10m}, ");
    program.still_serves();
    let before = program.memory();
    let mut idle: Vec<_> = (0..IDLE).map(|_| program.connect()).collect();
    for socket in &mut idle {
        socket.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n").unwrap();
    }
    program.still_serves();
    let each = program.memory().saturating_sub(before) / IDLE;
    assert!(each < 24 << 10, "{each} bytes for each");
    drop(idle);
    program.still_serves();
}

#[test]
fn bodies_without_end_are_cut_off() {
    let program = Program::start("body_limit: 64KiB, ");
    program.still_serves();
    let before = program.memory();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..4 {
        let mut socket = program.connect();
        socket.write_all(head.as_bytes()).unwrap();
        let mut reader = socket.try_clone().unwrap();
        // For as long as it is taken; what is taken meanwhile would show in the memory if it were kept.
        let writing = std::thread::spawn({
            let chunk = chunk.clone();
            let started = Instant::now();
            move || while started.elapsed() < PATIENCE && socket.write_all(&chunk).is_ok() {}
        });
        let mut got = [0; 4096];
        let count = reader.read(&mut got).unwrap();
        assert!(got[..count].starts_with(b"HTTP/1.1 413 "), "{:?}", String::from_utf8_lossy(&got[..count]));
        let _ = reader.read_to_end(&mut Vec::new());
        drop(reader);
        let started = Instant::now();
        writing.join().unwrap();
        assert!(started.elapsed() < PATIENCE / 2, "it reads on");
    }
    program.still_serves();
    assert!(program.memory() < before + SLACK, "{before} {}", program.memory());
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let program = Program::start("");
    let mut requests = String::new();
    for index in 0..100 {
        let path = ["/v1/models", "/v1/nothing", "/v1/models/gpt-4o"][index % 3];
        let last = if index == 99 { "connection: close\r\n" } else { "" };
        let id = format!("r{index}");
        requests.extend(["GET ", path, " HTTP/1.1\r\nhost: a\r\nx-request-id: ", &id, "\r\n", last, "\r\n"]);
    }
    let got = program.send(requests.as_bytes());
    let ids: Vec<_> = got.iter().map(|answer| answer.request_id.clone()).collect();
    assert_eq!(ids, (0..100).map(|index| format!("r{index}")).collect::<Vec<_>>());
    for (index, answer) in got.iter().enumerate() {
        assert_eq!(answer.status, [200, 404, 200][index % 3]);
    }
    program.still_serves();
}

#[test]
fn clients_that_end_their_half_are_let_go() {
    let program = Program::start("");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let whole = format!("{head}content-length: {}\r\n\r\n", QUESTION.len()).into_bytes();
    for sent in [
        Vec::new(),
        head.as_bytes().to_vec(),
        format!("{head}content-length: 10\r\n\r\n{{").into_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{").into_bytes(),
        [whole.as_slice(), QUESTION].concat(),
    ] {
        let mut socket = program.connect();
        socket.write_all(&sent).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let got = read(socket);
        assert!(got.len() <= 1, "{got:?}");
    }
    program.still_serves();
}
