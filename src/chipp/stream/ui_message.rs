//! Dialect C: the events of the AI SDK's UI message stream (version 5).

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::json::{self, Text};
use crate::chipp::stream::ledger::Outlet;
use crate::chipp::{Failure, error, metadata};

/// Reads the data of one event.
pub(super) fn event(data: &[u8], out: &mut Outlet<'_>) {
    if let Ok(event) = serde_json::from_slice::<Ordinary<'_>>(data)
        && event.tell(out)
    {
        return;
    }
    match json::value(data) {
        Some(value) => any_event(&value, out),
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
        if !matches!(meaning, Meaning::Text | Meaning::Work | Meaning::Frame) {
            return false;
        }
        let text = match (meaning, self.delta) {
            (Meaning::Text, None) => return false,
            (Meaning::Text, delta) => delta,
            _ => None,
        };
        if let Some(Text(id)) = self.chat_session_id.or(self.session_id) {
            out.session_text(&id);
        }
        match (meaning, text) {
            (_, Some(Text(text))) => out.text(text),
            (Meaning::Work, None) => out.activity(),
            _ => {}
        }
        true
    }
}

/// What a type of event is to an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Text,
    /// Tools, reasoning, sources, files: the app is at work.
    Work,
    /// It marks a place, or carries metadata.
    Frame,
    Finish,
    Error,
    Abort,
    /// Of a later version: so probably work.
    Unknown,
}

fn meaning(kind: &str) -> Meaning {
    match kind {
        "text-delta" => Meaning::Text,
        "start" | "start-step" | "text-start" | "text-end" | "finish-step" | "message-metadata" => {
            Meaning::Frame
        }
        "finish" => Meaning::Finish,
        "error" => Meaning::Error,
        "abort" => Meaning::Abort,
        "file" => Meaning::Work,
        _ if ["reasoning", "tool-", "source-", "data-"].iter().any(|prefix| kind.starts_with(prefix)) => {
            Meaning::Work
        }
        _ => Meaning::Unknown,
    }
}

/// Any event, whatever else it carries.
fn any_event(value: &Value, out: &mut Outlet<'_>) {
    out.session(metadata::session_in(value));
    out.usage(metadata::usage_in(value));
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match text("type").map_or(Meaning::Unknown, meaning) {
        Meaning::Text => match text("delta") {
            Some(delta) => out.text(delta),
            None => out.skip(),
        },
        Meaning::Work => out.activity(),
        Meaning::Frame => {}
        Meaning::Finish => out.closing(text("finishReason").unwrap_or_default()),
        Meaning::Error => out.fail(Failure::Api(error::classify_value(value))),
        Meaning::Abort => out.fail(Failure::Aborted),
        Meaning::Unknown => match error::reported(value) {
            Some(error) => out.fail(Failure::Api(error)),
            None if value.is_object() => out.activity(),
            None => out.skip(),
        },
    }
}
