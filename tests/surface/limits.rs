//! Limits: who is counted with whom, and what the headers say of it.

use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::raw::{check_error_body, check_own_headers};
use crate::support::{Answer, Proxy, dialogue};
use crate::{proxy_of, question, question_with, sha256};

fn with_limits(limits: &str) -> Proxy {
    let yaml = format!("auth: {{mode: open}}\nlimits: {{{limits}}}");
    Proxy::with(&yaml, chipp_proxy::emulator::Options::default())
}

fn of_user(user: &str) -> Value {
    question_with("gpt-4o", &json!({"user": user}))
}

/// limit, remaining, reset of requests
fn standing(answer: &Answer) -> [&str; 3] {
    [
        answer.header("x-ratelimit-limit-requests"),
        answer.header("x-ratelimit-remaining-requests"),
        answer.header("x-ratelimit-reset-requests"),
    ]
}

/// limit, remaining, reset of tokens
fn standing_of_tokens(answer: &Answer) -> [&str; 3] {
    [
        answer.header("x-ratelimit-limit-tokens"),
        answer.header("x-ratelimit-remaining-tokens"),
        answer.header("x-ratelimit-reset-tokens"),
    ]
}

/// Tokens that are left.
#[track_caller]
fn tokens_left(answer: &Answer) -> u64 {
    standing_of_tokens(answer)[1].parse().unwrap()
}

fn total(usage: &Value) -> u64 {
    usage["total_tokens"].as_u64().unwrap()
}

/// Denied for the rest of a minute.
#[track_caller]
fn check_denial(answer: &Answer, limit: u32) {
    check_denial_for(answer, limit, 60_000);
}

/// Denied for so many milliseconds, less those that the test itself has taken.
#[track_caller]
fn check_denial_for(answer: &Answer, limit: u32, most: u64) {
    assert_eq!(answer.status, 429, "{answer:?}");
    check_error_body(&answer.json);
    check_own_headers(|name| answer.header(name));
    let error = &answer.json["error"];
    assert_eq!(error["type"], "requests");
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert!(error["param"].is_null());
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("Limit {limit}, Used {limit}, Requested 1")), "{message}");
    let millis: u64 = answer.header("retry-after-ms").parse().unwrap();
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!(millis <= most && millis + 30_000 > most, "{millis} of {most}");
    assert_eq!(seconds, millis.div_ceil(1000));
    assert_eq!(standing(answer)[..2], [limit.to_string().as_str(), "0"]);
    assert!(!standing(answer)[2].is_empty());
}

#[test]
fn each_user_has_a_number_of_its_own() {
    let proxy = with_limits("user: {requests_per_minute: 3}");
    assert_eq!(standing(&proxy.chat(&of_user("ann"))), ["3", "2", "1m0s"]);
    for remaining in ["1", "0"] {
        assert_eq!(standing(&proxy.chat(&of_user("ann")))[..2], ["3", remaining]);
    }
    check_denial(&proxy.chat(&of_user("ann")), 3);
    assert_eq!(proxy.stream(&of_user("ann")).status, 429);
    assert_eq!(standing(&proxy.chat(&of_user("bob"))), ["3", "2", "1m0s"]);
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
    assert_eq!(standing(&proxy.chat(&of_user("ann")))[..2], ["2", "0"]);
}

#[test]
fn all_callers_together() {
    let proxy = with_limits("all: {requests_per_minute: 2}");
    assert_eq!(standing(&proxy.chat(&of_user("ann"))), ["2", "1", "1m0s"]);
    assert_eq!(standing(&proxy.chat(&of_user("bob")))[..2], ["2", "0"]);
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
    assert_eq!(standing(&proxy.chat_with(&question("gpt-4o"), &two))[..2], ["5", "2"]);
}

#[test]
fn a_burst_is_less_than_a_minutes() {
    let proxy = with_limits("all: {requests_per_minute: 3, burst: 2}");
    assert_eq!(standing(&proxy.chat(&question("gpt-4o"))), ["3", "1", "20s"]);
    assert_eq!(standing(&proxy.chat(&question("gpt-4o"))), ["3", "0", "40s"]);
    check_denial_for(&proxy.chat(&question("gpt-4o")), 3, 20_000);
}

