//! How an answer is told, by the endpoint that was asked: whole, or as the events of a stream.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::ids::CompletionId;
use crate::openai::chunk::ChunkWriter;
use crate::openai::completion::{Choice, Completion, FinishReason, ToolCall};
use crate::openai::responses::{Status, Stream, Whole};
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
    /// `response.…`
    Response(Box<Stream>),
}

impl Writer {
    /// For the first choice.
    pub(super) fn of(call: &Call) -> Self {
        let ask = &call.ask;
        match &ask.question {
            Question::Chat(_) => {
                let id = CompletionId::mint();
                Self::Chat(ChunkWriter::new(&id, unix_seconds(), &ask.model, ask.include_usage))
            }
            Question::Text(_) => {
                let id = CompletionId::mint_text();
                let chunks = TextChunkWriter::new(&id, unix_seconds(), &ask.model, ask.include_usage);
                Self::Text { chunks, echo: call.attempt.echo.clone() }
            }
            Question::Response(posed) => Self::Response(Box::new(Stream::new(posed.draft.clone()))),
        }
    }

    /// For another choice of the same stream, which `call` answers.
    pub(super) fn of_choice(&self, index: u32, call: &Call) -> Self {
        match self {
            Self::Chat(chunks) => Self::Chat(chunks.of_choice(index)),
            Self::Text { chunks, .. } => {
                Self::Text { chunks: chunks.of_choice(index), echo: call.attempt.echo.clone() }
            }
            // Of a response there is one.
            Self::Response(stream) => Self::Response(stream.clone()),
        }
    }

    /// What comes before the answer.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.role(out),
            Self::Text { echo, .. } if echo.is_empty() => {}
            Self::Text { chunks, echo } => chunks.text(echo, out),
            Self::Response(stream) => stream.begin(out),
        }
    }

    /// More text.
    pub(super) fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.text(text, out),
            Self::Text { chunks, .. } => chunks.text(text, out),
            Self::Response(stream) => stream.text(text, out),
        }
    }

    /// The tools that are called, before [`finish`](Self::finish) with the same reason.
    pub(super) fn calls(&mut self, calls: &[ToolCall], reason: FinishReason, out: &mut Vec<u8>) {
        let FinishReason::Calls(form) = reason else { return };
        for (place, call) in calls.iter().enumerate() {
            match self {
                Self::Chat(chunks) => chunks.call(place, call, form, out),
                Self::Response(stream) => stream.call(call.id.as_str(), &call.called, out),
                // No tools can be offered there.
                Self::Text { .. } => {}
            }
        }
    }

    /// The end of the choice.
    pub(super) fn finish(&mut self, reason: FinishReason, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.finish(reason, out),
            Self::Text { chunks, .. } => chunks.finish(reason, out),
            Self::Response(stream) => stream.finish(status(reason), out),
        }
    }

    /// What is to be kept of the answer before its end is told.
    pub(super) fn settle(&mut self, usage: Usage) -> Option<Whole> {
        match self {
            Self::Chat(_) | Self::Text { .. } => None,
            Self::Response(stream) => Some(stream.settle(usage, unix_seconds())),
        }
    }

    /// The end of the stream, when all choices have ended.
    pub(super) fn done(&mut self, usage: Usage, out: &mut Vec<u8>) {
        match self {
            Self::Chat(chunks) => chunks.done(usage, out),
            Self::Text { chunks, .. } => chunks.done(usage, out),
            Self::Response(stream) => stream.end(out),
        }
    }

    /// The end of a stream that breaks.
    pub(super) fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        match self {
            Self::Chat(_) | Self::Text { .. } => openai::chunk::error_event(error, out),
            Self::Response(stream) => stream.fail(error, out),
        }
    }
}

/// The end of a stream of which nothing but comments has been written.
pub(super) fn fail(question: &Question, error: &Error, out: &mut Vec<u8>) {
    match question {
        Question::Chat(_) | Question::Text(_) => openai::chunk::error_event(error, out),
        Question::Response(posed) => Stream::new(posed.draft.clone()).fail(error, out),
    }
}

/// The body of an answer that is not streamed, and what is to be kept of it. `echoes`: what stands before each choice.
pub(super) fn whole(
    ask: &Ask,
    concluded: &[Concluded],
    echoes: &[&str],
    usage: Usage,
) -> (Vec<u8>, Option<Whole>) {
    let body = match &ask.question {
        Question::Response(posed) => {
            let (text, calls, reason) = match concluded.first() {
                Some(one) => (&*one.content, &*one.calls, one.finish_reason),
                None => ("", &[][..], FinishReason::Stop),
            };
            let calls = calls.iter().map(|call| (call.id.as_str(), &call.called));
            let whole = posed.draft.whole(text, calls, status(reason), usage, unix_seconds());
            return (whole.json.clone().into_bytes(), Some(whole));
        }
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
    };
    (body, None)
}

/// How a response ended.
const fn status(reason: FinishReason) -> Status {
    match reason {
        FinishReason::Stop | FinishReason::Calls(_) => Status::Completed,
        FinishReason::Length => Status::MaxOutputTokens,
        FinishReason::ContentFilter => Status::ContentFilter,
    }
}

/// Seconds since 1970, for `created`.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
