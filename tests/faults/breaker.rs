//! The breaker: nothing reaches an app that keeps failing, until one request sees that it is back.

use std::time::Duration;

use chipp_proxy::emulator::Outcome;
use serde_json::json;

use crate::scene::{body, metric, proxy};
use crate::support::{PATIENCE, Proxy};

const NEVER: &str = "breaker: {failures: 2, cooldown: 1h}, ";
/// It may be asked again at once: whoever comes next is the one that sees.
const AT_ONCE: &str = "breaker: {failures: 2, cooldown: 1ms}, ";

fn say(proxy: &Proxy, text: &str) -> (u16, String) {
    let answer = proxy.chat(&body(&[json!({"role": "user", "content": text})]));
    (answer.status, answer.code().to_owned())
}

fn open(proxy: &Proxy) {
    for _ in 0..2 {
        assert_eq!(say(proxy, "act as: error-500"), (502, "upstream_error".into()));
    }
    assert_eq!(metric(proxy, "breaker_changes_total{alias=\"asked\",to=\"open\"}"), 1);
}

/// Waits until the time that it stays open is over, as the next request shows.
fn wait_for_cooldown(proxy: &Proxy, text: &str) -> (u16, String) {
    let started = std::time::Instant::now();
    loop {
        let told = say(proxy, text);
        if told.1 != "overloaded" {
            return told;
        }
        assert!(started.elapsed() < PATIENCE);
    }
}

#[test]
fn open_it_is_a_503_at_once_and_nothing_reaches_chipp() {
    let proxy = proxy(&[], "", NEVER);
    open(&proxy);
    assert_eq!(metric(&proxy, "breaker_state{alias=\"asked\"}"), 2);
    for is_stream in [false, true] {
        let mut body = body(&[json!({"role": "user", "content": "hi"})]);
        body["stream"] = json!(is_stream);
        let answer = proxy.chat(&body);
        assert_eq!((answer.status, answer.code()), (503, "overloaded"));
        assert_eq!(answer.json["error"]["type"], "server_error");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=3600).contains(&wait));
        assert_eq!(answer.header("x-should-retry"), "false", "no SDK is to sleep for an hour");
    }
    assert_eq!(proxy.emulator.requests().len(), 2);
}

#[test]
fn open_it_is_the_fallback_at_once() {
    let proxy = proxy(&["gpt-4o"], "", NEVER);
    for _ in 0..2 {
        assert_eq!(say(&proxy, "act as: error-500").0, 200);
    }
    assert_eq!(say(&proxy, "hi").0, 200);
    let apps: Vec<_> = proxy.emulator.requests().into_iter().map(|request| request.app).collect();
    let (asked, spare) = ("emu-commanded-1", "emu-gpt-4o-1");
    assert_eq!(apps, [asked, spare, asked, spare, spare]);
    assert_eq!(metric(&proxy, "fallbacks_total"), 3);
}

#[test]
fn the_one_that_sees_an_answer_closes_it() {
    let proxy = proxy(&[], "", AT_ONCE);
    open(&proxy);
    assert_eq!(wait_for_cooldown(&proxy, "hi").0, 200);
    assert_eq!(metric(&proxy, "breaker_state{alias=\"asked\"}"), 0);
    assert_eq!(metric(&proxy, "breaker_changes_total{alias=\"asked\",to=\"closed\"}"), 1);
    assert_eq!(say(&proxy, "hi").0, 200);
}

#[test]
fn the_one_that_sees_a_failure_opens_it_again() {
    let proxy = proxy(&[], "", AT_ONCE);
    open(&proxy);
    assert_eq!(wait_for_cooldown(&proxy, "act as: html-502").0, 502);
    assert_eq!(metric(&proxy, "breaker_changes_total{alias=\"asked\",to=\"open\"}"), 2);
}

#[test]
fn the_one_that_leaves_does_not_keep_the_others_out() {
    const COOLDOWN: Duration = Duration::from_secs(2);
    let proxy = proxy(&[], "", "breaker: {failures: 2, cooldown: 2s}, ");
    open(&proxy);
    assert!(!proxy.emulator.wait_for(|_| false, COOLDOWN));
    let silent = body(&[json!({"role": "user", "content": "act as: silent"})]);
    let probe = proxy.begin(&silent, &[]);
    assert!(proxy.emulator.wait_for(|state| state.requests().len() == 3, PATIENCE));
    assert_eq!(metric(&proxy, "breaker_state{alias=\"asked\"}"), 1);
    drop(probe);
    let left = |state: &chipp_proxy::emulator::State| {
        state.requests().last().is_some_and(|request| request.outcome == Outcome::ClientLeft)
    };
    assert!(proxy.emulator.wait_for(left, PATIENCE));
    // At once, and not after another cooldown, which is the time that one who hangs is given.
    assert_eq!(say(&proxy, "hi").0, 200);
}

#[test]
fn what_opened_it_is_not_tried_again() {
    let proxy = proxy(&[], "", "breaker: {failures: 1, cooldown: 1h}, ");
    let answer = proxy.chat(&body(&[json!({"role": "user", "content": "act as: unavailable-503"})]));
    assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "what the app said");
    assert_eq!(proxy.emulator.requests().len(), 1);
    assert_eq!(say(&proxy, "hi"), (503, "overloaded".into()));
}

#[test]
fn what_is_no_failure_of_the_apps_never_opens_it() {
    let proxy = proxy(&[], "attempts: 1, ", "breaker: {failures: 1, cooldown: 1h}, ");
    for name in ["rate-429", "rate-429-bare", "key-401", "plan-401", "credits-402", "image-unsupported-400"] {
        let (status, code) = say(&proxy, &format!("act as: {name}"));
        assert!(status != 200 && code != "overloaded", "{name}: {status} {code}");
    }
    assert_eq!(say(&proxy, "hi").0, 200);
    assert_eq!(metric(&proxy, "breaker_changes_total{alias=\"asked\",to=\"open\"}"), 0);
}
