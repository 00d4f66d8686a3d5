//! The answer of `POST /v1/chat/completions`: object `chat.completion`.

use crate::ids::{CompletionId, ToolCallId};
use crate::openai::chat::{CallForm, Called, CalledKind};
use crate::openai::usage::Usage;

/// `system_fingerprint`: OpenAI's schema wants text here, never null. Chipp has nothing of the kind, so it is constant.
pub const SYSTEM_FINGERPRINT: &str = "fp_chipp";

/// Why an answer ended, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// Complete, or cut at a stop sequence.
    Stop,
    /// A token limit was reached.
    Length,
    /// A filter cut it.
    ContentFilter,
    /// It calls tools.
    Calls(CallForm),
}

impl FinishReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Calls(CallForm::Tools) => "tool_calls",
            Self::Calls(CallForm::Function) => "function_call",
        }
    }
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// `id`
    pub id: &'a CompletionId,
    /// `created`, Unix seconds.
    pub created: u64,
    /// `model`: the alias, as the client asked for it.
    pub model: &'a str,
    /// `choices`, in the order of their index.
    pub choices: &'a [Choice<'a>],
    /// `usage`
    pub usage: Usage,
}

/// One of the answers.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The text; null if there are calls and nothing else.
    pub content: &'a str,
    /// The tools that are called; of the older form there is one.
    pub calls: &'a [ToolCall],
    /// Why it ended; with calls it is [`FinishReason::Calls`].
    pub finish_reason: FinishReason,
}

/// A call of a tool, and the id under which its result is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// `id`
    pub id: ToolCallId,
    /// What is called.
    pub called: Called,
}

impl Completion<'_> {
    /// The body.
    pub fn to_json(&self) -> Vec<u8> {
        let text: usize = self.choices.iter().map(Choice::text_len).sum();
        let mut body = Vec::with_capacity(text + text / 8 + 480 + 160 * self.choices.len());
        body.extend_from_slice(b"{\"id\":\"");
        body.extend_from_slice(self.id.as_str().as_bytes());
        body.extend_from_slice(b"\",\"object\":\"chat.completion\",\"created\":");
        body.extend_from_slice(itoa::Buffer::new().format(self.created).as_bytes());
        body.extend_from_slice(b",\"model\":");
        write_string(&mut body, self.model);
        body.extend_from_slice(b",\"choices\":[");
        for (index, choice) in self.choices.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            choice.write_json(index, &mut body);
        }
        body.extend_from_slice(b"],\"usage\":");
        self.usage.write_json(&mut body);
        body.extend_from_slice(b",\"system_fingerprint\":\"");
        body.extend_from_slice(SYSTEM_FINGERPRINT.as_bytes());
        body.extend_from_slice(b"\"}");
        body
    }
}

impl Choice<'_> {
    fn text_len(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.called.name.len() + call.called.input.len() + 96);
        self.content.len() + calls.sum::<usize>()
    }

    fn write_json(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
        if self.content.is_empty() && !self.calls.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            write_string(out, self.content);
        }
        out.extend_from_slice(b",\"refusal\":null,\"annotations\":[]");
        match (self.finish_reason, self.calls) {
            (_, []) => {}
            (FinishReason::Calls(CallForm::Function), [call, ..]) => {
                out.extend_from_slice(b",\"function_call\":");
                write_named(out, &call.called.name, "arguments", &call.called.input);
            }
            (_, calls) => write_calls(out, calls),
        }
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(self.finish_reason.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

fn write_calls(out: &mut Vec<u8>, calls: &[ToolCall]) {
    for (index, call) in calls.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"tool_calls\":[{\"id\":\"" } else { b",{\"id\":\"" });
        out.extend_from_slice(call.id.as_str().as_bytes());
        write_called(out, call.called.kind, &call.called.name, &call.called.input);
        out.push(b'}');
    }
    out.push(b']');
}

