//! The three dialects in which Chipp streams, from the writer's side.

mod data_stream;
mod openai_chunks;
mod ui_message;

use std::borrow::Cow;
use std::fmt::Write as _;

use super::script::Script;

/// The forms of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A: chunks like OpenAI's.
    OpenAiChunks,
    /// B: the AI SDK 4 data stream.
    DataStream,
    /// C: the AI SDK 5 UI message stream.
    UiMessage,
}

impl Dialect {
    /// The headers that announce it.
    pub(super) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenAiChunks => &[("content-type", "text/event-stream"), ("cache-control", "no-cache")],
            Self::DataStream => {
                &[("content-type", "text/plain; charset=utf-8"), ("x-vercel-ai-data-stream", "v1")]
            }
            Self::UiMessage => &[
                ("content-type", "text/event-stream"),
                ("cache-control", "no-cache"),
                ("x-vercel-ai-ui-message-stream", "v1"),
            ],
        }
    }
}

/// Token counts; a `None` is written as null.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) prompt: usize,
    pub(super) completion: Option<usize>,
}

/// One call of a tool of the app's own. Input, output and debug information are JSON.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) input: String,
    pub(super) output: String,
}

impl Call {
    /// The tool that every app has.
    pub(super) const TOOL: &'static str = "lookup";

    /// A call without anything special.
    pub(super) fn new(id: String) -> Self {
        Self { id, input: r#"{"query":"x"}"#.into(), output: r#"{"rows":3}"#.into() }
    }
}

/// One thing that a stream says.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// The opening frame of the reply, with the session's id where the dialect has a place for it.
    Start(Option<&'a str>),
    /// The same without the first step.
    Opening(Option<&'a str>),
    TextStart,
    Text(&'a str),
    TextEnd,
    Reasoning(&'a str),
    /// A step ends and the next begins, before a tool is called.
    StepBreak,
    /// A tool of the app's own is called.
    ToolCall(&'a Call),
    ToolResult(&'a Call),
    /// The step after a tool's begins.
    StepAfterTool,
    /// Everything that is known of the tools so far, as JSON values.
    Annotations(&'a [String]),
    Session(&'a str),
    /// Names the message, and what was used if that is given.
    Metadata(Option<Usage>),
    Error(&'a str),
    Abort,
    /// The end of the reply.
    Finish(&'a str, Usage),
    /// The end of a step.
    StepEnd,
    /// The finish of one round, with the tokens of that round.
    RoundFinish(Option<&'a str>, Usage),
    /// The message's end, with all tokens so far; only dialect B has it.
    MessageEnd(&'a str, Usage),
    /// The terminator.
    Done,
    /// A line as it stands.
    Raw(Cow<'a, str>),
    /// An event of dialect C as it stands.
    Event(Cow<'a, str>),
}

/// Writes a stream's parts into a script, an event a piece.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    pub(super) dialect: Dialect,
    pub(super) newline: &'static str,
    pub(super) app: &'a str,
    /// Digits that tell this reply from others.
    pub(super) serial: &'a str,
    pub(super) created: u64,
    blocks: usize,
    event: String,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(dialect: Dialect, app: &'a str, serial: &'a str, created: u64) -> Self {
        Self { dialect, newline: "\n", app, serial, created, blocks: 0, event: String::with_capacity(256) }
    }

    pub(super) fn write(&mut self, part: &Part<'_>, script: &mut Script) {
        match part {
            Part::Raw(line) => return script.piece(line.as_bytes()),
            Part::Event(json) => return self.sse(json, script),
            _ => {}
        }
        match self.dialect {
            Dialect::OpenAiChunks => self.openai_chunk(part, script),
            Dialect::DataStream => self.data_stream(part, script),
            Dialect::UiMessage => self.ui_message(part, script),
        }
    }

    fn sse(&mut self, data: &str, script: &mut Script) {
        self.event.clear();
        let _ = write!(self.event, "data: {data}{0}{0}", self.newline);
        script.piece(self.event.as_bytes());
    }
}

fn ai_usage(Usage { prompt, completion }: Usage) -> String {
    let completion = completion.map_or_else(|| "null".to_owned(), |tokens| tokens.to_string());
    format!(r#"{{"promptTokens":{prompt},"completionTokens":{completion}}}"#)
}
