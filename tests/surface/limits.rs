//! Limits: who is counted with whom, and what the headers say of it.

use serde_json::{Value, json};

use crate::raw::{check_error_body, check_own_headers};
use crate::support::{Answer, Proxy};
use crate::{proxy_of, question, question_with, sha256};

fn with_limits(limits: &str) -> Proxy {
    let yaml = format!("auth: {{mode: open}}\nlimits: {{{limits}}}");
    Proxy::with(&yaml, chipp_proxy::emulator::Options::default())
}

fn of_user(user: &str) -> Value {
    question_with("gpt-4o", &json!({"user": user}))
}

/// limit, remaining, reset
fn standing(answer: &Answer) -> [&str; 3] {
    [
        answer.header("x-ratelimit-limit-requests"),
        answer.header("x-ratelimit-remaining-requests"),
        answer.header("x-ratelimit-reset-requests"),
    ]
}

#[track_caller]
fn check_denial(answer: &Answer, limit: u32) {
    assert_eq!(answer.status, 429, "{answer:?}");
    check_error_body(&answer.json);
    check_own_headers(|name| answer.header(name));
    let error = &answer.json["error"];
    assert_eq!(error["type"], "requests");
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert!(error["param"].is_null());
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("Limit {limit}, Used {limit}, Requested 1")), "{message}");
    // A bucket of that size gives one more after a minute's share.
    let share = 60_000 / u64::from(limit);
    let millis: u64 = answer.header("retry-after-ms").parse().unwrap();
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!(millis <= share && millis + 30_000 > share, "{millis} of {share}");
    assert_eq!(seconds, millis.div_ceil(1000));
    assert_eq!(standing(answer)[..2], [limit.to_string().as_str(), "0"]);
    assert!(!standing(answer)[2].is_empty());
}

#[test]
fn each_user_has_a_number_of_its_own() {
    let proxy = with_limits("user: {requests_per_minute: 3}");
    for (remaining, reset) in [("2", "20s"), ("1", "40s"), ("0", "1m0s")] {
        assert_eq!(standing(&proxy.chat(&of_user("ann"))), ["3", remaining, reset]);
    }
    check_denial(&proxy.chat(&of_user("ann")), 3);
    assert_eq!(proxy.stream(&of_user("ann")).status, 429);
    assert_eq!(standing(&proxy.chat(&of_user("bob"))), ["3", "2", "20s"]);
    // Who is nobody is not counted.
    assert_eq!(standing(&proxy.chat(&question("gpt-4o"))), ["", "", ""]);
    assert_eq!(proxy.emulator.requests().len(), 5);
}

#[test]
fn a_stream_counts_and_says_so() {
    let proxy = with_limits("user: {requests_per_minute: 2}");
    let events = proxy.stream(&of_user("ann"));
    assert_eq!(events.header("x-ratelimit-remaining-requests"), "1");
    assert!(events.read().done);
    assert_eq!(standing(&proxy.chat(&of_user("ann"))), ["2", "0", "1m0s"]);
}

#[test]
fn all_callers_together() {
    let proxy = with_limits("all: {requests_per_minute: 2}");
    assert_eq!(standing(&proxy.chat(&of_user("ann"))), ["2", "1", "30s"]);
    assert_eq!(standing(&proxy.chat(&of_user("bob"))), ["2", "0", "1m0s"]);
    check_denial(&proxy.chat(&question("dialect-a")), 2);
}

#[test]
fn the_tightest_limit_is_the_one_that_is_told() {
    let proxy = with_limits("user: {requests_per_minute: 2}, all: {requests_per_minute: 100}");
    assert_eq!(standing(&proxy.chat(&of_user("ann")))[..2], ["2", "1"]);
    assert_eq!(standing(&proxy.chat(&question("gpt-4o")))[..2], ["100", "98"]);
}

#[test]
fn keys_and_aliases() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models:\n  \
           gpt-4o: emu-gpt-4o-1\n  \
           narrow: {{app: emu-gpt-4o-1, limits: {{requests_per_minute: 1}}}}\n\
         limits: {{key: {{requests_per_minute: 1}}}}\n\
         auth:\n  mode: keys\n  keys:\n    \
           - {{name: one, sha256: ['{}']}}\n    \
           - {{name: two, sha256: ['{}'], limits: {{requests_per_minute: 5}}}}\n",
        sha256("key-of-number-one-0"),
        sha256("key-of-number-two-0")
    ));
    let one = [("authorization", "Bearer key-of-number-one-0")];
    let two = [("authorization", "Bearer key-of-number-two-0")];
    assert_eq!(standing(&proxy.chat_with(&question("gpt-4o"), &one)), ["1", "0", "1m0s"]);
    check_denial(&proxy.chat_with(&question("gpt-4o"), &one), 1);
    // Its own number in place of the general one.
    assert_eq!(standing(&proxy.chat_with(&question("gpt-4o"), &two))[..2], ["5", "4"]);
    // An alias's number counts over all callers.
    assert_eq!(proxy.chat_with(&question("narrow"), &two).status, 200);
    check_denial(&proxy.chat_with(&question("narrow"), &two), 1);
    assert_eq!(standing(&proxy.chat_with(&question("gpt-4o"), &two))[..2], ["5", "1"]);
}
