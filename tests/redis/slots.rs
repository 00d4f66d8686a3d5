//! Sticky sessions, and those that clients know by their ids, over replicas.

use std::time::Duration;

use chipp_proxy::emulator::Options;
use serde_json::json;

use crate::support::redis::Server;
use crate::support::{Answer, PATIENCE, Proxy, dialogue};

const ANN: (&str, &str) = ("x-user-id", "ann");

fn replicas(server: &Server, sessions: &str) -> [Proxy; 2] {
    let yaml = format!(
        "auth: {{mode: open}}\nsessions: {{store: redis, {sessions}}}\nredis: {{url: '{}', timeout: {PATIENCE:?}}}",
        server.url()
    );
    let first = Proxy::with(&yaml, Options { think: Duration::from_millis(1), ..Options::default() });
    let second = first.replica(&yaml);
    first.until_ready("ok");
    second.until_ready("ok");
    [first, second]
}

fn outcome(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-chipp-session")
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_sticky_session_is_the_same_everywhere() {
    let server = Server::start();
    let replicas = replicas(&server, "strategy: sticky");
    for (turn, proxy) in replicas.iter().cycle().take(6).enumerate() {
        let answer = proxy.chat_with(&dialogue("gpt-4o", &[&format!("turn {turn}")]), &[ANN]);
        assert_eq!(outcome(&answer), if turn == 0 { "new" } else { "continued" });
    }
    assert_eq!(replicas[0].emulator.sessions().len(), 1);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn it_serves_one_turn_at_a_time_everywhere() {
    let server = Server::start();
    let [first, second] = replicas(&server, "strategy: sticky");
    let mut body = dialogue("gated", &["hi"]);
    body["stream"] = json!(true);
    first.emulator.open("hi");
    let mut events = first.stream_with(&body, &[ANN]);
    events.next_text();
    let busy = second.chat_with(&dialogue("gated", &["hi"]), &[ANN]);
    assert_eq!((busy.status, busy.code()), (409, "session_busy"));
    first.emulator.open_wide("hi");
    assert!(events.read().done);
    assert_eq!(outcome(&second.chat_with(&dialogue("gated", &["hi"]), &[ANN])), "continued");

    // Who leaves in mid-stream leaves nothing in use: the next is served, having waited a little.
    first.emulator.open("bye");
    let mut body = dialogue("gated", &["bye"]);
    body["stream"] = json!(true);
    let mut events = first.stream_with(&body, &[ANN]);
    events.next_text();
    drop(events);
    first.emulator.open_wide("bye");
    assert_eq!(outcome(&second.chat_with(&dialogue("gated", &["bye"]), &[ANN])), "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn an_id_is_good_everywhere_and_a_foreign_one_nowhere() {
    let server = Server::start();
    let [first, second] = replicas(&server, "expose: true");
    let opening = first.chat_with(&dialogue("gpt-4o", &["one"]), &[ANN]);
    let id = opening.header("x-chat-session-id").to_owned();
    let named = [ANN, ("x-chat-session-id", id.as_str())];
    for (text, proxy) in [("two", &second), ("three", &first), ("four", &second)] {
        let answer = proxy.chat_with(&dialogue("gpt-4o", &[text]), &named);
        assert_eq!((outcome(&answer), answer.header("x-chat-session-id")), ("continued", id.as_str()));
    }
    for proxy in [&first, &second] {
        let foreign = [("x-user-id", "bob"), ("x-chat-session-id", id.as_str())];
        let refused = proxy.chat_with(&dialogue("gpt-4o", &["five"]), &foreign);
        assert_eq!((refused.status, refused.code()), (404, "session_not_found"));
    }
    let by_history = second.chat_with(&dialogue("gpt-4o", &["one", opening.content(), "and now?"]), &[ANN]);
    assert_eq!(outcome(&by_history), "replayed", "it holds more than this");
    assert_eq!(first.emulator.sessions().len(), 2);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn without_redis_a_sticky_user_is_served() {
    let mut server = Server::start();
    let [first, _second] = replicas(&server, "strategy: sticky");
    assert_eq!(outcome(&first.chat_with(&dialogue("gpt-4o", &["one"]), &[ANN])), "new");
    server.kill();
    first.until_ready("degraded");
    assert_eq!(outcome(&first.chat_with(&dialogue("gpt-4o", &["two"]), &[ANN])), "new");
}
