//! How an answer is told, by the endpoint that was asked: whole, or as the events of a stream.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::ids::CompletionId;
use crate::openai::chunk::ChunkWriter;
use crate::openai::completion::{Choice, Completion, FinishReason};
use crate::openai::text_completion::{TextChoice, TextChunkWriter, TextCompletion};
use crate::openai::usage::Usage;
use crate::openai::{self, Error};
use crate::proxy::answer::Concluded;
use crate::proxy::call::Call;
use crate::proxy::plan::Ask;
use crate::proxy::question::Question;

/// Writes the events of one choice of a stream.
#[derive(Debug)]
pub(super) enum Writer {
    /// `chat.completion.chunk`
    Chat(ChunkWriter),
    /// `text_completion`
    Text {
        chunks: TextChunkWriter,
        /// What stands before the answer.
        echo: String,
    },
}

impl Writer {
    /// For the first choice.
    pub(super) fn of(call: &Call) -> Self {
        let ask = &call.ask;
        match ask.question {
            Question::Chat(_) => {
                let id = CompletionId::mint();
                Self::Chat(ChunkWriter::new(&id, unix_seconds(), &ask.model, ask.include_usage))
            }
            Question::Text(_) => {
                let id = CompletionId::mint_text();
                let chunks = TextChunkWriter::new(&id, unix_seconds(), &ask.model, ask.include_usage);
                Self::Text { chunks, echo: call.attempt.echo.clone() }
            }
        }
    }

    /// For another choice of the same stream, which `call` answers.
    pub(super) fn of_choice(&self, index: u32, call: &Call) -> Self {
        match self {
            Self::Chat(chunks) => Self::Chat(chunks.of_choice(index)),
            Self::Text { chunks, .. } => {
                Self::Text { chunks: chunks.of_choice(index), echo: call.attempt.echo.clone() }
            }
        }
    }

    /// What comes before the answer.
    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.role(out),
            Self::Text { echo, .. } if echo.is_empty() => {}
            Self::Text { chunks, echo } => chunks.text(echo, out),
        }
    }

    /// More text.
    pub(super) fn text(&self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.text(text, out),
            Self::Text { chunks, .. } => chunks.text(text, out),
        }
    }

    /// The end of the choice.
    pub(super) fn finish(&self, reason: FinishReason, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.finish(reason, out),
            Self::Text { chunks, .. } => chunks.finish(reason, out),
        }
    }

    /// The end of the stream, when all choices have ended.
    pub(super) fn done(&self, usage: Usage, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.done(usage, out),
            Self::Text { chunks, .. } => chunks.done(usage, out),
        }
    }

    /// The end of a stream that breaks.
    pub(super) fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        match self {
            Self::Chat(_) | Self::Text { .. } => openai::chunk::error_event(error, out),
        }
    }
}

/// The body of an answer that is not streamed. `echoes`: what stands before each choice.
pub(super) fn whole(ask: &Ask, concluded: &[Concluded], echoes: &[&str], usage: Usage) -> Vec<u8> {
    match ask.question {
        Question::Chat(_) => {
            let choices: Vec<Choice<'_>> = concluded.iter().map(Concluded::as_choice).collect();
            let id = CompletionId::mint();
            let (created, model) = (unix_seconds(), &*ask.model);
            Completion { id: &id, created, model, choices: &choices, usage }.to_json()
        }
        Question::Text(_) => {
            let choices = concluded.iter().zip(echoes).map(|(one, echo)| TextChoice {
                echo,
                text: &one.content,
                finish_reason: one.finish_reason,
            });
            let choices: Vec<TextChoice<'_>> = choices.collect();
            let id = CompletionId::mint_text();
            let (created, model) = (unix_seconds(), &*ask.model);
            TextCompletion { id: &id, created, model, choices: &choices, usage }.to_json()
        }
    }
}

/// Seconds since 1970, for `created`.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
