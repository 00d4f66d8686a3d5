//! Failures: every way in which Chipp can fail, as the client sees it; and nothing of Chipp's in it.

use std::fmt::Write as _;
use std::time::Duration;

use chipp_proxy::emulator::{BEHAVIOURS, Ends, Options};
use serde_json::Value;

use crate::question;
use crate::raw::{check_error_body, check_own_headers};
use crate::support::{Answer, Events, Proxy};

/// Status, type, code.
type Expected = (u16, &'static str, Option<&'static str>);

const UPSTREAM_ERROR: Expected = (502, "api_error", Some("upstream_error"));
const UPSTREAM_TIMEOUT: Expected = (504, "api_error", Some("upstream_timeout"));

/// What a client is told when it asks this app.
fn expected(name: &str) -> Expected {
    match name {
        "image-unsupported-400" | "zod-400" | "validation-400" => (400, "invalid_request_error", None),
        "key-401" => (502, "api_error", Some("upstream_auth_failed")),
        "plan-401" => (403, "insufficient_quota", Some("plan_required")),
        "credits-402" | "credits-402-class" => (429, "insufficient_quota", Some("insufficient_quota")),
        _ if name.starts_with("rate-429") => (429, "rate_limit_exceeded", Some("rate_limit_exceeded")),
        "stall" | "silent" => UPSTREAM_TIMEOUT,
        _ => UPSTREAM_ERROR,
    }
}

/// Apps whose streams break only when some text is out.
const AFTER_TEXT: &[&str] = &[
    "stall",
    "stream-error-a",
    "stream-error-b",
    "stream-error-c",
    "abort",
    "cut-a",
    "cut-b",
    "cut-c",
    "cut-after-store",
    "cut-chunk",
    "interrupted",
    "network-error-word",
    "big-text",
    "unknown-word-open",
];

/// Words of the pretended Chipp's that no client may read.
const UPSTREAM_WORDS: &[&str] = &[
    "emu-",
    "live_test",
    "Internal Server Error",
    "Invalid API key",
    "paid plan",
    "used up your credits",
    "Route POST",
    "MODEL_FAILED",
    "model failed",
    "INTERNAL_FAILURE",
    "went wrong",
    "Bad Gateway",
    "Service Unavailable",
    "error code",
    "example.invalid",
    "early hints",
];

/// `retry-after` and `retry-after-ms`.
fn expected_waits(name: &str) -> (&'static str, &'static str) {
    match name {
        "rate-429" | "rate-429-class" => ("2", "2000"),
        "rate-429-hour" => ("3600", "3600000"),
        _ => ("", ""),
    }
}

fn is_never(name: &str) -> bool {
    BEHAVIOURS.iter().any(|behaviour| behaviour.name == name && behaviour.plain == Ends::Never)
}

/// The failing apps of which `wanted` says that they are to be tried.
fn failing(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, Ends, Ends)> {
    let fails = |ends| matches!(ends, Ends::Refused(_) | Ends::Broken | Ends::Never);
    BEHAVIOURS
        .iter()
        .filter(|behaviour| fails(behaviour.streamed) && wanted(behaviour.name))
        .map(|behaviour| (behaviour.name, behaviour.plain, behaviour.streamed))
        .collect()
}

fn headers_text(headers: &ureq::http::HeaderMap) -> String {
    headers.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
        text
    })
}

#[track_caller]
fn nothing_leaks(proxy: &Proxy, name: &str, text: &str) {
    let shown = text.to_lowercase();
    for word in UPSTREAM_WORDS {
        assert!(!shown.contains(&word.to_lowercase()), "{name} shows {word:?}: {text}");
    }
    for session in proxy.emulator.sessions() {
        assert!(!text.contains(&session.id), "{name} shows a session: {text}");
    }
}

#[track_caller]
fn check_refusal(proxy: &Proxy, name: &str, answer: &Answer) {
    let (status, kind, code) = expected(name);
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    check_error_body(&answer.json);
    check_own_headers(|header| answer.header(header));
    check_error(name, &answer.json["error"], kind, code);
    nothing_leaks(proxy, name, &(headers_text(&answer.headers) + &answer.text));
    let waits = (answer.header("retry-after"), answer.header("retry-after-ms"));
    assert_eq!(waits, expected_waits(name), "{name}");
    // What the app may have carried out, and what no repeat can mend.
    let is_final = answer.status >= 500 || answer.code() == "insufficient_quota" || name == "rate-429-hour";
    assert_eq!(answer.header("x-should-retry"), if is_final { "false" } else { "" }, "{name}");
}

#[track_caller]
fn check_error(name: &str, error: &Value, kind: &str, code: Option<&str>) {
    let got = (error["type"].as_str().unwrap(), error["code"].as_str());
    assert_eq!(got, (kind, code), "{name}: {error}");
    let param = matches!(name, "zod-400" | "validation-400").then_some("messages[0].content");
    assert_eq!(error["param"].as_str(), param, "{name}: {error}");
}