#[test]
fn a_day_has_its_own_words() {
    let proxy = with_limits("all: {requests_per_day: 1}");
    assert_eq!(standing(&proxy.chat(&question("gpt-4o"))), ["1", "0", "24h0m0s"]);
    let denied = proxy.chat(&question("gpt-4o"));
    let message = denied.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("on requests per day (RPD): Limit 1, Used 1, Requested 1."), "{message}");
    assert!(message.ends_with("Please try again in 24h0m0s."), "{message}");
    assert_eq!(standing(&denied)[..2], ["1", "0"]);
}

#[test]
fn an_answer_costs_what_it_used_and_not_what_was_thought() {
    let proxy = with_limits("all: {tokens_per_minute: 100000}");
    let mut left = 100_000;
    for model in ["gpt-4o", "dialect-b", "no-usage"] {
        let answer = proxy.chat(&question(model));
        left -= total(&answer.json["usage"]);
        assert_eq!(tokens_left(&answer), left, "{model}");
        assert_eq!(standing_of_tokens(&answer)[..1], ["100000"]);

        let ask =
            question_with(model, &json!({"stream_options": {"include_usage": true}, "max_tokens": 3000}));
        let events = proxy.stream(&ask);
        // The head of a stream is sent before its answer is known.
        let held: u64 = events.header("x-ratelimit-remaining-tokens").parse().unwrap();
        assert!((3000..3010).contains(&(left - held)), "{model}: {held} of {left}");
        left -= total(&events.read().usage.unwrap());
    }
    let answer = proxy.chat(&question("gpt-4o"));
    assert_eq!(tokens_left(&answer), left - total(&answer.json["usage"]));
    assert_eq!(standing(&answer), ["", "", ""]);
}

#[test]
fn tokens_that_a_running_answer_holds_are_there_again_when_it_ends() {
    let proxy = with_limits("all: {tokens_per_minute: 1000}");
    proxy.emulator.open("one");
    let mut events = proxy.stream(&dialogue("gated", &["one"]));
    events.next_text();
    let denied = proxy.chat(&question("gpt-4o"));
    assert_eq!(denied.status, 429);
    check_error_body(&denied.json);
    let error = &denied.json["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("tokens"), &json!("rate_limit_exceeded")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("tokens per min (TPM): Limit 1000, Used 513, Requested 513."), "{message}");
    assert_eq!(standing_of_tokens(&denied)[..2], ["1000", "487"]);
    let millis: u64 = denied.header("retry-after-ms").parse().unwrap();
    assert!((30_000..=60_000).contains(&millis), "{millis}");
    assert!(proxy.metrics().contains("chipp_proxy_rate_limited_total{rule=\"all\"} 1"));
    proxy.emulator.open_wide("one");
    assert!(events.read().done);
    assert_eq!(proxy.chat(&question("gpt-4o")).status, 200);
}

#[test]
fn a_prompt_that_can_never_fit_is_told_so() {
    let proxy = with_limits("all: {tokens_per_minute: 100, requests_per_minute: 10}");
    // More than there is, if it takes all that it may: it does not.
    assert_eq!(proxy.chat(&question_with("gpt-4o", &json!({"max_tokens": 5000}))).status, 200);
    let denied = proxy.chat(&dialogue("gpt-4o", &["word ".repeat(100).as_str()]));
    assert_eq!((denied.status, denied.code()), (429, "rate_limit_exceeded"));
    assert_eq!(denied.header("x-should-retry"), "false");
    assert_eq!(denied.header("retry-after"), "");
    let message = denied.json["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Request too large for gpt-4o on tokens per min (TPM): Limit 100,"),
        "{message}"
    );
    assert_eq!(standing(&denied)[..2], ["10", "9"]);
}

#[test]
fn what_chipp_did_not_work_on_costs_no_tokens() {
    let yaml = "auth: {mode: open}\nlimits: {all: {tokens_per_day: 2000, requests_per_day: 10}}";
    let upstream = "retry: {attempts: 1}, breaker: {failures: off}, ";
    let proxy = Proxy::with_sections("", upstream, yaml, chipp_proxy::emulator::Options::default());
    for (model, status, requests, tokens) in [
        // Turned away.
        ("key-401", 502, "9", 2000),
        ("rate-429", 429, "8", 2000),
        // It may have been worked on: nobody knows what that took.
        ("error-500", 502, "7", 2000 - 513),
        ("reset-before", 502, "6", 2000 - 2 * 513),
    ] {
        let failed = proxy.chat(&question(model));
        assert_eq!(failed.status, status, "{model}");
        assert_eq!(standing(&failed)[1], requests, "{model}");
        // A request that is refused as too large changes nothing, and tells how things stand.
        let told = proxy.chat(&dialogue("gpt-4o", &["word ".repeat(2000).as_str()]));
        assert_eq!(tokens_left(&told), tokens, "{model}");
    }
}

