//! Time, and clients that do not wait: who leaves takes the request to Chipp along; who waits is kept awake.

use std::io::Write as _;
use std::net::TcpStream;

use chipp_proxy::emulator::{Options, Outcome};
use serde_json::{Value, json};

use crate::raw::{check_error_body, connect};
use crate::support::{PATIENCE, Proxy};
use crate::{question, question_with, shape};

#[track_caller]
fn chipp_was_let_go(proxy: &Proxy) {
    let left = proxy.emulator.wait_for(
        |state| {
            let mut outcomes = state.requests().map(|request| request.outcome);
            outcomes.len() == 1 && outcomes.all(|outcome| outcome == Outcome::ClientLeft)
        },
        PATIENCE,
    );
    assert!(left, "{:?}", proxy.emulator.requests());
}

/// Sends a request and does not wait for its answer.
fn begin(proxy: &Proxy, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut connection = connect(proxy.listen);
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert!(proxy.emulator.wait_for(|state| state.requests().len() > 0, PATIENCE));
    connection
}

#[test]
fn a_client_that_leaves_in_mid_stream() {
    let proxy = Proxy::start();
    proxy.emulator.open("hi");
    let mut events = proxy.stream(&question("gated"));
    events.next_text();
    drop(events);
    chipp_was_let_go(&proxy);
}

#[test]
fn a_client_that_leaves_before_the_first_word() {
    for (model, stream) in [("gated", true), ("gated", false), ("silent", true), ("silent", false)] {
        let proxy = Proxy::start();
        let connection = begin(&proxy, &question_with(model, &json!({"stream": stream})));
        drop(connection);
        chipp_was_let_go(&proxy);
    }
}

#[test]
fn a_client_that_leaves_while_it_is_kept_awake() {
    let proxy = awake(Options::default());
    let mut events = proxy.stream(&question("gated"));
    assert_eq!(events.next_data().as_deref(), Some(": keep-alive"));
    drop(events);
    chipp_was_let_go(&proxy);
}

fn awake(options: Options) -> Proxy {
    Proxy::with_sections(
        "keep_alive_comment: 20ms, ",
        "timeouts: {first_byte: 500ms}, ",
        "auth: {mode: open}",
        options,
    )
}

#[test]
fn a_silent_stream_is_kept_awake_until_the_answer_comes() {
    let proxy = awake(Options::default());
    let mut events = proxy.stream(&question("gated"));
    shape::stream_head(&events);
    assert_eq!(events.header("x-chipp-session"), "new");
    for _ in 0..3 {
        assert_eq!(events.next_data().as_deref(), Some(": keep-alive"));
    }
    proxy.emulator.open("hi");
    assert_eq!(events.next_text(), "Hello! ");
    // Silence in the middle is no other.
    assert_eq!(events.next_data().as_deref(), Some(": keep-alive"));
    proxy.emulator.open_wide("hi");
    let rest = events.read();
    assert!(rest.done, "{rest:?}");
    assert_eq!(rest.content, "You said: \"hi\".");
    assert_eq!(rest.finish_reason.as_deref(), Some("stop"));
}

#[test]
fn a_failure_after_comments_is_an_error_event() {
    let proxy = awake(Options::default());
    let events = proxy.stream(&question("silent"));
    shape::stream_head(&events);
    let told = events.read();
    assert!(told.comments > 0);
    let error = told.error.unwrap();
    check_error_body(&json!({"error": error}));
    assert_eq!(error["code"], "upstream_timeout");
    assert!(!told.done && told.chunks.is_empty() && told.finish_reason.is_none());
    let metrics = proxy.get_url(&format!("http://{}/metrics", proxy.admin), &[]);
    assert!(
        metrics.text.contains("chipp_proxy_requests_total{alias=\"silent\",status=\"200\"} 1"),
        "{}",
        metrics.text
    );
}

#[test]
fn a_slow_head_is_a_timeout_and_a_slow_body_too() {
    let proxy = Proxy::with_sections(
        "",
        "timeouts: {first_byte: 100ms, idle: 100ms}, ",
        "auth: {mode: open}",
        Options::default(),
    );
    let answer = proxy.chat(&question("slow-first-byte"));
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout"));
    let mut events = proxy.stream(&question("stall"));
    assert_eq!(events.status, 200);
    events.next_text();
    let told = events.read();
    assert_eq!(told.error.unwrap()["code"], "upstream_timeout");
    assert!(!told.done && told.finish_reason.is_none());
}

#[test]
fn the_whole_has_a_time_too() {
    let proxy = Proxy::with_sections(
        "",
        "timeouts: {connect: 100ms, first_byte: 300ms, idle: 300ms, total: 300ms}, ",
        "auth: {mode: open}",
        Options::default(),
    );
    // A word every 50 ms: never idle for long, and too long in all.
    let body = json!({"model": "slow-words", "messages": [{"role": "user", "content": "say 100 words"}]});
    let told = proxy.stream(&body).read();
    assert_eq!(told.error.unwrap()["code"], "upstream_timeout");
    assert!(!told.content.is_empty() && !told.done);
}

#[test]
fn a_client_that_does_not_read_holds_chipp_back() {
    let proxy = Proxy::start();
    let body = json!({
        "model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "say 200000 words"}]
    });
    let connection = begin(&proxy, &body);
    // 200000 chunks are some 40 MB: more than all sockets between hold. So Chipp cannot have got rid of its answer
    // while nobody reads here, and when the reader goes it is let go in the middle.
    let mut head = connection;
    let _ = crate::raw::read_head(&mut head);
    assert_eq!(proxy.emulator.requests()[0].outcome, Outcome::Running);
    drop(head);
    chipp_was_let_go(&proxy);
}
