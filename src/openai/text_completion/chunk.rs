//! The streamed answer: server-sent events whose objects are called `text_completion` too.
//!
//! A chunk is an answer with a piece of the text; there is no role and no delta. Comments and errors are those of
//! chat's streams ([`KEEP_ALIVE`](crate::openai::chunk::KEEP_ALIVE), [`error_event`](crate::openai::chunk::error_event)).

use super::answer::write_head;
use crate::ids::CompletionId;
use crate::openai::chunk::{DONE, IncludeUsage};
use crate::openai::completion::{FinishReason, write_string};
use crate::openai::usage::Usage;

/// Writes the chunks of one choice of a stream.
#[derive(Clone, Debug)]
pub struct TextChunkWriter {
    /// `data: {"id":…` up to and with `"choices":`.
    head: Vec<u8>,
    /// `,"index":…,"logprobs":null,"finish_reason":`, which stands after the text.
    tail: Vec<u8>,
    include_usage: IncludeUsage,
}

impl TextChunkWriter {
    /// Of the first choice. `id` from [`CompletionId::mint_text`], `created` in Unix seconds; `model` is the alias, as
    /// the client asked for it.
    pub fn new(id: &CompletionId, created: u64, model: &str, include_usage: IncludeUsage) -> Self {
        let mut head = Vec::with_capacity(192 + model.len());
        head.extend_from_slice(b"data: ");
        write_head(&mut head, id, created, model);
        Self { head, tail: tail(0), include_usage }
    }

    /// Writes the chunks of another choice of the same stream.
    #[must_use]
    pub fn of_choice(&self, index: u32) -> Self {
        Self { tail: tail(index), ..self.clone() }
    }

    /// More text; or the prompt, where it is to be echoed.
    pub fn text(&self, text: &str, out: &mut Vec<u8>) {
        out.reserve(self.head.len() + self.tail.len() + text.len() + text.len() / 8 + 48);
        self.chunk(text, None, out);
    }

    /// The end of the choice.
    pub fn finish(&self, reason: FinishReason, out: &mut Vec<u8>) {
        self.chunk("", Some(reason), out);
    }

    /// The end of the stream, when all choices have ended: the usage where that was asked for, and `[DONE]`.
    pub fn done(&self, usage: Usage, out: &mut Vec<u8>) {
        if self.include_usage == IncludeUsage::Yes {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"[],\"usage\":");
            usage.write_json(out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE);
    }

    fn chunk(&self, text: &str, finish: Option<FinishReason>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"[{\"text\":");
        write_string(out, text);
        out.extend_from_slice(&self.tail);
        match finish {
            None => out.extend_from_slice(b"null}]"),
            Some(reason) => {
                out.push(b'"');
                out.extend_from_slice(reason.as_str().as_bytes());
                out.extend_from_slice(b"\"}]");
            }
        }
        out.extend_from_slice(match self.include_usage {
            IncludeUsage::Yes => b",\"usage\":null}\n\n",
            IncludeUsage::No => b"}\n\n",
        });
    }
}

fn tail(index: u32) -> Vec<u8> {
    let mut tail = b",\"index\":".to_vec();
    tail.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
    tail.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
    tail
}