#[test]
fn what_never_reached_chipp_costs_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: 'http://{nobody}', api_key: k, retry: {{attempts: 1}}, breaker: {{failures: off}}}}\n\
         models: {{gpt-4o: app-1}}\nauth: {{mode: open}}\n\
         limits: {{all: {{requests_per_day: 1, tokens_per_day: 520, concurrent: 1}}}}"
    ));
    for _ in 0..3 {
        assert_eq!(proxy.chat(&question("gpt-4o")).status, 502);
        assert_eq!(proxy.stream(&question("gpt-4o")).status, 502);
    }
}

#[test]
fn too_many_at_once_wait_for_their_turn() {
    let proxy = with_limits("all: {concurrent: 1}");
    proxy.emulator.open("one");
    let mut events = proxy.stream(&dialogue("gated", &["one"]));
    events.next_text();
    thread::scope(|scope| {
        let second = scope.spawn(|| proxy.chat(&dialogue("gpt-4o", &["two"])));
        while !proxy.metrics().contains("chipp_proxy_requests_in_flight 2") {
            thread::yield_now();
        }
        assert_eq!(proxy.emulator.requests().len(), 1);
        proxy.emulator.open_wide("one");
        assert!(events.read().done);
        assert_eq!(second.join().unwrap().status, 200);
    });
    assert_eq!(proxy.emulator.requests().len(), 2);
}

#[test]
fn who_waits_in_vain_is_told_and_not_counted() {
    let proxy = with_limits("user: {concurrent: 1, requests_per_day: 10}");
    proxy.emulator.open("one");
    let mut running = dialogue("gated", &["one"]);
    running["user"] = json!("ann");
    let mut events = proxy.stream(&running);
    events.next_text();
    // Another user has a place.
    assert_eq!(proxy.chat(&of_user("bob")).status, 200);
    let denied = proxy.chat(&of_user("ann"));
    assert_eq!((denied.status, denied.code()), (429, "rate_limit_exceeded"));
    check_error_body(&denied.json);
    assert_eq!(denied.json["error"]["type"], "requests");
    let message = denied.json["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("Rate limit reached for concurrent requests: Limit 1."), "{message}");
    assert_eq!((denied.header("retry-after"), denied.header("retry-after-ms")), ("1", "1000"));
    assert!(proxy.metrics().contains("chipp_proxy_rate_limited_total{rule=\"user\"} 1"));
    // The client of the one that runs goes away: that makes room.
    drop(events);
    assert_eq!(proxy.chat(&of_user("ann")).status, 200);
}

#[test]
fn a_client_that_leaves_the_queue_leaves_its_place() {
    let proxy = with_limits("all: {concurrent: 1, requests_per_day: 3}");
    proxy.emulator.open("one");
    let mut events = proxy.stream(&dialogue("gated", &["one"]));
    events.next_text();
    let waiting = proxy.begin(&dialogue("gpt-4o", &["two"]), &[]);
    while !proxy.metrics().contains("chipp_proxy_requests_in_flight 2") {
        thread::yield_now();
    }
    drop(waiting);
    while !proxy.metrics().contains("chipp_proxy_requests_in_flight 1") {
        thread::yield_now();
    }
    proxy.emulator.open_wide("one");
    assert!(events.read().done);
    let answer = proxy.chat(&dialogue("gpt-4o", &["three"]));
    assert_eq!((answer.status, standing(&answer)[1]), (200, "1"));
    assert_eq!(proxy.emulator.requests().len(), 2);
}

#[test]
fn sixty_four_clients_get_exactly_the_limit() {
    let proxy = with_limits("user: {requests_per_day: 100}, all: {requests_per_day: 500, concurrent: 7}");
    let passed: usize = thread::scope(|scope| {
        let ask = || (0..3).filter(|_| proxy.chat(&of_user("ann")).status == 200).count();
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((passed, proxy.emulator.requests().len()), (100, 100));
    assert_eq!(standing(&proxy.chat(&of_user("bob")))[1], "99");
    assert_eq!(standing(&proxy.chat(&question("gpt-4o")))[1], "398");
}
