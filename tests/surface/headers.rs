//! Headers: what an answer says beside its body, and what of a client's reaches Chipp.

use std::io::Read as _;
use std::io::Write as _;

use serde_json::json;

use crate::raw::{ask, check_own_headers, connect, parse, post};
use crate::support::{Proxy, dialogue};
use crate::{question, question_with};

#[test]
fn a_sane_request_id_is_kept_and_sent_on() {
    let proxy = Proxy::start();
    let body = question("gpt-4o");
    let longest = "x".repeat(255);
    for id in ["abc-123", "0192f0e0-0000-7000-8000-000000000000", longest.as_str()] {
        let answer = proxy.chat_with(&body, &[("x-request-id", id)]);
        assert_eq!(answer.header("x-request-id"), id);
        let requests = proxy.emulator.requests();
        assert_eq!(requests.last().unwrap().correlation_id.as_deref(), Some(id));
    }
    let events = proxy.stream_with(&body, &[("x-request-id", "in-a-stream")]);
    assert_eq!(events.header("x-request-id"), "in-a-stream");
    let refused = post(proxy.listen, &[("x-request-id", "refused-1")], b"{");
    assert_eq!(refused.header("x-request-id"), "refused-1");
}

#[test]
fn an_insane_request_id_is_replaced() {
    let proxy = Proxy::start();
    let body = question("gpt-4o").to_string();
    let too_long = "x".repeat(256);
    for id in ["", "two words", "schlüssel", too_long.as_str()] {
        let answer = post(proxy.listen, &[("x-request-id", id)], body.as_bytes());
        assert_eq!(answer.status, 200);
        let minted = answer.header("x-request-id");
        assert!(minted.starts_with("req_") && minted.len() == 36, "{id}: {minted}");
        let requests = proxy.emulator.requests();
        assert_eq!(requests.last().unwrap().correlation_id.as_deref(), Some(minted));
    }
}

#[test]
fn every_answer_has_the_headers_of_openai_and_none_of_chipps() {
    const KNOWN: &[&str] = &[
        "connection",
        "content-type",
        "content-length",
        "transfer-encoding",
        "cache-control",
        "date",
        "openai-processing-ms",
        "openai-version",
        "server-timing",
        "x-accel-buffering",
        "x-chipp-session",
        "x-chipp-usage",
        "x-request-id",
        "x-should-retry",
    ];
    let proxy = Proxy::start();
    let plain = question("gpt-4o").to_string();
    let streamed = question_with("gpt-4o", &json!({"stream": true})).to_string();
    let failing = question("rate-429-bare").to_string();
    for (status, answer) in [
        (200, post(proxy.listen, &[], plain.as_bytes())),
        (200, post(proxy.listen, &[], streamed.as_bytes())),
        (429, post(proxy.listen, &[], failing.as_bytes())),
        (400, post(proxy.listen, &[], b"{")),
        (200, ask(proxy.listen, "GET", "/v1/models", &[], b"")),
        (200, ask(proxy.listen, "HEAD", "/v1/models", &[], b"")),
        (404, ask(proxy.listen, "GET", "/v1/nothing", &[], b"")),
    ] {
        assert_eq!(answer.status, status);
        check_own_headers(|name| answer.header(name));
        for (name, _) in &answer.headers {
            assert!(KNOWN.contains(&name.as_str()), "{name}");
            let count = answer.headers.iter().filter(|(other, _)| other == name).count();
            assert_eq!(count, 1, "{name}");
        }
    }
}

#[test]
fn the_time_that_chipp_took_is_told_apart() {
    let options =
        chipp_proxy::emulator::Options { think: std::time::Duration::from_millis(60), ..Default::default() };
    let proxy = Proxy::with("auth: {mode: open}", options);
    let answer = proxy.chat(&question("slow-first-byte"));
    let timing = answer.header("server-timing");
    let upstream: f64 = timing["upstream;dur=".len()..timing.find(',').unwrap()].parse().unwrap();
    assert!(upstream >= 60.0, "{timing}");
    assert!(answer.header("openai-processing-ms").parse::<u64>().unwrap() >= 60);
}

#[test]
fn nothing_but_what_chipp_documents_reaches_it() {
    let proxy = Proxy::start();
    // The emulator is strict: an undocumented field would be a 400.
    let body = question_with(
        "gpt-4o",
        &json!({
            "temperature": 0.5, "top_p": 0.9, "user": "u", "metadata": {"a": "b"}, "store": true, "seed": 7,
            "logit_bias": {"50256": -100}, "service_tier": "auto", "stop": "zzz", "max_tokens": 500, "extra": 1
        }),
    );
    let headers = [
        ("authorization", "Bearer sk-of-the-client"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("openai-beta", "assistants=v2"),
        ("x-stainless-lang", "python"),
        ("x-chat-session-id", "11111111-1111-4111-8111-111111111111"),
        ("x-user-id", "u1"),
        ("accept-encoding", "gzip, br"),
    ];
    assert_eq!(proxy.chat_with(&body, &headers).status, 200);
    assert_eq!(proxy.stream_with(&body, &headers).status, 200);
    for request in proxy.emulator.requests() {
        assert_eq!(request.path, "/api/v1/chat/completions");
        assert_eq!(request.key, "live_test");
        assert_eq!((request.header_session, request.body_session), (None, None));
        let mut names = request.header_names;
        // HTTP's own, which says nothing.
        names.retain(|name| name != "date");
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "accept-encoding",
                "authorization",
                "content-length",
                "content-type",
                "host",
                "user-agent",
                "x-correlation-id"
            ]
        );
    }
}

#[test]
fn what_became_of_the_conversation_is_told() {
    let proxy = Proxy::start();
    let first = proxy.chat(&dialogue("gpt-4o", &["hi"]));
    assert_eq!(first.header("x-chipp-session"), "new");
    let second = dialogue("gpt-4o", &["hi", first.content(), "and?"]);
    assert_eq!(proxy.chat(&second).header("x-chipp-session"), "continued");
    assert_eq!(proxy.stream(&second).header("x-chipp-session"), "replayed");
    let off = proxy.chat_with(&second, &[("x-chipp-session", "off")]);
    assert_eq!(off.header("x-chipp-session"), "stateless");
    let anew = proxy.chat_with(&second, &[("x-chipp-session", "new")]);
    assert!(["new", "replayed"].contains(&anew.header("x-chipp-session")), "{anew:?}");
    let wrong = post(proxy.listen, &[("x-chipp-session", "some-id")], second.to_string().as_bytes());
    wrong.is_error((400, "invalid_request_error", Some("invalid_value"), None));
}

#[test]
fn a_header_that_is_no_text_does_no_harm() {
    let proxy = Proxy::start();
    let body = question("gpt-4o").to_string();
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nx-stainless-os: ",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(b"\xff\xfe\r\nauthorization: Bearer \xff\r\n\r\n");
    request.extend_from_slice(body.as_bytes());
    let mut connection = connect(proxy.listen);
    connection.write_all(&request).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert_eq!(parse(&answer).status, 200);
}