/// A stream that breaks after some text: the text, one error event, and the end.
#[track_caller]
fn check_broken(proxy: &Proxy, name: &str, mut events: Events) {
    let (_, kind, code) = expected(name);
    let mut whole = headers_text(&events.headers);
    let mut data = Vec::new();
    while let Some(next) = events.next_data() {
        whole.push_str(&next);
        data.push(serde_json::from_str::<Value>(&next).unwrap_or_else(|_| panic!("{name}: {next}")));
    }
    let error = data.pop().unwrap();
    check_error_body(&error);
    check_error(name, &error["error"], kind, code);
    assert!(!data.is_empty(), "{name}: no text before the error");
    for chunk in data {
        assert!(chunk["choices"][0]["finish_reason"].is_null(), "{name}: {chunk}");
    }
    nothing_leaks(proxy, name, &whole);
}

#[track_caller]
fn check_streamed(proxy: &Proxy, name: &str) {
    let events = proxy.stream(&question(name));
    if AFTER_TEXT.contains(&name) {
        assert_eq!(events.status, 200, "{name}");
        return check_broken(proxy, name, events);
    }
    check_refusal(proxy, name, &events.into_answer());
}

#[test]
fn every_failure_is_an_error_of_openais() {
    let options = Options { think: Duration::from_millis(5), ..Options::default() };
    let proxy = Proxy::with_sections("", "retry: {attempts: 1}, ", "auth: {mode: open}", options);
    let table = failing(|name| !is_never(name));
    assert!(table.len() > 30, "{}", table.len());
    for (name, plain, _) in table {
        if plain != Ends::Answer {
            check_refusal(&proxy, name, &proxy.chat(&question(name)));
        }
        check_streamed(&proxy, name);
    }
}

#[test]
fn an_app_that_does_not_answer_is_a_timeout() {
    let proxy = Proxy::with_sections(
        "",
        "timeouts: {first_byte: 150ms, idle: 150ms}, ",
        "auth: {mode: open}",
        Options::default(),
    );
    let table = failing(is_never);
    assert_eq!(table.len(), 2);
    for (name, ..) in table {
        check_refusal(&proxy, name, &proxy.chat(&question(name)));
        check_streamed(&proxy, name);
    }
}

#[test]
fn an_app_that_nobody_has_is_an_unknown_model() {
    let proxy = crate::proxy_of(
        "upstream: {base_url: '{base_url}', api_key: live_test}\n\
         models: {lost: emu-lost-1}\n\
         auth: {mode: open}",
    );
    let answer = proxy.chat(&question("lost"));
    assert_eq!((answer.status, answer.code()), (404, "model_not_found"));
    assert_eq!(answer.json["error"]["param"], "model");
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("`lost`"));
    nothing_leaks(&proxy, "lost", &(headers_text(&answer.headers) + &answer.text));
}

#[test]
fn a_base_url_that_leads_elsewhere_is_an_upstream_error_and_no_unknown_model() {
    let proxy = Proxy::start();
    check_refusal(&proxy, "route-404", &proxy.chat(&question("route-404")));
    let metrics = proxy.metrics();
    assert!(metrics.contains("kind=\"unknown_route\""), "{metrics}");
}

#[test]
fn a_chipp_that_is_not_there_is_an_upstream_error() {
    let proxy = Proxy::start();
    proxy.emulator.stop();
    let (status, _, code) = UPSTREAM_ERROR;
    let answer = proxy.chat(&question("gpt-4o"));
    assert_eq!((answer.status, answer.json["error"]["code"].as_str()), (status, code));
    assert_eq!(proxy.stream(&question("gpt-4o")).status, status);
}

#[test]
fn what_chipp_says_of_a_request_is_passed_on_without_its_names() {
    let proxy = Proxy::start();
    let answer = proxy.chat(&question("image-unsupported-400"));
    let message = answer.json["error"]["message"].as_str().unwrap();
    assert_eq!(message, "The app refused the request: This model cannot read images.");
}

#[test]
fn good_answers_leak_nothing_either() {
    let proxy = Proxy::start();
    for name in ["gpt-4o", "dialect-a", "dialect-b", "header-session-id", "noise", "metadata-after-finish"] {
        let answer = proxy.chat(&question(name));
        nothing_leaks(&proxy, name, &(headers_text(&answer.headers) + &answer.text));
        let mut events = proxy.stream(&question(name));
        let mut whole = headers_text(&events.headers);
        while let Some(data) = events.next_data() {
            whole.push_str(&data);
        }
        nothing_leaks(&proxy, name, &whole);
    }
}
