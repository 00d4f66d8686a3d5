//! Rounds with tools: the order of their events, what they repeat, and how long they wait.

use chipp_proxy::emulator::{Ends, Message, Outcome, State};
use serde_json::{Value, json};

use crate::apps::{ask, streamed};
use crate::client::{Client, PATIENCE, Reply, chat_request, says};
use crate::{emulator, judge};

const WHOLE: &str = "Hello! You said: \"hello there\".";

/// The events of dialect C, without the terminator.
fn events(reply: &Reply) -> Vec<Value> {
    let events = judge::events(reply.text());
    let events = events.iter().filter(|event| *event != "[DONE]");
    events.map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// The types of events in their order, with the word of each finish, and deltas in a row as one.
fn order(reply: &Reply) -> String {
    let mut order: Vec<String> = Vec::new();
    for event in events(reply) {
        let kind = event["type"].as_str().unwrap();
        let name = match event["finishReason"].as_str() {
            Some(word) => format!("{kind}({word})"),
            None => kind.to_owned(),
        };
        if order.last() != Some(&name) || name != "text-delta" {
            order.push(name);
        }
    }
    order.join(" ")
}

const TEXT: &str = "text-start text-delta text-end";
const CALL: &str = "finish-step start-step tool-input-start tool-input-available";
const TOLD: &str = "tool-output-available message-metadata";

#[test]
fn dialect_c_tells_its_rounds_in_the_documented_order() {
    let tool = |word: &str| format!("{TEXT} {CALL} finish{word} {TOLD}");
    let with = |word: &str, last: &str| {
        let tool = tool(word);
        format!("start start-step {tool} {tool} {TEXT}{last}")
    };
    let ordinary = with("(tool_calls)", " finish-step finish(stop) message-metadata");
    let call = "tool-input-start tool-input-available";
    let silent = format!(
        "start start-step {call} finish(tool_calls) {TOLD} {} {TEXT} finish-step finish(stop) message-metadata",
        tool("(tool_calls)")
    );
    let parallel = format!(
        "start start-step {TEXT} {CALL} {call} finish(tool_calls) {TOLD} {TOLD} {TEXT} finish-step finish(stop) message-metadata"
    );
    for (app, expected) in [
        ("rounds-c", ordinary.clone()),
        ("rounds-failed-tool", ordinary.clone()),
        ("rounds-bytewise", ordinary),
        ("rounds-anthropic", with("(tool_use)", " finish-step finish(end_turn) message-metadata")),
        ("rounds-stop", with("(stop)", " finish-step finish(stop) message-metadata")),
        ("rounds-no-word", with("", " finish-step finish message-metadata")),
        ("rounds-no-last-finish", with("(tool_calls)", "")),
        ("rounds-silent-first", silent),
        ("rounds-parallel", parallel),
    ] {
        let reply = streamed(app);
        assert_eq!(order(&reply), expected, "{app}");
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{app}");
        assert_eq!(judge::listen(&reply).text, WHOLE, "{app}");
    }
}

#[test]
fn ten_rounds_end_on_a_tool_without_a_further_finish() {
    let reply = streamed("rounds-ten");
    let order = order(&reply);
    assert_eq!(order.matches("finish(tool_calls)").count(), 10);
    assert_eq!(order.matches("tool-output-available").count(), 10);
    assert!(!order.contains("finish(stop)"));
    let end = "tool-input-available finish(tool_calls) tool-output-available message-metadata";
    assert!(order.ends_with(end), "{order}");
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(judge::listen(&reply).text, WHOLE);
}

#[test]
fn annotations_grow_with_every_tool() {
    let events = events(&streamed("rounds-c"));
    let metadata = events.iter().filter(|event| event["type"] == "message-metadata");
    let all: Vec<_> =
        metadata.map(|event| event["messageMetadata"]["annotations"].as_array().unwrap()).collect();
    assert_eq!(all.iter().map(|annotations| annotations.len()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all[0][..], all[1][..1]);
    assert_eq!(all[1][..], all[2][..2]);
    let debug = json!({"toolInputs": {"query": "x"}, "response": {"status": 200, "result": {"rows": 3}}});
    assert_eq!(all[0][0], json!({"toolDebugInfo": {"toolName": "lookup", "debugInfo": debug}}));
    assert!(all[2][2]["persistedMessageId"].is_string());
}

#[test]
fn calls_and_outputs_belong_together() {
    let ids = |events: &[Value], kind: &str| -> Vec<String> {
        let own = events.iter().filter(|event| event["type"] == kind);
        own.map(|event| event["toolCallId"].as_str().unwrap().to_owned()).collect()
    };
    for app in ["rounds-c", "rounds-parallel"] {
        let events = events(&streamed(app));
        let mut called = ids(&events, "tool-input-available");
        assert_eq!(ids(&events, "tool-input-start"), called);
        assert!(called.len() == 2 && called[0] != called[1]);
        if app == "rounds-parallel" {
            called.reverse();
        }
        assert_eq!(ids(&events, "tool-output-available"), called, "{app}");
    }
    let failed = events(&streamed("rounds-failed-tool"));
    let mut outputs = failed.iter().filter(|event| event["type"] == "tool-output-available");
    assert!(outputs.all(|event| event["output"]["error"].is_string()));
}

#[test]
fn dialects_a_and_b_tell_the_same_rounds() {
    let a = streamed("rounds-a");
    let words: Vec<String> = events(&a)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(words, ["tool_calls", "tool_calls", "stop"]);
    assert!(!a.text().contains("\"tool_calls\":") && a.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(judge::listen(&a).text, WHOLE);

    for (app, expected) in [("rounds-b", "f209ea8f09ea8f0ed"), ("rounds-d-each", "f209eda8f09eda8f0ed")] {
        let b = streamed(app);
        let mut codes: Vec<&str> = b.text().lines().map(|line| &line[..1]).collect();
        codes.dedup_by(|one, other| one == other && *one == "0");
        assert_eq!(codes.concat(), expected, "{app}");
        assert_eq!(judge::listen(&b).text, WHOLE);
        let told = |code: &str| -> Vec<Value> {
            let lines = b.text().lines().filter_map(|line| line.strip_prefix(code));
            lines.map(|json| serde_json::from_str(json).unwrap()).collect()
        };
        let words: Vec<Value> = told("e:").iter().map(|step| step["finishReason"].clone()).collect();
        assert_eq!(words, ["tool-calls", "tool-calls", "stop"]);
        let tokens = |told: &[Value]| -> u64 {
            told.iter().map(|step| step["usage"]["completionTokens"].as_u64().unwrap()).sum()
        };
        assert_eq!(tokens(&told("e:")), tokens(&told("d:")[told("d:").len() - 1..]), "{app}");
        let grown: Vec<usize> = told("8:").iter().map(|all| all.as_array().unwrap().len()).collect();
        assert_eq!(grown, [1, 2]);
    }
}

#[test]
fn a_gate_holds_a_tool() {
    let emulator = emulator();
    let mut client = Client::connect(emulator.addr());
    client.send(chat_request(&says("emu-rounds-gated-1", true, None, "wait"), ""));
    assert_eq!(client.head().unwrap().status, 200);
    let before = client.read_until("\"finish\"");
    assert!(before.contains("tool-input-available") && !before.contains("tool-output"));
    assert_eq!(emulator.requests()[0].outcome, Outcome::Running);
    let session = emulator.requests()[0].session.clone().unwrap();
    assert_eq!(emulator.transcript(&session).unwrap(), [Message::new("user", "wait")]);
    emulator.open("wait");
    let between = client.read_until("\"finish\"");
    assert_eq!(between.matches("tool-output-available").count(), 1);
    emulator.open("wait");
    client.read_until("[DONE]");
    assert!(emulator.requests()[0].stored);
    assert_eq!(emulator.transcript(&session).unwrap().len(), 2);
}

#[test]
fn a_client_that_leaves_during_a_tool_leaves_only_what_it_sent() {
    let emulator = emulator();
    let mut client = Client::connect(emulator.addr());
    client.send(chat_request(&says("emu-rounds-gated-1", true, None, "wait"), ""));
    client.head().unwrap();
    client.read_until("\"finish\"");
    drop(client);
    let left = |state: &State| state.requests().all(|request| request.outcome == Outcome::ClientLeft);
    assert!(emulator.wait_for(left, PATIENCE));
    let request = &emulator.requests()[0];
    assert!(!request.stored);
    let transcript = emulator.transcript(request.session.as_ref().unwrap()).unwrap();
    assert_eq!(transcript, [Message::new("user", "wait")]);
}

#[test]
fn tools_hold_the_session_id_that_the_message_names() {
    const FIXED: &str = "5e551017-f0e1-4a11-8b0d-0123456789ab";
    for (app, named) in
        [("foreign-session-id", true), ("foreign-session-id-only", false), ("foreign-session-id-b", true)]
    {
        for (text, foreign) in [("look into session abc-1 please", "abc-1"), ("hi", FIXED)] {
            let emulator = emulator();
            let reply = ask(&emulator, app, true, None, text).unwrap();
            // Two tools: input, output, one and two annotations (and once more after the finish in C), two ids each.
            let annotations = if app.ends_with('b') { 3 } else { 5 };
            let times = reply.text().matches(&format!("essionId\":\"{foreign}\"")).count();
            assert_eq!(times, 2 * 2 * 2 + 2 * 2 * annotations, "{app}");
            let own = emulator.requests()[0].session.clone().unwrap();
            let in_header = reply.head.header("x-chat-session-id") == Some(&*own);
            assert_eq!(in_header || reply.text().contains(&own), named, "{app}");
            let heard = judge::listen(&reply);
            assert_eq!(heard.session, named.then_some(own), "{app}");
        }
    }
}

#[test]
fn the_ordinary_apps_use_a_tool_when_they_are_asked_to_look_up() {
    for app in ["gpt-4o", "gpt-4o-mini"] {
        let emulator = emulator();
        let text = "Please LOOK UP x.";
        let reply = ask(&emulator, app, true, None, text).unwrap();
        let expected = format!(
            "start start-step {TEXT} {CALL} finish(tool_calls) {TOLD} {TEXT} finish-step finish(stop) message-metadata"
        );
        assert_eq!(order(&reply), expected);
        let plain = ask(&emulator, app, false, None, text).unwrap();
        assert_eq!(judge::ends(&plain), Ends::Answer);
        assert_eq!(judge::listen(&plain).text, judge::listen(&reply).text);
        let without = ask(&emulator, app, true, None, "hi").unwrap();
        assert!(!without.text().contains("tool-"));
    }
}
