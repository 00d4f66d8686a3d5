//! Who is not there any more: Chipp, the client, the proxy itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use chipp_proxy::emulator::Outcome;
use serde_json::json;

use crate::scene::{body, metric, proxy};
use crate::support::{PATIENCE, Proxy, dialogue};

#[track_caller]
fn until(proxy: &Proxy, name: &str, value: u64) {
    let started = Instant::now();
    while metric(proxy, name) != value {
        assert!(started.elapsed() < PATIENCE, "{name} is {}", metric(proxy, name));
    }
}

#[test]
fn a_chipp_that_is_not_there_is_called_once_more() {
    for stream in [false, true] {
        let proxy = proxy(&[], "", "");
        proxy.emulator.stop();
        let mut body = dialogue("asked", &["hi"]);
        body["stream"] = json!(stream);
        let answer = proxy.chat(&body);
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"));
        assert_eq!(answer.header("x-should-retry"), "false");
        assert_eq!(metric(&proxy, "retries_total{reason=\"connect\"}"), 1);
    }
}

#[test]
fn a_chipp_that_is_not_there_has_its_fallbacks_called_too() {
    let proxy = proxy(&["gpt-4o", "dialect-a"], "", "");
    proxy.emulator.stop();
    let answer = proxy.chat(&dialogue("asked", &["hi"]));
    assert_eq!((answer.status, answer.header("x-should-retry")), (502, "false"));
    assert_eq!(metric(&proxy, "fallbacks_total"), 2);
    assert_eq!(metric(&proxy, "retries_total{reason=\"connect\"}"), 3);
}

#[test]
fn the_time_for_the_whole_is_the_time_for_the_waits_too() {
    let proxy =
        proxy(&[], "on: [rate_limit], ", "timeouts: {connect: 1s, first_byte: 1s, idle: 1s, total: 1s}, ");
    // It asks for a second, and less than that is left.
    let answer = proxy.chat(&dialogue("asked", &["act as: once-429"]));
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.header("x-should-retry")),
        (429, "1", "")
    );
    assert_eq!(proxy.emulator.requests().len(), 1);
}

#[test]
fn a_client_that_leaves_during_a_wait_ends_it() {
    for stream in [false, true] {
        // An hour of wait is honoured, so nothing but the client's leaving can end it.
        let emulator_waits = "timeouts: {total: 24h}, ";
        let proxy = crate::scene::proxy_waiting(emulator_waits, "2h");
        let mut body = dialogue("asked", &["act as: rate-429-hour"]);
        body["stream"] = json!(stream);
        let socket = proxy.begin(&body, &[]);
        until(&proxy, "retries_total{reason=\"rate_limit\"}", 1);
        assert_eq!(metric(&proxy, "requests_in_flight"), 1);
        drop(socket);
        until(&proxy, "requests_in_flight", 0);
        assert_eq!(metric(&proxy, "client_aborts_total"), 1);
        assert_eq!(proxy.emulator.requests().len(), 1);
    }
}

#[test]
fn a_client_that_leaves_takes_its_call_and_its_session_along() {
    for stream in [false, true] {
        let proxy = proxy(&["gpt-4o"], "", "");
        let first = proxy.chat(&dialogue("asked", &["hi"]));
        let mut asked = dialogue("asked", &["hi", first.content(), "act as: silent"]);
        asked["stream"] = json!(stream);
        let socket = proxy.begin(&asked, &[]);
        assert!(proxy.emulator.wait_for(|state| state.requests().len() == 2, PATIENCE));
        drop(socket);
        let left = |state: &chipp_proxy::emulator::State| {
            state.requests().last().is_some_and(|request| request.outcome == Outcome::ClientLeft)
        };
        assert!(proxy.emulator.wait_for(left, PATIENCE));
        until(&proxy, "client_aborts_total", 1);
        let next = proxy.chat(&dialogue("asked", &["hi", first.content(), "and now?"]));
        assert_eq!(next.header("x-chipp-session"), "replayed");
        assert_eq!(proxy.emulator.requests().len(), 3, "nobody else was asked");
    }
}

#[test]
fn what_runs_may_finish_and_what_is_new_is_refused_with_the_connection() {
    let mut proxy = proxy(&[], "", "");
    let text = "act as: gated please";
    let mut running = proxy.begin(&dialogue("asked", &[text]), &[]);
    assert!(proxy.emulator.wait_for(|state| state.requests().len() == 1, PATIENCE));
    // Connected before it stops, so that there is something to ask on.
    let mut late = TcpStream::connect(proxy.listen).unwrap();
    proxy.begin_stop();
    let readiness = format!("http://{}/readyz", proxy.admin);
    let started = Instant::now();
    while proxy.get_url(&readiness, &[]).status != 503 {
        assert!(started.elapsed() < PATIENCE);
    }
    late.write_all(b"GET /v1/models HTTP/1.1\r\nhost: proxy\r\n\r\n").unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting_down"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");

    proxy.emulator.open_wide(text);
    let mut answer = String::new();
    running.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    proxy.join().unwrap();
    assert_eq!(proxy.emulator.requests().len(), 1);
}

#[test]
fn nothing_is_tried_again_while_the_process_stops() {
    let mut proxy = crate::scene::proxy_waiting("timeouts: {total: 24h}, ", "2h");
    let mut waiting = proxy.begin(&body(&[json!({"role": "user", "content": "act as: rate-429-hour"})]), &[]);
    until(&proxy, "retries_total{reason=\"rate_limit\"}", 1);
    proxy.begin_stop();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting_down"), "{answer}");
    proxy.join().unwrap();
    assert_eq!(proxy.emulator.requests().len(), 1);
}
