//! Rare and large events, and the fixed errors, byte for byte where that matters.

use chipp_proxy::emulator::Ends;
use serde_json::Value;

use crate::apps::{ask, streamed};
use crate::{emulator, judge};

const WHOLE: &str = "Hello! You said: \"hello there\".";
const MIB: usize = 1024 * 1024;

/// The sizes of the events of at least half a mebibyte.
fn large(app: &str) -> Vec<usize> {
    let reply = streamed(app);
    assert_eq!(judge::listen(&reply).text, WHOLE, "{app}");
    let text = reply.text();
    let events: Vec<&str> =
        if app.ends_with("-b") { text.split('\n').collect() } else { text.split("\n\n").collect() };
    events.iter().map(|event| event.len()).filter(|size| *size > MIB / 2).map(|size| size / MIB).collect()
}

#[test]
fn large_events_are_large_and_the_text_is_around_them() {
    for (app, sizes) in [
        ("big-tool-output", vec![8]),
        ("big-tool-output-b", vec![4]),
        ("big-metadata", vec![1, 2, 3]),
        ("big-file", vec![2]),
        ("big-chunk-a", vec![2]),
        ("big-lines", vec![3]),
    ] {
        assert_eq!(large(app), sizes, "{app}");
    }
    let output = streamed("big-tool-output");
    let event = output.text().split("\n\n").find(|event| event.len() > MIB).unwrap();
    assert!(event.starts_with("data: {\"output\":{") && event.ends_with("\"}"));
    let keys = ["\"output\"", "\"type\"", "\"toolCallId\""].map(|key| event.find(key).unwrap());
    assert!(keys.is_sorted());
    let lines = streamed("big-lines");
    let event = lines.text().split("\n\n").find(|event| event.len() > MIB).unwrap();
    assert!(event.lines().all(|line| line.starts_with("data: ") && line.len() < 70 * 1024));
    let metadata = streamed("big-metadata");
    assert!(metadata.text().rfind("message-metadata") > metadata.text().rfind("\"finish\""));
    let chunk = streamed("big-chunk-a");
    let event = judge::events(chunk.text()).into_iter().find(|event| event.len() > MIB).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["choices"][0]["delta"], serde_json::json!({}));
    assert!(event["metadata"].is_object());
}

#[test]
fn large_text_is_one_delta() {
    let reply = streamed("big-text");
    let events = judge::events(reply.text());
    let sizes: Vec<_> = events.iter().map(String::len).filter(|size| *size > 1000).collect();
    assert!(sizes.len() == 1 && sizes[0] > 2 * MIB);
    assert_eq!(judge::ends(&reply), Ends::Broken);
}

/// The types of the events, deltas in a row as one.
fn kinds(app: &str) -> String {
    let reply = streamed(app);
    let mut kinds: Vec<String> = judge::events(reply.text())
        .iter()
        .map(|event| match serde_json::from_str::<Value>(event) {
            Ok(event) => event["type"].as_str().unwrap().to_owned(),
            Err(_) => event.clone(),
        })
        .collect();
    kinds.dedup();
    kinds.join(" ")
}

#[test]
fn rare_streams_consist_of_the_documented_events() {
    let text = "text-start text-delta text-end";
    let finish = "finish-step finish [DONE]";
    let new = "tool-approval-request tool-approval-response tool-output-denied custom reasoning-file \
        steering-message audio-transcribed audio-url";
    for (app, expected) in [
        ("takeover", "start done".to_owned()),
        ("raw-events", "text done".to_owned()),
        ("interrupted", format!("start start-step {text} {finish}")),
        ("unknown-word", format!("start start-step {text} {finish}")),
        ("unknown-word-open", format!("start start-step {text} finish-step finish")),
        ("unknown-types", "wibble wobble-delta wibble-end [DONE]".to_owned()),
        ("reset-step", format!("start start-step text-start text-delta reset-step {text} {finish}")),
        ("reset-step-first", format!("start start-step reset-step {text} {finish}")),
        ("new-types", format!("start start-step {text} {new} {text} {finish}")),
        ("keep-alive-comments", format!("start start-step {text} {finish}")),
        ("tool-error-first", "error".to_owned()),
    ] {
        assert_eq!(kinds(app), expected, "{app}");
    }
    for (app, word) in [
        ("interrupted", "interrupted"),
        ("unknown-word", "wibble"),
        ("refusal-word", "refusal"),
        ("max-tokens-word", "MAX_TOKENS"),
        ("takeover", "human_takeover"),
    ] {
        assert!(streamed(app).text().contains(&format!("\"finishReason\":\"{word}\"")), "{app}");
    }
    assert!(streamed("network-error-word").text().contains("\"finish_reason\":\"network_error\""));
    let comments = streamed("keep-alive-comments");
    assert!(comments.text().starts_with(": stream-open\n\n"));
    assert!(comments.text().matches(": keep-alive\n\n").count() > 3);
    let steering = streamed("new-types");
    assert!(steering.text().contains("Nobody should see this."));
    assert_eq!(judge::listen(&steering).text, WHOLE);
}

#[test]
fn text_that_was_withdrawn_is_half_of_the_answer() {
    let reply = streamed("reset-step");
    let heard = judge::listen(&reply);
    assert_eq!(heard.special, Some(Ends::Withdrawn));
    assert_eq!(heard.text, WHOLE);
    let (before, after) = reply.text().split_once("reset-step").unwrap();
    assert!(before.matches("text-delta").count() < after.matches("text-delta").count());
}

#[test]
fn errors_have_the_backends_forms() {
    let emulator = emulator();
    for (app, status, pointer, value) in [
        ("zod-400", 400, "/error/issues/0/message", "Expected string, received array"),
        ("validation-400", 400, "/details/0/path", "messages.0.content"),
        ("route-404", 404, "/message", "Route POST /api/v1/chat/completions not found"),
        ("credits-402-class", 402, "/code", "INSUFFICIENT_CREDITS"),
        ("rate-429-class", 429, "/code", "RATE_LIMITED"),
        ("external-502-class", 502, "/code", "EXTERNAL_SERVICE_ERROR"),
        ("conflict-409", 409, "/code", "CONFLICT"),
    ] {
        let reply = ask(&emulator, app, false, None, "hi").unwrap();
        assert_eq!(reply.head.status, status, "{app}");
        assert_eq!(reply.json().pointer(pointer).unwrap(), value, "{app}");
        let waits = reply.head.header("retry-after");
        assert_eq!(waits, (app == "rate-429-class").then_some("2"), "{app}");
    }
}
