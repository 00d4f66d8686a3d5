//! Conversations through the whole proxy: what Chipp heard is what the client said, whatever the client does.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

mod support;

use serde_json::{Value, json};
use support::{Proxy, dialogue};

/// What every request that reached Chipp heard in all, as (role, content).
fn heard(proxy: &Proxy) -> Vec<Vec<(String, String)>> {
    let requests = proxy.emulator.requests();
    let pairs = |request: &chipp_proxy::emulator::Received| {
        let heard = request.heard();
        heard.iter().map(|message| (message.role.to_string(), message.content.to_string())).collect()
    };
    requests.iter().map(pairs).collect()
}

fn said(body: &Value) -> Vec<(String, String)> {
    let messages = body["messages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

fn push(body: &mut Value, role: &str, content: &str) {
    body["messages"].as_array_mut().unwrap().push(json!({"role": role, "content": content}));
}

#[test]
fn ten_turns_are_one_session_in_every_dialect_plain_and_streamed() {
    for model in ["gpt-4o", "dialect-a", "dialect-b", "dialect-c"] {
        let proxy = Proxy::start();
        let mut body = dialogue(model, &["turn 0"]);
        for turn in 1..=10 {
            let (answer, outcome) = if turn % 2 == 0 {
                let answer = proxy.chat(&body);
                assert_eq!(answer.status, 200, "{answer:?}");
                (answer.content().to_owned(), answer.header("x-chipp-session").to_owned())
            } else {
                let events = proxy.stream(&body);
                let outcome = events.header("x-chipp-session").to_owned();
                let streamed = events.read();
                assert!(streamed.done, "{streamed:?}");
                (streamed.content, outcome)
            };
            assert_eq!(outcome, if turn == 1 { "new" } else { "continued" }, "{model} turn {turn}");
            assert_eq!(heard(&proxy).last(), Some(&said(&body)), "{model} turn {turn}");
            push(&mut body, "assistant", &answer);
            push(&mut body, "user", &format!("turn {turn}"));
        }
        let sessions = proxy.emulator.sessions();
        assert_eq!(sessions.len(), 1, "{model}");
        assert_eq!(sessions[0].messages.len(), 20);
        let sent: Vec<usize> =
            proxy.emulator.requests().iter().map(|request| request.messages.len()).collect();
        assert_eq!(sent, [1; 10], "{model}");
    }
}
