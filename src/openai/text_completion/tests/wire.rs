//! Answers and streams as they go out.

use serde_json::{Value, json};

use super::schema::{check, published};
use super::*;
use crate::ids::CompletionId;
use crate::openai::chunk::IncludeUsage;
use crate::openai::completion::FinishReason;
use crate::openai::usage::Usage;

const USAGE: Usage = Usage { prompt_tokens: 3, completion_tokens: 4 };

#[track_caller]
fn is_published(value: &Value) {
    let all = published();
    check(&all, &all["$defs"]["CreateCompletionResponse"], value, "body").unwrap();
}

#[test]
fn a_whole_answer_is_openais_shape() {
    let id = CompletionId::mint_text();
    let choices = [
        TextChoice { echo: "", text: "line\n\"quoted\" \u{1F600}", finish_reason: FinishReason::Length },
        TextChoice { echo: "Say \"", text: "\" it", finish_reason: FinishReason::Stop },
        TextChoice { echo: "", text: "", finish_reason: FinishReason::ContentFilter },
    ];
    let answer = TextCompletion {
        id: &id,
        created: 1_700_000_000,
        model: "gpt-\"3.5\"",
        choices: &choices,
        usage: USAGE,
    };
    let value: Value = serde_json::from_slice(&answer.to_json()).unwrap();
    is_published(&value);
    let choice = |index: u32, text: &str, reason: &str| json!({"text": text, "index": index, "logprobs": null, "finish_reason": reason});
    let expected = [
        choice(0, "line\n\"quoted\" \u{1F600}", "length"),
        choice(1, "Say \"\" it", "stop"),
        choice(2, "", "content_filter"),
    ];
    assert_eq!(value["choices"], json!(expected));
    assert_eq!(value["id"], id.as_str());
    assert_eq!(value["object"], "text_completion");
    assert_eq!((&value["created"], &value["model"]), (&json!(1_700_000_000), &json!("gpt-\"3.5\"")));
    assert_eq!(value["usage"]["total_tokens"], 7);
    assert_eq!(value["system_fingerprint"], "fp_chipp");
    assert_eq!(value.as_object().unwrap().len(), 7);
}

/// The events of a stream of two choices, the second one's prompt echoed.
fn stream(include_usage: IncludeUsage) -> Vec<Value> {
    let first = TextChunkWriter::new(&CompletionId::mint_text(), 1_700_000_000, "m", include_usage);
    let second = first.of_choice(11).of_choice(1);
    let mut out = Vec::new();
    second.text("Say", &mut out);
    first.text("Hel\"lo\n", &mut out);
    second.text(" it", &mut out);
    first.finish(FinishReason::Stop, &mut out);
    second.finish(FinishReason::Length, &mut out);
    first.done(USAGE, &mut out);
    let text = String::from_utf8(out).unwrap();
    let events = text.strip_suffix("\n\n").unwrap().split("\n\n");
    let data = events.map(|event| event.strip_prefix("data: ").unwrap());
    data.map(|data| if data == "[DONE]" { data.into() } else { serde_json::from_str(data).unwrap() })
        .collect()
}

#[test]
fn a_stream_is_pieces_of_text_an_end_for_each_choice_and_done() {
    let mut events = stream(IncludeUsage::No);
    assert_eq!(events.pop().unwrap(), "[DONE]");
    let choice = |index: u32, text: &str, reason: Value| json!([{"text": text, "index": index, "logprobs": null, "finish_reason": reason}]);
    let expected = [
        choice(1, "Say", Value::Null),
        choice(0, "Hel\"lo\n", Value::Null),
        choice(1, " it", Value::Null),
        choice(0, "", "stop".into()),
        choice(1, "", "length".into()),
    ];
    let choices: Vec<_> = events.iter().map(|event| event["choices"].clone()).collect();
    assert_eq!(choices, expected);
    for event in &mut events {
        for same in ["id", "object", "created", "model", "system_fingerprint"] {
            assert_eq!(event[same], stream_head(same, &event.clone()));
        }
        assert!(event.get("usage").is_none());
        // The schema is of whole answers; OpenAI's own chunks have null here until the end.
        let reason = &mut event["choices"][0]["finish_reason"];
        *reason = if reason.is_null() { "stop".into() } else { reason.take() };
        is_published(event);
    }
    let id = events[0]["id"].clone();
    assert!(events.iter().all(|event| event["id"] == id));
}

/// What each event has in this field.
fn stream_head(field: &str, event: &Value) -> Value {
    match field {
        "object" => "text_completion".into(),
        "created" => 1_700_000_000.into(),
        "model" => "m".into(),
        "system_fingerprint" => "fp_chipp".into(),
        _ => {
            assert!(event["id"].as_str().unwrap().starts_with("cmpl-"));
            event["id"].clone()
        }
    }
}

#[test]
fn usage_is_null_until_its_own_chunk() {
    let events = stream(IncludeUsage::Yes);
    assert_eq!(events.len(), 7);
    for event in &events[..5] {
        assert!(event.as_object().unwrap().contains_key("usage") && event["usage"].is_null());
    }
    assert_eq!(events[5]["choices"], json!([]));
    is_published(&events[5]);
    assert_eq!(events[5]["usage"]["total_tokens"], 7);
    assert_eq!(events[6], "[DONE]");
}
