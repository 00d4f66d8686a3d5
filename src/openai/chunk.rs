//! The streamed answer: objects `chat.completion.chunk`, written as server-sent events.
//!
//! What stays the same through a stream is written once, when it begins; a chunk is that frame around its delta.

use crate::ids::CompletionId;
use crate::openai::Error;
use crate::openai::chat::{CallForm, CalledKind};
use crate::openai::completion::{
    FinishReason, SYSTEM_FINGERPRINT, ToolCall, write_called, write_named, write_string,
};
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

    /// A call of a tool, `place` its number in the answer: first its name, then its arguments (or its input) in pieces.
    pub fn call(&self, place: usize, call: &ToolCall, form: CallForm, out: &mut Vec<u8>) {
        let called = &call.called;
        self.call_piece(place, form, out, |out| match form {
            CallForm::Function => write_named(out, &called.name, "arguments", ""),
            CallForm::Tools => {
                out.extend_from_slice(b",\"id\":\"");
                out.extend_from_slice(call.id.as_str().as_bytes());
                write_called(out, called.kind, &called.name, "");
            }
        });
        let lead: &[u8] = match (form, called.kind) {
            (CallForm::Function, _) => b"{\"arguments\":",
            (CallForm::Tools, CalledKind::Function) => b",\"function\":{\"arguments\":",
            (CallForm::Tools, CalledKind::Custom) => b",\"custom\":{\"input\":",
        };
        for piece in pieces(&called.input) {
            self.call_piece(place, form, out, |out| {
                out.extend_from_slice(lead);
                write_string(out, piece);
                out.push(b'}');
            });
        }
    }

    fn call_piece(
        &self,
        place: usize,
        form: CallForm,
        out: &mut Vec<u8>,
        content: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(&self.lead);
        match form {
            CallForm::Tools => {
                out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                out.extend_from_slice(itoa::Buffer::new().format(place).as_bytes());
                content(out);
                out.extend_from_slice(b"}]}");
            }
            CallForm::Function => {
                out.extend_from_slice(b"\"function_call\":");
                content(out);
                out.push(b'}');
            }
        }
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

/// The pieces in which a text is streamed that was there as a whole, in bytes.
const PIECE_BYTES: usize = 64;

/// A text in the pieces in which it is streamed, although it was there as a whole.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = PIECE_BYTES.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
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
    use crate::ids::ToolCallId;
    use crate::openai::chat::Called;

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

    fn calls(form: CallForm, calls: &[(CalledKind, &str, &str)]) -> Vec<serde_json::Value> {
        let writer = ChunkWriter::new(&CompletionId::mint(), 1_700_000_000, "gpt-4o", IncludeUsage::No);
        let mut out = Vec::new();
        for (place, (kind, name, input)) in calls.iter().enumerate() {
            let called = Called { kind: *kind, name: (*name).into(), input: (*input).into() };
            writer.call(place, &ToolCall { id: ToolCallId::mint(), called }, form, &mut out);
        }
        events(&out).into_iter().map(|mut event| event["choices"][0]["delta"].take()).collect()
    }

    #[test]
    fn a_call_has_its_name_first_and_its_arguments_in_pieces() {
        let long = format!("{{\"text\":\"{}\"}}", "\u{e4}".repeat(40));
        let deltas =
            calls(CallForm::Tools, &[(CalledKind::Function, "a", &long), (CalledKind::Custom, "b", "x")]);
        let first = &deltas[0]["tool_calls"][0];
        assert_eq!((&first["index"], &first["type"]), (&0.into(), &"function".into()));
        assert!(first["id"].as_str().unwrap().starts_with("call_"));
        assert_eq!(first["function"], serde_json::json!({"name": "a", "arguments": ""}));
        assert_eq!(deltas.len(), 5);
        let argument = |at: usize| deltas[at]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        assert_eq!([argument(1), argument(2)].concat(), long);
        let second = &deltas[3]["tool_calls"][0];
        assert_eq!((&second["index"], &second["custom"]["name"]), (&1.into(), &"b".into()));
        assert_eq!(deltas[4], serde_json::json!({"tool_calls": [{"index": 1, "custom": {"input": "x"}}]}));
    }

    #[test]
    fn the_older_form_of_a_call() {
        assert_eq!(
            calls(CallForm::Function, &[(CalledKind::Function, "a", "{}")]),
            [
                serde_json::json!({"function_call": {"name": "a", "arguments": ""}}),
                serde_json::json!({"function_call": {"arguments": "{}"}})
            ]
        );
    }

    #[test]
    fn pieces_end_between_characters_and_are_the_whole() {
        let text = "\u{20ac}".repeat(50);
        let pieces: Vec<&str> = pieces(&text).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES));
        assert_eq!(super::pieces("").count(), 0);
    }
}
