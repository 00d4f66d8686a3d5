//! The answer of `POST /v1/chat/completions`: object `chat.completion`.

use crate::ids::CompletionId;
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
}

impl FinishReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
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
    /// The text.
    pub content: &'a str,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

impl Completion<'_> {
    /// The body.
    pub fn to_json(&self) -> Vec<u8> {
        let text: usize = self.choices.iter().map(|choice| choice.content.len()).sum();
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
    fn write_json(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
        write_string(out, self.content);
        out.extend_from_slice(
            b",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"",
        );
        out.extend_from_slice(self.finish_reason.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }
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
                Choice { content: "line\n\"quoted\" \u{1F600}", finish_reason: FinishReason::Length },
                Choice { content: "", finish_reason: FinishReason::Stop },
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
}
