//! The three dialects in which Chipp streams, from the writer's side.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::script::{Script, quote};

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

/// One thing that a stream says.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// The opening frame of the reply.
    Start,
    TextStart,
    Text(&'a str),
    TextEnd,
    Reasoning(&'a str),
    /// A tool of the app's own is called.
    ToolCall,
    ToolResult,
    Session(&'a str),
    /// Names the message, and what was used if that is given.
    Metadata(Option<Usage>),
    Error(&'a str),
    Abort,
    Finish(&'static str, Usage),
    /// The terminator.
    Done,
    /// A line as it stands.
    Raw(Cow<'a, str>),
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
        if let Part::Raw(line) = part {
            script.piece(line.as_bytes());
            return;
        }
        match self.dialect {
            Dialect::OpenAiChunks => self.openai_chunk(part, script),
            Dialect::DataStream => self.data_stream(part, script),
            Dialect::UiMessage => self.ui_message(part, script),
        }
    }

    fn openai_chunk(&mut self, part: &Part<'_>, script: &mut Script) {
        match part {
            Part::Text(text) => {
                let delta = format!(r#"{{"content":{}}}"#, quote(text));
                self.chunk(&delta, "null", "", script);
            }
            Part::Session(id) => {
                let session = format!(r#","chatSessionId":{}"#, quote(id));
                self.chunk("{}", "null", &session, script);
            }
            Part::Finish(reason, _) => {
                let reason = quote(&reason.replace('-', "_"));
                self.chunk("{}", &reason, "", script);
            }
            Part::Error(text) => {
                let error = format!(r#"{{"error":{{"message":{},"type":"server_error"}}}}"#, quote(text));
                self.sse(&error, script);
            }
            Part::Done => self.sse("[DONE]", script),
            // This dialect has no words for the rest.
            _ => {}
        }
    }

    fn chunk(&mut self, delta: &str, finish: &str, extra: &str, script: &mut Script) {
        let Self { app, serial, created, .. } = *self;
        let chunk = format!(
            r#"{{"id":"chatcmpl-{serial}","object":"chat.completion.chunk","created":{created},"model":"{app}","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]{extra}}}"#
        );
        self.sse(&chunk, script);
    }

    fn data_stream(&mut self, part: &Part<'_>, script: &mut Script) {
        let serial = self.serial;
        match part {
            Part::Start => self.line('f', format_args!(r#"{{"messageId":"msg-{serial}"}}"#), script),
            Part::Text(text) => self.line('0', format_args!("{}", quote(text)), script),
            Part::Reasoning(text) => self.line('g', format_args!("{}", quote(text)), script),
            Part::ToolCall => {
                let call = format_args!(
                    r#"{{"toolCallId":"call-{serial}","toolName":"lookup","args":{{"query":"x"}}}}"#
                );
                self.line('9', call, script);
            }
            Part::ToolResult => {
                let result = format_args!(r#"{{"toolCallId":"call-{serial}","result":{{"rows":3}}}}"#);
                self.line('a', result, script);
            }
            Part::Session(id) => {
                self.line('2', format_args!(r#"[{{"chatSessionId":{}}}]"#, quote(id)), script);
            }
            Part::Metadata(_) => {
                self.line('8', format_args!(r#"[{{"persistedMessageId":"persisted-{serial}"}}]"#), script);
            }
            Part::Error(text) => self.line('3', format_args!("{}", quote(text)), script),
            Part::Finish(reason, usage) => {
                let usage = ai_usage(*usage);
                let step =
                    format_args!(r#"{{"finishReason":"{reason}","usage":{usage},"isContinued":false}}"#);
                self.line('e', step, script);
                self.line('d', format_args!(r#"{{"finishReason":"{reason}","usage":{usage}}}"#), script);
            }
            _ => {}
        }
    }

    fn ui_message(&mut self, part: &Part<'_>, script: &mut Script) {
        let serial = self.serial;
        let block = self.blocks;
        let event = match part {
            Part::Start => {
                self.sse(&format!(r#"{{"type":"start","messageId":"msg-{serial}"}}"#), script);
                r#"{"type":"start-step"}"#.into()
            }
            Part::TextStart => format!(r#"{{"type":"text-start","id":"{block}"}}"#),
            Part::Text(text) => {
                format!(r#"{{"type":"text-delta","id":"{block}","delta":{}}}"#, quote(text))
            }
            Part::TextEnd => {
                self.blocks += 1;
                format!(r#"{{"type":"text-end","id":"{block}"}}"#)
            }
            Part::Reasoning(text) => {
                self.sse(r#"{"type":"reasoning-start","id":"r"}"#, script);
                let delta = format!(r#"{{"type":"reasoning-delta","id":"r","delta":{}}}"#, quote(text));
                self.sse(&delta, script);
                r#"{"type":"reasoning-end","id":"r"}"#.into()
            }
            Part::ToolCall => {
                let start = format!(
                    r#"{{"type":"tool-input-start","toolCallId":"call-{serial}","toolName":"lookup"}}"#
                );
                self.sse(&start, script);
                format!(
                    r#"{{"type":"tool-input-available","toolCallId":"call-{serial}","toolName":"lookup","input":{{"query":"x"}}}}"#
                )
            }
            Part::ToolResult => {
                let result = format!(
                    r#"{{"type":"tool-output-available","toolCallId":"call-{serial}","output":{{"rows":3}}}}"#
                );
                self.sse(&result, script);
                self.sse(r#"{"type":"finish-step"}"#, script);
                r#"{"type":"start-step"}"#.into()
            }
            Part::Session(id) => {
                format!(r#"{{"type":"data-session","data":{{}},"chatSessionId":{}}}"#, quote(id))
            }
            Part::Metadata(usage) => {
                let usage =
                    usage.map_or_else(String::new, |usage| format!(r#","usage":{}"#, ai_usage(usage)));
                format!(
                    r#"{{"type":"message-metadata","messageMetadata":{{"annotations":[{{"persistedMessageId":"persisted-{serial}"}}]{usage}}}}}"#
                )
            }
            Part::Error(text) => format!(r#"{{"type":"error","errorText":{}}}"#, quote(text)),
            Part::Abort => r#"{"type":"abort","reason":"stopped"}"#.into(),
            Part::Finish(reason, _) => {
                self.sse(r#"{"type":"finish-step"}"#, script);
                format!(r#"{{"type":"finish","finishReason":"{reason}"}}"#)
            }
            Part::Done => "[DONE]".into(),
            Part::Raw(_) => return,
        };
        self.sse(&event, script);
    }

    fn line(&mut self, code: char, json: std::fmt::Arguments<'_>, script: &mut Script) {
        self.event.clear();
        let _ = write!(self.event, "{code}:{json}{}", self.newline);
        script.piece(self.event.as_bytes());
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
