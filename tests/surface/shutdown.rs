//! The end of the process: ready no more, nothing new, and what runs may finish.

use std::io::Read as _;
use std::io::Write as _;

use chipp_proxy::emulator::{Emulator, Options};
use serde_json::Value;

use crate::question;
use crate::raw::{check_error_body, connect, parse, post};
use crate::support::program::Program;
use crate::support::{PATIENCE, Proxy};

fn readiness(proxy: &Proxy) -> u16 {
    proxy.get_url(&format!("http://{}/readyz", proxy.admin), &[]).status
}

/// Tells it to stop, and waits until it shows.
fn stop(proxy: &Proxy) {
    assert_eq!(readiness(proxy), 200);
    proxy.begin_stop();
    let asked = std::time::Instant::now();
    while readiness(proxy) != 503 {
        assert!(asked.elapsed() < PATIENCE, "still ready");
    }
}

/// A plain request that waits for its gate.
fn waiting(proxy: &Proxy) -> std::net::TcpStream {
    let body = question("gated").to_string();
    let mut connection = connect(proxy.listen);
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let arrived = proxy.emulator.wait_for(|state| state.requests().any(|request| !request.stream), PATIENCE);
    assert!(arrived);
    connection
}

#[test]
fn what_runs_may_finish_and_nothing_new_begins() {
    let mut proxy = Proxy::start();
    proxy.emulator.open("hi");
    let mut events = proxy.stream(&question("gated"));
    events.next_text();
    let mut plain = waiting(&proxy);
    stop(&proxy);

    let refused = post(proxy.listen, &[], question("gpt-4o").to_string().as_bytes());
    refused.is_error((503, "server_error", Some("shutting_down"), None));
    assert_eq!(refused.header("retry-after"), "1");
    // Said of its own accord, too.
    let mut connection = connect(proxy.listen);
    connection.write_all(b"GET /v1/models HTTP/1.1\r\nhost: proxy\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = parse(&answer);
    answer.is_error((503, "server_error", Some("shutting_down"), None));
    assert_eq!(answer.header("connection"), "close");
    let health = proxy.get_url(&format!("http://{}/healthz", proxy.admin), &[]);
    assert_eq!(health.status, 200);

    proxy.emulator.open_wide("hi");
    let rest = events.read();
    assert!(rest.done && rest.error.is_none(), "{rest:?}");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    assert_eq!(parse(&answer).status, 200);
    proxy.join().unwrap();
}

#[test]
fn what_does_not_finish_in_time_ends_with_an_error() {
    let mut proxy = Proxy::with_sections("drain: 100ms, ", "", "auth: {mode: open}", Options::default());
    proxy.emulator.open("hi");
    let mut events = proxy.stream(&question("gated"));
    events.next_text();
    let mut plain = waiting(&proxy);
    proxy.begin_stop();

    let rest = events.read();
    let error = rest.error.unwrap();
    check_error_body(&serde_json::json!({"error": error}));
    assert_eq!(
        (&error["type"], &error["code"]),
        (&Value::from("server_error"), &Value::from("shutting_down"))
    );
    assert!(!rest.done && rest.finish_reason.is_none());
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    parse(&answer).is_error((503, "server_error", Some("shutting_down"), None));
    proxy.join().unwrap();
}

#[test]
fn a_client_that_is_still_sending_does_not_hold_it_up() {
    let mut proxy = Proxy::with_sections("drain: 100ms, ", "", "auth: {mode: open}", Options::default());
    let mut connection = connect(proxy.listen);
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: 1000\r\n\r\n"
    )
    .unwrap();
    // It is being read now.
    assert!(crate::raw::read_head(&mut connection).starts_with("HTTP/1.1 100 "));
    connection.write_all(b"{").unwrap();
    proxy.begin_stop();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    parse(&answer).is_error((503, "server_error", Some("shutting_down"), None));
    proxy.join().unwrap();
}

#[test]
fn a_hundred_streams_finish_or_are_told_and_the_program_ends_well() {
    const STREAMS: usize = 100;
    let emulator = Emulator::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let yaml = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 2, drain: 3s}}\n\
         upstream: {{base_url: '{}', api_key: live_test}}\nmodels: {{gated: emu-gated-1}}\nauth: {{mode: open}}\n",
        emulator.base_url()
    );
    std::fs::write(&file, yaml).unwrap();
    let program = Program::serve(&file, "warn,chipp_proxy=info");
    let (listen, admin) = (program.listen, program.admin);
    let finishes = |at: &usize| at.is_multiple_of(2);
    let gate = |at: usize| format!("gate {at}");
    let begin = |at: usize| {
        let body = serde_json::json!({
            "model": "gated", "stream": true, "messages": [{"role": "user", "content": gate(at)}]
        });
        let body = body.to_string();
        let mut connection = connect(listen);
        write!(
            connection,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        connection
    };
    for at in 0..STREAMS {
        emulator.open(&gate(at));
    }
    let mut streams: Vec<_> = (0..STREAMS).map(begin).collect();
    // Each has begun to speak.
    for stream in &mut streams {
        assert!(crate::raw::read_head(stream).starts_with("HTTP/1.1 200 "));
    }
    program.terminate();
    let asked = std::time::Instant::now();
    while crate::raw::ask(admin, "GET", "/readyz", &[], b"").status != 503 {
        assert!(asked.elapsed() < PATIENCE, "still ready");
    }
    let refused = post(listen, &[], question("gated").to_string().as_bytes());
    refused.is_error((503, "server_error", Some("shutting_down"), None));
    assert_eq!(refused.header("connection"), "close");

    for at in (0..STREAMS).filter(finishes) {
        emulator.open_wide(&gate(at));
    }
    for (at, mut stream) in streams.into_iter().enumerate() {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        let (is_done, is_told) = (rest.contains("data: [DONE]"), rest.contains("\"code\":\"shutting_down\""));
        assert_eq!((is_done, is_told), if finishes(&at) { (true, false) } else { (false, true) }, "{rest}");
    }
    let (log, code) = program.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn an_idle_proxy_stops_at_once_in_spite_of_open_connections() {
    let mut proxy = Proxy::start();
    let _idle = connect(proxy.listen);
    assert_eq!(proxy.chat(&question("gpt-4o")).status, 200);
    proxy.join().unwrap();
}

#[test]
fn the_admin_address() {
    let proxy = Proxy::start();
    let ask = |path: &str| proxy.get_url(&format!("http://{}{path}", proxy.admin), &[]);
    for path in ["/healthz", "/readyz"] {
        let answer = ask(path);
        assert_eq!((answer.status, answer.json["status"].as_str()), (200, Some("ok")), "{path}");
    }
    assert_eq!(proxy.chat(&question("gpt-4o")).status, 200);
    assert_eq!(proxy.chat(&question("error-500")).status, 502);
    assert_eq!(proxy.chat(&question("nobody")).status, 404);
    let metrics = ask("/metrics");
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "chipp_proxy_requests_total{alias=\"gpt-4o\",status=\"200\"} 1",
        "chipp_proxy_requests_total{alias=\"error-500\",status=\"502\"} 1",
        "chipp_proxy_requests_total{alias=\"none\",status=\"404\"} 1",
        "chipp_proxy_upstream_errors_total{kind=\"server\"} 1",
        "chipp_proxy_requests_in_flight 0",
        "# EOF",
    ] {
        assert!(metrics.text.lines().any(|other| other == line), "{line} in {}", metrics.text);
    }
    assert_eq!(ask("/v1/models").status, 404);
    let wrong = crate::raw::ask(proxy.admin, "POST", "/healthz", &[], b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD"));
}
