//! The object `response`, and the items of its output.

use crate::ids::{ItemId, ResponseId};
use crate::openai::chat::{Called, CalledKind};
use crate::openai::completion::write_string;
use crate::openai::usage::Usage;

/// What of a response is known before its answer.
#[derive(Clone, Debug)]
pub struct Draft {
    /// `id`
    pub id: ResponseId,
    /// `created_at`, in Unix seconds.
    pub created_at: u64,
    /// `model`: the alias, as the client asked for it.
    pub model: String,
    /// The fields that repeat the request's, as JSON: [`ResponseRequest::echo`](super::ResponseRequest::echo).
    pub echo: String,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With a whole answer.
    Completed,
    /// At its limit of tokens.
    MaxOutputTokens,
    /// By a filter.
    ContentFilter,
}

/// A response that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The object, as JSON.
    pub json: String,
    /// Its items: their ids, and their JSON.
    pub output: Vec<(String, String)>,
}

/// What an object says beside its draft.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    pub(super) status: &'a str,
    pub(super) output: &'a [(String, String)],
    /// `error.code` and `error.message`
    pub(super) error: Option<(&'a str, &'a str)>,
    /// `incomplete_details.reason`
    pub(super) incomplete: Option<&'a str>,
    pub(super) usage: Option<Usage>,
    pub(super) completed_at: Option<u64>,
}

impl Status {
    /// `status`
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::MaxOutputTokens | Self::ContentFilter => "incomplete",
        }
    }

    /// `incomplete_details.reason`
    pub(super) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Completed => None,
            Self::MaxOutputTokens => Some("max_output_tokens"),
            Self::ContentFilter => Some("content_filter"),
        }
    }
}

impl Draft {
    /// The whole of a response that is not streamed. `calls`: each with its `call_id`; `now` in Unix seconds.
    pub fn whole<'c>(
        &self,
        text: &str,
        calls: impl IntoIterator<Item = (&'c str, &'c Called)>,
        status: Status,
        usage: Usage,
        now: u64,
    ) -> Whole {
        let mut output = Vec::new();
        let calls: Vec<_> = calls.into_iter().collect();
        if !text.is_empty() || calls.is_empty() {
            let id = self.item_id("msg_", 0);
            let json = message(&id, status.word(), Some(text));
            output.push((id, json));
        }
        for (call_id, called) in calls {
            let id = self.item_id(prefix(called.kind), output.len());
            let json = call(&id, call_id, called, Some("completed"));
            output.push((id, json));
        }
        let json = self.ended(status, &output, usage, now);
        Whole { json, output }
    }

    /// The object of a response that has ended.
    pub(super) fn ended(
        &self,
        status: Status,
        output: &[(String, String)],
        usage: Usage,
        now: u64,
    ) -> String {
        self.object(State {
            status: status.word(),
            output,
            error: None,
            incomplete: status.reason(),
            usage: Some(usage),
            completed_at: Some(now).filter(|_| status == Status::Completed),
        })
    }

    pub(super) fn object(&self, state: State<'_>) -> String {
        let items: usize = state.output.iter().map(|(_, json)| json.len() + 1).sum();
        let mut out = Vec::with_capacity(items + self.echo.len() + self.model.len() + 512);
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(self.id.as_str().as_bytes());
        out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.created_at).as_bytes());
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(state.status.as_bytes());
        out.extend_from_slice(b"\",\"completed_at\":");
        match state.completed_at {
            Some(at) => out.extend_from_slice(itoa::Buffer::new().format(at).as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"error\":");
        match state.error {
            Some((code, message)) => {
                out.extend_from_slice(b"{\"code\":");
                write_string(&mut out, code);
                out.extend_from_slice(b",\"message\":");
                write_string(&mut out, message);
                out.push(b'}');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"incomplete_details\":");
        match state.incomplete {
            Some(reason) => {
                out.extend_from_slice(b"{\"reason\":\"");
                out.extend_from_slice(reason.as_bytes());
                out.extend_from_slice(b"\"}");
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"model\":");
        write_string(&mut out, &self.model);
        out.extend_from_slice(b",\"output\":[");
        for (place, (_, json)) in state.output.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(json.as_bytes());
        }
        out.extend_from_slice(b"],");
        out.extend_from_slice(self.echo.as_bytes());
        if let Some(usage) = state.usage {
            write_usage(&mut out, usage);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// The id of an item of the output. The response can be found by it, and the item in that.
    pub(super) fn item_id(&self, prefix: &str, place: usize) -> String {
        ItemId::of_response(prefix, &self.id, place)
    }
}

/// `usage` as this endpoint has it; the details, of which Chipp says nothing, are constant.
fn write_usage(out: &mut Vec<u8>, usage: Usage) {
    let numbers = [
        (",\"usage\":{\"input_tokens\":", usage.prompt_tokens),
        (",\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":", usage.completion_tokens),
        (",\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":", usage.total_tokens()),
    ];
    for (lead, number) in numbers {
        out.extend_from_slice(lead.as_bytes());
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    out.push(b'}');
}

/// A message of the assistant's; without text it has no part yet.
pub(super) fn message(id: &str, status: &str, text: Option<&str>) -> String {
    let part = text.map(text_part).unwrap_or_default();
    format!(r#"{{"id":"{id}","type":"message","status":"{status}","role":"assistant","content":[{part}]}}"#)
}

/// A part of a message.
pub(super) fn text_part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#, quoted(text))
}

/// What ids of such items begin with.
pub(super) const fn prefix(kind: CalledKind) -> &'static str {
    match kind {
        CalledKind::Function => "fc_",
        CalledKind::Custom => "ctc_",
    }
}

/// A call; without a status it has just begun, and tells no input yet.
pub(super) fn call(id: &str, call_id: &str, called: &Called, status: Option<&str>) -> String {
    let (name, call_id) = (quoted(&called.name), quoted(call_id));
    let input = quoted(if status.is_some() { &called.input } else { "" });
    match called.kind {
        CalledKind::Function => format!(
            r#"{{"id":"{id}","type":"function_call","status":"{}","arguments":{input},"call_id":{call_id},"name":{name}}}"#,
            status.unwrap_or("in_progress")
        ),
        CalledKind::Custom => format!(
            r#"{{"id":"{id}","type":"custom_tool_call","input":{input},"call_id":{call_id},"name":{name}}}"#
        ),
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 2);
    write_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}
