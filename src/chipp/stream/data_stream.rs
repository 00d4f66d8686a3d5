//! Dialect B: the lines of the AI SDK's data stream (version 4), `CODE:JSON`.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::json::{self, Text};
use crate::chipp::metadata::Place;
use crate::chipp::skim::{Limits, Skimmer};
use crate::chipp::stream::line::{Lines, Portion};
use crate::chipp::stream::stray;
use crate::chipp::stream::termination::Outlet;
use crate::chipp::{Failure, Usage, error, metadata};

/// Decodes dialect B. The message ends with `d:`, the body some metadata later.
#[derive(Debug, Default)]
pub(super) struct DataStream {
    lines: Lines,
    parts: Parts,
}

#[derive(Debug, Default)]
struct Parts {
    /// What the steps so far have used, for a message that does not give its total.
    steps: Usage,
    /// The line that is being read and is too long to be held: its code, and what takes its JSON.
    long: Option<(u8, Box<Skimmer>)>,
}

impl DataStream {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Outlet<'_>) {
        let Self { lines, parts } = self;
        lines.push(bytes, |portion| {
            parts.take(portion, out);
            if out.failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    pub(super) fn finish(&mut self, out: &mut Outlet<'_>) {
        let Self { lines, parts } = self;
        lines.finish(|portion| {
            parts.take(portion, out);
            ControlFlow::Continue(())
        });
        parts.end_of_long(out);
        out.end_of_body();
    }
}

impl Parts {
    fn take(&mut self, portion: Portion<'_>, out: &mut Outlet<'_>) {
        match portion {
            Portion::Line { line, .. } => self.line(line, out),
            // Text cannot be left out.
            Portion::LongHead([b'0', b':', ..]) => out.fail(Failure::TooLarge),
            Portion::LongHead([code @ (b'1'..=b'9' | b'a'..=b'z'), b':', json @ ..]) => {
                let mut skimmer = Box::new(Skimmer::new(Limits::LONG));
                skimmer.push(json);
                self.long = Some((*code, skimmer));
            }
            Portion::LongHead(_) => out.skip(),
            Portion::LongMore(more) => {
                if let Some((_, skimmer)) = &mut self.long {
                    skimmer.push(more);
                }
            }
            Portion::LongEnd => self.end_of_long(out),
        }
    }

    fn end_of_long(&mut self, out: &mut Outlet<'_>) {
        if let Some((code, skimmer)) = self.long.take() {
            out.oversized();
            self.part(code, &skimmer.into_kept(), out);
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Outlet<'_>) {
        match line {
            [b'0', b':', json @ ..] => text(json, out),
            [code @ (b'1'..=b'9' | b'a'..=b'z'), b':', json @ ..] => self.part(*code, json, out),
            _ if line.trim_ascii().is_empty() => {}
            _ => stray(line, out),
        }
    }

    fn part(&mut self, code: u8, json: &[u8], out: &mut Outlet<'_>) {
        if !matches!(code, b'2' | b'3' | b'8' | b'd' | b'e' | b'f') {
            return work(code, json, out);
        }
        match json::value(json) {
            Some(value) => self.message(code, &value, out),
            None => out.skip(),
        }
    }

    /// The parts that say something about the message.
    fn message(&mut self, code: u8, value: &Value, out: &mut Outlet<'_>) {
        let reason = || value.get("finishReason").and_then(Value::as_str).unwrap_or_default();
        let counts = || value.get("usage").and_then(metadata::counts).unwrap_or_default();
        let steps = &mut self.steps;
        match code {
            b'2' | b'8' => {
                out.known();
                let found = if code == b'2' {
                    metadata::session_in_data(value)
                } else {
                    metadata::session_within(value)
                };
                out.session(found.map(|id| (Place::Metadata, id)));
            }
            b'3' => out.fail(Failure::Api(error::classify_value(value))),
            b'd' => {
                let total = counts();
                out.session(metadata::session_in(value));
                out.usage(metadata::known(Usage {
                    prompt_tokens: total.prompt_tokens.or(steps.prompt_tokens),
                    completion_tokens: total.completion_tokens.or(steps.completion_tokens),
                }));
                out.finish_word(reason());
                out.end_mark();
            }
            b'e' => {
                let step = counts();
                steps.prompt_tokens = sum(steps.prompt_tokens, step.prompt_tokens);
                steps.completion_tokens = sum(steps.completion_tokens, step.completion_tokens);
                out.session(metadata::session_in(value));
                out.usage(metadata::known(*steps));
                out.step_word(reason());
            }
            _ => {
                out.session(metadata::session_in(value));
                out.step();
            }
        }
    }
}

fn text(json: &[u8], out: &mut Outlet<'_>) {
    if let Ok(text) = serde_json::from_slice::<String>(json) {
        out.text(text);
    } else if let Some(Value::String(text)) = json::value(json) {
        out.text(text);
    } else {
        out.skip();
    }
}

/// A count that is missing is nothing to add, not a zero.
fn sum(so_far: Option<u64>, step: Option<u64>) -> Option<u64> {
    match (so_far, step) {
        (Some(so_far), Some(step)) => Some(so_far.saturating_add(step)),
        (so_far, step) => so_far.or(step),
    }
}

/// Tools, reasoning, sources, files, and codes of a later version. What they carry is not Chipp's own.
fn work(code: u8, json: &[u8], out: &mut Outlet<'_>) {
    #[derive(Deserialize)]
    struct Ids<'a> {
        #[serde(rename = "toolCallId", borrow)]
        call: Option<Text<'a>>,
    }
    let mut call = None;
    if let Ok(ids) = serde_json::from_slice::<Ids<'_>>(json) {
        call = ids.call;
    } else if serde_json::from_slice::<IgnoredAny>(json).is_err() {
        return out.skip();
    }
    let call = call.as_ref().map_or("", |Text(id)| id);
    match code {
        b'9' | b'b' | b'c' => out.tool_call(call),
        b'a' => out.tool_result(call),
        b'g' | b'i' | b'j' => out.work(),
        b'h' | b'k' => out.known(),
        _ => out.unknown(),
    }
}
