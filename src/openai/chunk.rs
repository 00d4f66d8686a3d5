//! The streamed answer: objects `chat.completion.chunk`, written as server-sent events.
//!
//! What stays the same through a stream is written once, when it begins; a chunk is that frame around its delta.

use crate::ids::CompletionId;
use crate::openai::Error;
use crate::openai::completion::{FinishReason, SYSTEM_FINGERPRINT, write_string};
use crate::openai::usage::Usage;

/// Whether the client asked for `stream_options.include_usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeUsage {
    /// `usage: null` in every chunk, then one chunk more that has it.
    Yes,
    /// No `usage` anywhere.
    No,
}

/// The sign that a stream has ended well; never sent after an error.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A comment, which clients skip: it keeps a silent connection alive.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

const LOGPROBS_AND_NO_FINISH: &[u8] = b",\"logprobs\":null,\"finish_reason\":null}]";

/// Writes the chunks of one choice of a stream.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    /// `data: {"id":…` up to and with `"choices":`, and then `[{"index":…,"delta":{`.
    lead: Vec<u8>,
    /// Where the first of these two ends.
    head: usize,
    include_usage: IncludeUsage,
}

impl ChunkWriter {
    /// `created` in Unix seconds; `model` is the alias, as the client asked for it.
    pub fn new(id: &CompletionId, created: u64, model: &str, include_usage: IncludeUsage) -> Self {
        let mut head = Vec::with_capacity(192 + model.len());
        head.extend_from_slice(b"data: {\"id\":\"");
        head.extend_from_slice(id.as_str().as_bytes());
        head.extend_from_slice(b"\",\"object\":\"chat.completion.chunk\",\"created\":");
        head.extend_from_slice(itoa::Buffer::new().format(created).as_bytes());
        head.extend_from_slice(b",\"model\":");
        write_string(&mut head, model);
        head.extend_from_slice(b",\"system_fingerprint\":\"");
        head.extend_from_slice(SYSTEM_FINGERPRINT.as_bytes());
        head.extend_from_slice(b"\",\"choices\":");
        let mut writer = Self { head: head.len(), lead: head, include_usage };
        writer.lead_to(0);
        writer
    }

    /// Writes the chunks of another choice of the same stream.
    #[must_use]
    pub fn of_choice(&self, index: u32) -> Self {
        let mut writer = self.clone();
        writer.lead_to(index);
        writer
    }

    fn lead_to(&mut self, index: u32) {
        self.lead.truncate(self.head);
        self.lead.extend_from_slice(b"[{\"index\":");
        self.lead.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        self.lead.extend_from_slice(b",\"delta\":{");
    }

    /// The first chunk: who speaks.
    pub fn role(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lead);
        out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
        out.extend_from_slice(LOGPROBS_AND_NO_FINISH);
        self.close(out);
    }

    /// More text.
    pub fn text(&self, text: &str, out: &mut Vec<u8>) {
        out.reserve(self.lead.len() + text.len() + text.len() / 8 + 128);
        out.extend_from_slice(&self.lead);
        out.extend_from_slice(b"\"content\":");
        write_string(out, text);
        out.push(b'}');
        out.extend_from_slice(LOGPROBS_AND_NO_FINISH);
        self.close(out);
    }

    /// The end of the choice.
    pub fn finish(&self, reason: FinishReason, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lead);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(reason.as_str().as_bytes());
        out.extend_from_slice(b"\"}]");
        self.close(out);
    }

    /// The end of the stream, when all choices have ended: the usage where that was asked for, and `[DONE]`.
    pub fn done(&self, usage: Usage, out: &mut Vec<u8>) {
        if self.include_usage == IncludeUsage::Yes {
            out.extend_from_slice(self.lead.get(..self.head).unwrap_or_default());
            out.extend_from_slice(b"[],\"usage\":");
            usage.write_json(out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE);
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.include_usage {
            IncludeUsage::Yes => b",\"usage\":null}\n\n",
            IncludeUsage::No => b"}\n\n",
        });
    }
}

/// What breaks after the first byte: an error event, which the official SDKs raise. The stream ends after it.
pub fn error_event(error: &Error, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&error.to_json());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8]) -> Vec<serde_json::Value> {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.ends_with("\n\n"));
        let events = text.trim_end().split("\n\n");
        events
            .map(|event| {
                let data = event.strip_prefix("data: ").unwrap();
                if data == "[DONE]" { "[DONE]".into() } else { serde_json::from_str(data).unwrap() }
            })
            .collect()
    }

    fn stream(include_usage: IncludeUsage) -> Vec<serde_json::Value> {
        let writer = ChunkWriter::new(&CompletionId::mint(), 1_700_000_000, "gpt-4o", include_usage);
        let mut out = Vec::new();
        writer.role(&mut out);
        writer.text("Hel\"lo\n", &mut out);
        writer.finish(FinishReason::Stop, &mut out);
        writer.done(Usage { prompt_tokens: 1, completion_tokens: 2 }, &mut out);
        events(&out)
    }

    #[test]
    fn role_text_finish_done() {
        let events = stream(IncludeUsage::No);
        assert_eq!(events.len(), 4);
        let delta = |at: usize| events[at]["choices"][0]["delta"].clone();
        assert_eq!(delta(0), serde_json::json!({"role": "assistant", "content": "", "refusal": null}));
        assert_eq!(delta(1), serde_json::json!({"content": "Hel\"lo\n"}));
        assert_eq!(delta(2), serde_json::json!({}));
        assert_eq!(events[2]["choices"][0]["finish_reason"], "stop");
        assert_eq!(events[3], "[DONE]");
        for event in &events[..3] {
            assert_eq!(event["id"], events[0]["id"]);
            assert_eq!(event["system_fingerprint"], "fp_chipp");
            assert!(event.get("usage").is_none());
            assert!(event["choices"][0]["logprobs"].is_null());
        }
        assert!(events[0]["choices"][0]["finish_reason"].is_null());
    }

    #[test]
    fn choices_differ_in_their_index_alone() {
        let first = ChunkWriter::new(&CompletionId::mint(), 1_700_000_000, "gpt-4o", IncludeUsage::No);
        let write = |writer: &ChunkWriter| {
            let mut out = Vec::new();
            writer.role(&mut out);
            writer.text("Hi", &mut out);
            writer.finish(FinishReason::Stop, &mut out);
            out
        };
        let (first, mut twelfth) =
            (events(&write(&first)), events(&write(&first.of_choice(12).of_choice(12))));
        for event in &mut twelfth {
            assert_eq!(event["choices"][0]["index"], 12);
            event["choices"][0]["index"] = 0.into();
        }
        assert_eq!(first, twelfth);
    }

    #[test]
    fn usage_is_null_until_its_own_chunk() {
        let events = stream(IncludeUsage::Yes);
        assert_eq!(events.len(), 5);
        for event in &events[..3] {
            assert!(event.as_object().unwrap().contains_key("usage") && event["usage"].is_null());
        }
        assert_eq!(events[3]["choices"], serde_json::json!([]));
        assert_eq!(events[3]["usage"]["total_tokens"], 3);
        assert_eq!(events[4], "[DONE]");
    }
}
