//! Dialect B: the lines of the AI SDK's data stream (version 4), `CODE:JSON`.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::json::{self, Text};
use crate::chipp::stream::ledger::Outlet;
use crate::chipp::stream::line::{Lines, TooLong};
use crate::chipp::stream::stray;
use crate::chipp::{Failure, Usage, error, metadata};

/// Decodes dialect B. The message ends with `d:`, the body some metadata later.
#[derive(Debug, Default)]
pub(super) struct DataStream {
    lines: Lines,
    /// What the steps so far have used, for a message that does not give its total.
    steps: Usage,
}

impl DataStream {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Outlet<'_>) {
        let Self { lines, steps } = self;
        let pushed = lines.push(bytes, |bytes, _| {
            line(bytes, steps, out);
            if out.failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if pushed.is_err() {
            out.fail(Failure::TooLarge);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Outlet<'_>) {
        match self.lines.finish() {
            Ok(Some(last)) => line(&last, &mut self.steps, out),
            Ok(None) => {}
            Err(TooLong) => out.fail(Failure::TooLarge),
        }
        out.finish_if_closing();
    }
}

fn line(line: &[u8], steps: &mut Usage, out: &mut Outlet<'_>) {
    match line {
        [b'0', b':', json @ ..] => text(json, out),
        [b'2' | b'3' | b'8' | b'd' | b'e' | b'f', b':', json @ ..] => match json::value(json) {
            Some(value) => part(line, &value, steps, out),
            None => out.skip(),
        },
        // Tools, reasoning, sources, files, and codes of a later version.
        [b'0'..=b'9' | b'a'..=b'z', b':', json @ ..] => work(json, out),
        _ if line.trim_ascii().is_empty() => {}
        _ => stray(line, out),
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

/// The parts that say something about the message.
fn part(line: &[u8], value: &Value, steps: &mut Usage, out: &mut Outlet<'_>) {
    let reason = || value.get("finishReason").and_then(Value::as_str).unwrap_or_default();
    let counts = || value.get("usage").and_then(metadata::counts).unwrap_or_default();
    match line {
        [b'2' | b'8', ..] => out.session(metadata::session_within(value)),
        [b'3', ..] => out.fail(Failure::Api(error::classify_value(value))),
        [b'd', ..] => {
            let total = counts();
            out.session(metadata::session_in(value));
            out.usage(metadata::known(Usage {
                prompt_tokens: total.prompt_tokens.or(steps.prompt_tokens),
                completion_tokens: total.completion_tokens.or(steps.completion_tokens),
            }));
            out.closing(reason());
        }
        [b'e', ..] => {
            let step = counts();
            steps.prompt_tokens = sum(steps.prompt_tokens, step.prompt_tokens);
            steps.completion_tokens = sum(steps.completion_tokens, step.completion_tokens);
            out.session(metadata::session_in(value));
            out.usage(metadata::known(*steps));
        }
        _ => out.session(metadata::session_in(value)),
    }
}

/// A count that is missing is nothing to add, not a zero.
fn sum(so_far: Option<u64>, step: Option<u64>) -> Option<u64> {
    match (so_far, step) {
        (Some(so_far), Some(step)) => Some(so_far.saturating_add(step)),
        (so_far, step) => so_far.or(step),
    }
}

/// A sign of life. Of an object only the top is looked at: what is in it is the tool's affair.
fn work(json: &[u8], out: &mut Outlet<'_>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ids<'a> {
        #[serde(borrow)]
        chat_session_id: Option<Text<'a>>,
        #[serde(borrow)]
        session_id: Option<Text<'a>>,
    }
    if let Ok(ids) = serde_json::from_slice::<Ids<'_>>(json) {
        if let Some(Text(id)) = ids.chat_session_id.or(ids.session_id) {
            out.session_text(&id);
        }
        out.activity();
    } else if serde_json::from_slice::<IgnoredAny>(json).is_ok() {
        out.activity();
    } else {
        out.skip();
    }
}