/// The end of an id, and the rest of a call: `","type":…`.
pub(super) fn write_called(out: &mut Vec<u8>, kind: CalledKind, name: &str, input: &str) {
    let (lead, key): (&[u8], _) = match kind {
        CalledKind::Function => (b"\",\"type\":\"function\",\"function\":", "arguments"),
        CalledKind::Custom => (b"\",\"type\":\"custom\",\"custom\":", "input"),
    };
    out.extend_from_slice(lead);
    write_named(out, name, key, input);
}

/// `{"name":…,"arguments":…}`
pub(super) fn write_named(out: &mut Vec<u8>, name: &str, key: &str, input: &str) {
    out.extend_from_slice(b"{\"name\":");
    write_string(out, name);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(out, input);
    out.push(b'}');
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // A str into a Vec cannot fail: neither the encoding nor the writing has an error to give.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strict_shape() {
        let id = CompletionId::mint();
        let completion = Completion {
            id: &id,
            created: 1_700_000_000,
            model: "gpt-\"4o\"",
            choices: &[
                Choice {
                    content: "line\n\"quoted\" \u{1F600}",
                    calls: &[],
                    finish_reason: FinishReason::Length,
                },
                Choice { content: "", calls: &[], finish_reason: FinishReason::Stop },
            ],
            usage: Usage { prompt_tokens: 3, completion_tokens: 4 },
        };
        let value: serde_json::Value = serde_json::from_slice(&completion.to_json()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "id": id.as_str(), "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-\"4o\"",
                "choices": [{
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": "line\n\"quoted\" \u{1F600}", "refusal": null, "annotations": []
                    },
                    "logprobs": null, "finish_reason": "length"
                }, {
                    "index": 1,
                    "message": {"role": "assistant", "content": "", "refusal": null, "annotations": []},
                    "logprobs": null, "finish_reason": "stop"
                }],
                "usage": {
                    "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                    "completion_tokens_details": {
                        "reasoning_tokens": 0, "audio_tokens": 0,
                        "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
                    }
                },
                "system_fingerprint": "fp_chipp"
            })
        );
    }

    fn call(kind: CalledKind, name: &str, input: &str) -> ToolCall {
        ToolCall { id: ToolCallId::mint(), called: Called { kind, name: name.into(), input: input.into() } }
    }

    fn message(content: &str, calls: &[ToolCall], form: CallForm) -> serde_json::Value {
        let id = CompletionId::mint();
        let choice = Choice { content, calls, finish_reason: FinishReason::Calls(form) };
        let usage = Usage::default();
        let completion = Completion { id: &id, created: 1, model: "m", choices: &[choice], usage };
        let mut value: serde_json::Value = serde_json::from_slice(&completion.to_json()).unwrap();
        let reason = if form == CallForm::Tools { "tool_calls" } else { "function_call" };
        assert_eq!(value["choices"][0]["finish_reason"], reason);
        value["choices"][0]["message"].take()
    }

    #[test]
    fn calls_with_and_without_words() {
        let calls = [
            call(CalledKind::Function, "time", r#"{"zone":"UTC"}"#),
            call(CalledKind::Custom, "shell", "ls \"x\""),
        ];
        let expected = serde_json::json!([
            {"id": calls[0].id.as_str(), "type": "function",
             "function": {"name": "time", "arguments": "{\"zone\":\"UTC\"}"}},
            {"id": calls[1].id.as_str(), "type": "custom", "custom": {"name": "shell", "input": "ls \"x\""}},
        ]);
        let silent = message("", &calls, CallForm::Tools);
        assert!(silent["content"].is_null());
        assert_eq!(silent["tool_calls"], expected);
        let spoken = message("Well", &calls, CallForm::Tools);
        assert_eq!((&spoken["content"], &spoken["tool_calls"]), (&"Well".into(), &expected));
    }

    #[test]
    fn the_older_form_has_one_call_without_an_id() {
        let message = message("", &[call(CalledKind::Function, "time", "{}")], CallForm::Function);
        assert_eq!(
            message,
            serde_json::json!({
                "role": "assistant", "content": null, "refusal": null, "annotations": [],
                "function_call": {"name": "time", "arguments": "{}"}
            })
        );
    }
}
