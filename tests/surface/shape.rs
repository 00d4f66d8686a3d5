//! The strict shape of answers: exactly OpenAI's keys, in every object.

use serde_json::Value;

use crate::support::{Answer, Events};

/// What a stream said, once its shape was found right.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) content: String,
    pub(crate) finish_reason: String,
    pub(crate) usage: Option<Value>,
}

#[track_caller]
pub(crate) fn keys(object: &Value, expected: &[&str]) {
    let object = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    let mut got: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut expected = expected.to_vec();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
}

#[track_caller]
pub(crate) fn usage(usage: &Value) {
    keys(
        usage,
        &[
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
        ],
    );
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count: {usage}"));
    assert_eq!(
        number(&usage["prompt_tokens"]) + number(&usage["completion_tokens"]),
        number(&usage["total_tokens"])
    );
    keys(&usage["prompt_tokens_details"], &["cached_tokens", "audio_tokens"]);
    keys(
        &usage["completion_tokens_details"],
        &["reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"],
    );
    for details in ["prompt_tokens_details", "completion_tokens_details"] {
        for count in usage[details].as_object().unwrap().values() {
            number(count);
        }
    }
}

#[track_caller]
fn head(object: &Value, kind: &str, model: &str) {
    assert_eq!(object["object"], kind);
    assert_eq!(object["model"], model);
    assert!(object["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(object["created"].as_u64().unwrap() > 1_700_000_000);
    assert!(!object["system_fingerprint"].as_str().unwrap().is_empty());
}

/// A `chat.completion`; gives its text.
#[track_caller]
pub(crate) fn completion<'a>(answer: &'a Answer, model: &str) -> &'a str {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let body = &answer.json;
    keys(body, &["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]);
    head(body, "chat.completion", model);
    usage(&body["usage"]);
    let [choice] = body["choices"].as_array().unwrap().as_slice() else {
        panic!("not one choice: {body}");
    };
    keys(choice, &["index", "message", "logprobs", "finish_reason"]);
    assert_eq!(choice["index"], 0);
    assert!(choice["logprobs"].is_null());
    is_finish_reason(&choice["finish_reason"]);
    let message = &choice["message"];
    keys(message, &["role", "content", "refusal", "annotations"]);
    assert_eq!(message["role"], "assistant");
    assert!(message["refusal"].is_null());
    assert_eq!(message["annotations"], Value::Array(Vec::new()));
    message["content"].as_str().unwrap()
}

#[track_caller]
fn is_finish_reason(reason: &Value) {
    let reason = reason.as_str().unwrap();
    assert!(["stop", "length", "content_filter"].contains(&reason), "{reason}");
}

/// The headers of a stream.
#[track_caller]
pub(crate) fn stream_head(events: &Events) {
    assert_eq!(events.status, 200);
    assert_eq!(events.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(events.header("cache-control"), "no-cache");
    assert_eq!(events.header("transfer-encoding"), "chunked");
    for absent in ["content-length", "content-encoding", "connection"] {
        assert_eq!(events.header(absent), "", "{absent}");
    }
}

/// A stream that must be whole.
#[track_caller]
pub(crate) fn stream(mut events: Events, model: &str, include_usage: bool) -> Told {
    stream_head(&events);
    let mut chunks = Vec::new();
    loop {
        let data = events.next_data().expect("[DONE] before the end");
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap_or_else(|_| panic!("no JSON: {data}"));
        chunks.push(chunk);
    }
    assert_eq!(events.next_data(), None, "something after [DONE]");
    let usage = include_usage.then(|| chunks.pop().unwrap());
    let mut content = String::new();
    let last = chunks.len() - 1;
    for (at, chunk) in chunks.iter().enumerate() {
        frame(chunk, &chunks[0], model, include_usage);
        assert!(chunk.get("usage").is_none_or(Value::is_null));
        let [choice] = chunk["choices"].as_array().unwrap().as_slice() else {
            panic!("not one choice: {chunk}");
        };
        keys(choice, &["index", "delta", "logprobs", "finish_reason"]);
        assert_eq!(choice["index"], 0);
        assert!(choice["logprobs"].is_null());
        assert_eq!(choice["finish_reason"].is_null(), at != last, "{chunks:?}");
        let delta = &choice["delta"];
        if at == 0 {
            assert_eq!(*delta, serde_json::json!({"role": "assistant", "content": "", "refusal": null}));
        } else if at == last {
            keys(delta, &[]);
        } else {
            keys(delta, &["content"]);
            let text = delta["content"].as_str().unwrap();
            assert!(!text.is_empty());
            content.push_str(text);
        }
    }
    let usage = usage.map(|chunk| {
        frame(&chunk, &chunks[0], model, include_usage);
        assert_eq!(chunk["choices"], Value::Array(Vec::new()));
        self::usage(&chunk["usage"]);
        chunk["usage"].clone()
    });
    let reason = &chunks[last]["choices"][0]["finish_reason"];
    is_finish_reason(reason);
    Told { content, finish_reason: reason.as_str().unwrap().to_owned(), usage }
}

#[track_caller]
fn frame(chunk: &Value, first: &Value, model: &str, include_usage: bool) {
    let mut expected = vec!["id", "object", "created", "model", "system_fingerprint", "choices"];
    if include_usage {
        expected.push("usage");
    }
    keys(chunk, &expected);
    head(chunk, "chat.completion.chunk", model);
    for same in ["id", "created", "model", "system_fingerprint"] {
        assert_eq!(chunk[same], first[same]);
    }
}
