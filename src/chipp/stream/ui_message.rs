//! Dialect C: the events of the AI SDK's UI message stream (version 5).

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::json::{self, Text};
use crate::chipp::metadata::Place;
use crate::chipp::stream::termination::Outlet;
use crate::chipp::{Failure, error, metadata};

/// Reads the data of one event, which may be what is small in one that was too long to be held.
pub(super) fn event(data: &[u8], is_skimmed: bool, out: &mut Outlet<'_>) {
    if let Ok(event) = serde_json::from_slice::<Ordinary<'_>>(data)
        && event.tell(out)
    {
        return;
    }
    match json::value(data) {
        Some(value) => any_event(&value, is_skimmed, out),
        None => out.skip(),
    }
}

/// The events that make up nearly all of a stream, borrowed from the line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ordinary<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    delta: Option<Text<'a>>,
    #[serde(borrow)]
    chat_session_id: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    preliminary: Option<bool>,
    usage: Option<IgnoredAny>,
    total_usage: Option<IgnoredAny>,
    message_metadata: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    annotations: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
}

impl Ordinary<'_> {
    /// Says what the event says, if it is an ordinary one; `false` leaves it to the slow way.
    fn tell(self, out: &mut Outlet<'_>) -> bool {
        let has_more = [
            &self.usage,
            &self.total_usage,
            &self.message_metadata,
            &self.metadata,
            &self.annotations,
            &self.data,
        ];
        if has_more.into_iter().any(Option::is_some) {
            return false;
        }
        let meaning = meaning(&self.kind);
        let text = match (meaning, self.delta) {
            (Meaning::Text, Some(Text(delta))) => Some(delta),
            (Meaning::Text | Meaning::Slow | Meaning::Unknown, _) => return false,
            _ => None,
        };
        if let Some(Text(id)) = self.chat_session_id.or(self.session_id)
            && whose(&self.kind) != Whose::Others
        {
            out.session_text(place(&self.kind), &id);
        }
        let call = self.tool_call_id.as_ref().map_or("", |Text(id)| id);
        match text {
            Some(text) => out.text(text),
            None => act(meaning, call, self.preliminary == Some(true), out),
        }
        true
    }
}

/// Whose words an event of this type carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The message's: also its metadata and annotations.
    Chipps,
    /// A data part's, whose top is Chipp's.
    Data,
    /// A tool's, a source's, a user's.
    Others,
}

fn whose(kind: &str) -> Whose {
    match meaning(kind) {
        Meaning::Aside if kind.starts_with("data-") => Whose::Data,
        Meaning::Call | Meaning::Result | Meaning::Aside => Whose::Others,
        Meaning::Work if kind.starts_with("tool-") => Whose::Others,
        _ => Whose::Chipps,
    }
}

/// Where a key at the top of an event of this type stands.
fn place(kind: &str) -> Place {
    if kind == "start" { Place::Start } else { Place::TopLevel }
}

/// What a type of event is to an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Text of the answer; also in the backend's raw form.
    Text,
    /// The answer's text begins or ends, or the model reasons: the run continues.
    Work,
    /// A tool of the app's is called.
    Call,
    /// It has ended, well or not.
    Result,
    /// A step begins or ends.
    Step,
    /// What the step has said is void.
    Reset,
    /// The app shows or notes something that is not text.
    Aside,
    /// It frames the reply, or carries metadata.
    Frame,
    /// What is read in full: ends and errors.
    Slow,
    /// Of a later version: so probably work.
    Unknown,
}

/// The types of the AI SDK 5 to 7, and of Chipp's own.
fn meaning(kind: &str) -> Meaning {
    match kind {
        "text-delta" | "text" => Meaning::Text,
        "text-start" | "text-end" => Meaning::Work,
        "start-step" | "finish-step" => Meaning::Step,
        "reset-step" => Meaning::Reset,
        "start" | "message-metadata" => Meaning::Frame,
        "finish" | "done" | "error" | "abort" => Meaning::Slow,
        "tool-input-start" | "tool-input-delta" | "tool-input-available" => Meaning::Call,
        "tool-output-available" | "tool-output-error" | "tool-output-denied" | "tool-input-error" => {
            Meaning::Result
        }
        // A message of the user's is never a part of the answer.
        "file" | "custom" | "steering-message" | "audio-transcribed" | "audio-url" => Meaning::Aside,
        _ if kind.starts_with("reasoning") || kind.starts_with("tool-") => Meaning::Work,
        _ if kind.starts_with("source-") || kind.starts_with("data-") => Meaning::Aside,
        _ => Meaning::Unknown,
    }
}

/// What an event does that says nothing more than its type.
fn act(meaning: Meaning, call: &str, is_preliminary: bool, out: &mut Outlet<'_>) {
    match meaning {
        Meaning::Work => out.work(),
        Meaning::Call => out.tool_call(call),
        // More of the output is to come.
        Meaning::Result if is_preliminary => out.work(),
        Meaning::Result => out.tool_result(call),
        Meaning::Step => out.step(),
        Meaning::Reset => out.reset_step(),
        Meaning::Aside | Meaning::Frame => out.known(),
        Meaning::Text | Meaning::Slow | Meaning::Unknown => {}
    }
}

/// Any event, whatever else it carries.
fn any_event(value: &Value, is_skimmed: bool, out: &mut Outlet<'_>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let kind = text("type").unwrap_or_default();
    let named = match whose(kind) {
        Whose::Chipps => metadata::session_in(value),
        Whose::Data => metadata::session_at_top(value),
        Whose::Others => None,
    };
    out.session(named.map(|(found, id)| match found {
        Place::TopLevel => (place(kind), id),
        found => (found, id),
    }));
    out.usage(metadata::usage_in(value));
    match (meaning(kind), kind) {
        (Meaning::Text, _) => match text("delta") {
            Some(delta) => out.text(delta),
            None if is_skimmed => out.fail(Failure::TooLarge),
            None => out.skip(),
        },
        (Meaning::Slow, "error") => out.fail(Failure::Api(error::classify_value(value))),
        (Meaning::Slow, "abort") => out.fail(Failure::Aborted),
        (Meaning::Slow, kind) => {
            out.finish_word(text("finishReason").unwrap_or_default());
            // The raw form has no other end.
            if kind == "done" && out.has_ended_well() {
                out.end_mark();
            }
        }
        // What was left out may be its type, and it text.
        (Meaning::Unknown, "") if is_skimmed => out.fail(Failure::TooLarge),
        (Meaning::Unknown, _) => match error::reported(value) {
            Some(error) => out.fail(Failure::Api(error)),
            None if value.is_object() => out.unknown(),
            None => out.skip(),
        },
        (meaning, _) => {
            let is_preliminary = value.get("preliminary") == Some(&Value::Bool(true));
            let call = value.get("toolCallId").map(Value::to_string).unwrap_or_default();
            act(meaning, call.trim_matches('"'), is_preliminary, out);
        }
    }
}
