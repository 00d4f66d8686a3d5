//! Dialect A: OpenAI's chunks, the documented one.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::json::{self, Text};
use crate::chipp::metadata::Place;
use crate::chipp::reply::{is_first, said};
use crate::chipp::stream::termination::Outlet;
use crate::chipp::{Failure, error, metadata};

/// Reads the data of one event, which may be what is small in one that was too long to be held.
pub(super) fn event(data: &[u8], is_skimmed: bool, out: &mut Outlet<'_>) {
    if let Ok(chunk) = serde_json::from_slice::<Ordinary<'_>>(data)
        && !chunk.has_more()
    {
        return chunk.tell(out);
    }
    match json::value(data).filter(Value::is_object) {
        Some(value) => any_chunk(&value, is_skimmed, out),
        None => out.skip(),
    }
}

/// The chunks that make up nearly all of a stream, borrowed from the line.
#[derive(Deserialize)]
struct Ordinary<'a> {
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    #[serde(rename = "chatSessionId", borrow)]
    chat_session_id: Option<Text<'a>>,
    #[serde(rename = "sessionId", borrow)]
    session_id: Option<Text<'a>>,
    error: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
    #[serde(rename = "messageMetadata")]
    message_metadata: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    annotations: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    delta: Delta<'a>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    reasoning: Option<IgnoredAny>,
    reasoning_content: Option<IgnoredAny>,
    tool_calls: Option<Vec<IgnoredAny>>,
    function_call: Option<IgnoredAny>,
}

impl Ordinary<'_> {
    fn has_more(&self) -> bool {
        [&self.error, &self.usage, &self.message_metadata, &self.metadata, &self.annotations, &self.data]
            .into_iter()
            .any(Option::is_some)
    }

    fn tell(self, out: &mut Outlet<'_>) {
        out.known();
        if let Some(Text(id)) = self.chat_session_id.or(self.session_id) {
            out.session_text(Place::TopLevel, &id);
        }
        let [Choice { index, delta, finish_reason }] = self.choices;
        if index != 0 {
            return;
        }
        let Delta { content, reasoning, reasoning_content, tool_calls, function_call } = delta;
        let is_calling = function_call.is_some() || tool_calls.is_some_and(|calls| !calls.is_empty());
        work(reasoning.or(reasoning_content).is_some(), is_calling, out);
        if let Some(Text(text)) = content {
            out.text(text);
        }
        if let Some(Text(reason)) = finish_reason {
            out.finish_word(&reason);
        }
    }
}

/// Any chunk, whatever else it carries.
fn any_chunk(value: &Value, is_skimmed: bool, out: &mut Outlet<'_>) {
    out.known();
    out.session(metadata::session_in(value));
    out.usage(metadata::usage_in(value));
    if let Some(error) = error::reported(value) {
        return out.fail(Failure::Api(error));
    }
    let choices = value.get("choices").and_then(Value::as_array);
    let Some(choice) = choices.and_then(|choices| choices.iter().find(|choice| is_first(choice))) else {
        if is_skimmed && choices.is_none() {
            // The choices were left out as a whole, and the text with them.
            out.fail(Failure::TooLarge);
        }
        return;
    };
    let delta = choice.get("delta").or_else(|| choice.get("message"));
    let has = |key: &str| delta.and_then(|delta| delta.get(key)).is_some_and(|work| !work.is_null());
    let has_calls = has("tool_calls")
        && delta.and_then(|delta| delta.get("tool_calls")) != Some(&Value::Array(Vec::new()));
    let is_calling = has_calls || has("function_call");
    work(has("reasoning") || has("reasoning_content"), is_calling, out);
    if let Some(delta) = delta {
        if is_skimmed && delta.get("content").is_some_and(Value::is_object) {
            return out.fail(Failure::TooLarge);
        }
        out.text(said(delta));
    }
    if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
        out.finish_word(reason);
    }
}

/// Reasoning, and calls of tools. This dialect shows no results of calls: they run until there is text again.
fn work(is_reasoning: bool, is_calling: bool, out: &mut Outlet<'_>) {
    if is_calling {
        out.tool_call("");
    } else if is_reasoning {
        out.work();
    }
}
