//! A body of server-sent events: tells dialect A from C, and ends where both end, at `[DONE]`.

use std::ops::ControlFlow;

use crate::chipp::stream::line::{Lines, Portion};
use crate::chipp::stream::sse::{Assembler, Read, SseEvent};
use crate::chipp::stream::termination::Outlet;
use crate::chipp::stream::{Dialect, openai_chunk, stray, ui_message};
use crate::chipp::{Failure, error, json, metadata};

/// Decodes dialects A and C.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    lines: Lines,
    events: Events,
}

#[derive(Debug, Default)]
struct Events {
    assembler: Assembler,
    dialect: Option<Dialect>,
}

impl EventStream {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Outlet<'_>) {
        let Self { lines, events } = self;
        lines.push(bytes, |portion| {
            events.take(portion, out);
            if out.failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    pub(super) fn finish(&mut self, out: &mut Outlet<'_>) {
        let Self { lines, events } = self;
        lines.finish(|portion| {
            events.take(portion, out);
            ControlFlow::Continue(())
        });
        // An empty line would have ended the last event.
        events.line(b"", b"", out);
        if events.unreadable(out) {
            out.fail(Failure::Malformed);
        }
        out.end_of_body();
    }

    /// A or C, once an event has told.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.events.dialect
    }
}

impl Events {
    fn take(&mut self, portion: Portion<'_>, out: &mut Outlet<'_>) {
        match portion {
            Portion::Line { line, next } => self.line(line, next, out),
            Portion::LongHead(head) => {
                if !self.assembler.long_head(head) {
                    out.skip();
                }
            }
            Portion::LongMore(more) => self.assembler.long_more(more),
            Portion::LongEnd => {}
        }
    }

    fn line(&mut self, line: &[u8], next: &[u8], out: &mut Outlet<'_>) {
        match self.assembler.line(line, next) {
            Read::Nothing => {}
            Read::Event(event) => dispatch(&mut self.dialect, event, out),
            Read::Stray => stray(line, out),
        }
    }

    /// Whether events came and none was of a known dialect.
    fn unreadable(&self, out: &Outlet<'_>) -> bool {
        self.dialect.is_none() && out.has_skipped()
    }
}

fn dispatch(dialect: &mut Option<Dialect>, event: SseEvent<'_>, out: &mut Outlet<'_>) {
    let data = event.data.trim_ascii();
    if event.is_skimmed {
        out.oversized();
    }
    if data.is_empty() {
        return;
    }
    if event.named_error {
        let text = String::from_utf8_lossy(data);
        return out.fail(Failure::Api(error::classify_text(&text)));
    }
    if data == b"[DONE]" {
        // Nothing readable came before: that is no answer.
        return match dialect {
            None if out.has_skipped() => out.fail(Failure::Malformed),
            _ => out.finish(),
        };
    }
    if dialect.is_none() {
        *dialect = tell(data, out);
    }
    match dialect {
        Some(Dialect::UiMessage) => ui_message::event(data, event.is_skimmed, out),
        Some(_) => openai_chunk::event(data, event.is_skimmed, out),
        None => {}
    }
}

/// The dialect of a first event; one that does not tell may still name the session, or be an error.
fn tell(data: &[u8], out: &mut Outlet<'_>) -> Option<Dialect> {
    let Some(value) = json::value(data).filter(serde_json::Value::is_object) else {
        out.skip();
        return None;
    };
    if value.get("type").is_some_and(serde_json::Value::is_string) {
        return Some(Dialect::UiMessage);
    }
    if value.get("choices").is_some() {
        return Some(Dialect::OpenAiChunk);
    }
    out.session(metadata::session_in(&value));
    out.usage(metadata::usage_in(&value));
    if let Some(error) = error::reported(&value) {
        out.fail(Failure::Api(error));
    }
    None
}
