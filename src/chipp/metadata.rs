//! Session ids and token counts, wherever an event or a reply carries them.
//!
//! Their places are undocumented, so the known names are looked for in the known places. What is inside a tool's
//! inputs, outputs, results or debug information is the tool's, and the model, hence a user, can choose it: only
//! containers that are Chipp's own are entered.

use serde_json::{Map, Value};

use crate::chipp::Usage;
use crate::ids::ChatSessionId;

/// How deep below its container a session id is looked for, in levels of arrays and objects.
const MAX_DEPTH: usize = 6;

/// The names of a session id, the surer one first. `persistedMessageId` names a message.
const SESSION_KEYS: [&str; 2] = ["chatSessionId", "sessionId"];

/// Where metadata lies in an event or a reply.
const CONTAINERS: [&str; 3] = ["messageMetadata", "metadata", "annotations"];

/// What is entered within metadata.
const WITHIN: [&str; 6] = ["messageMetadata", "metadata", "annotations", "chat", "chatSession", "session"];

/// Types of a data part that is about the session, and where it has the id.
const SESSION_PARTS: [&str; 2] = ["session", "chat-session"];
const WITHIN_SESSION_PART: [&str; 2] = ["data", "value"];

/// Keys by which an object is a tool's own record, not an annotation of Chipp's.
const TOOL_KEYS: [&str; 14] = [
    "toolName",
    "toolCallId",
    "toolInputs",
    "toolCall",
    "tool",
    "args",
    "arguments",
    "input",
    "inputs",
    "output",
    "outputs",
    "result",
    "results",
    "response",
];

/// The keys under which counts may lie, a total before a step's.
const USAGE_KEYS: [&str; 3] = ["totalUsage", "total_usage", "usage"];

/// Containers in which counts may lie.
const USAGE_CONTAINERS: [&str; 4] = ["messageMetadata", "metadata", "annotations", "data"];

const PROMPT_KEYS: [&str; 4] = ["prompt_tokens", "promptTokens", "input_tokens", "inputTokens"];
const COMPLETION_KEYS: [&str; 4] = ["completion_tokens", "completionTokens", "output_tokens", "outputTokens"];

/// Where a session id was found; a later one is the better place. An id is never replaced by one from a worse place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In metadata or annotations.
    Metadata,
    /// A key at the top of an event.
    TopLevel,
    /// A key at the top of the `start` event, where Chipp's backend writes it.
    Start,
    /// The response header `X-Chat-Session-ID`.
    Header,
}

/// The session that an event or a reply names at its top.
pub(super) fn session_at_top(event: &Value) -> Option<(Place, ChatSessionId)> {
    let event = event.as_object()?;
    let at_top = SESSION_KEYS.iter().find_map(|key| id_at(event, key));
    at_top.map(|id| (Place::TopLevel, id))
}

/// The session that an event or a reply names: at its top, else in its metadata.
pub(super) fn session_in(event: &Value) -> Option<(Place, ChatSessionId)> {
    session_at_top(event).or_else(|| {
        let event = event.as_object()?;
        let within = CONTAINERS.iter().find_map(|key| session_within(event.get(*key)?));
        within.map(|id| (Place::Metadata, id))
    })
}

/// The session that the parts of dialect B's data line name: at the top of a part, or of what one of the session's holds.
pub(super) fn session_in_data(parts: &Value) -> Option<ChatSessionId> {
    let of_part = |part: &Value| {
        let fields = part.as_object().filter(|fields| !is_of_a_tool(fields))?;
        let kind = fields.get("type").and_then(Value::as_str);
        let is_of_session = kind.is_some_and(|kind| SESSION_PARTS.contains(&kind));
        let within = WITHIN_SESSION_PART.iter().filter(|_| is_of_session);
        let mut objects =
            std::iter::once(fields).chain(within.filter_map(|key| fields.get(*key)?.as_object()));
        objects.find_map(|fields| SESSION_KEYS.iter().find_map(|key| id_at(fields, key)))
    };
    parts.as_array()?.iter().find_map(of_part)
}

/// The session that metadata names.
pub(super) fn session_within(metadata: &Value) -> Option<ChatSessionId> {
    SESSION_KEYS.iter().find_map(|key| search(metadata, key, MAX_DEPTH))
}

fn search(value: &Value, key: &str, depth: usize) -> Option<ChatSessionId> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().find_map(|item| search(item, key, depth)),
        Value::Object(fields) if !is_of_a_tool(fields) => {
            let deeper = || WITHIN.iter().find_map(|name| search(fields.get(*name)?, key, depth));
            id_at(fields, key).or_else(deeper)
        }
        _ => None,
    }
}

fn is_of_a_tool(fields: &Map<String, Value>) -> bool {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("tool")
        || kind.starts_with("function")
        || TOOL_KEYS.iter().any(|key| fields.contains_key(*key))
}

fn id_at(fields: &Map<String, Value>, key: &str) -> Option<ChatSessionId> {
    ChatSessionId::parse(fields.get(key)?.as_str()?)
}

/// The token counts that an event or a reply carries: under `usage`, else in its metadata.
pub(super) fn usage_in(event: &Value) -> Option<Usage> {
    usage_within(event, MAX_DEPTH)
}

fn usage_within(value: &Value, depth: usize) -> Option<Usage> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().find_map(|item| usage_within(item, depth)),
        Value::Object(fields) => USAGE_KEYS
            .iter()
            .find_map(|key| counts(fields.get(*key)?))
            .or_else(|| counts(value))
            .or_else(|| USAGE_CONTAINERS.iter().find_map(|key| usage_within(fields.get(*key)?, depth))),
        _ => None,
    }
}

/// The counts of a usage object under any naming; `None` if it has not one number.
pub(super) fn counts(usage: &Value) -> Option<Usage> {
    let count = |keys: &[&str]| keys.iter().find_map(|key| usage.get(*key)?.as_u64());
    known(Usage { prompt_tokens: count(&PROMPT_KEYS), completion_tokens: count(&COMPLETION_KEYS) })
}

/// `None` in place of counts that are all missing.
pub(super) fn known(usage: Usage) -> Option<Usage> {
    (usage != Usage::default()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_found_in_every_known_place() {
        for (event, place) in [
            (json!({"chatSessionId": "s"}), Place::TopLevel),
            (json!({"sessionId": "s"}), Place::TopLevel),
            (json!({"chatSessionId": "s", "sessionId": "other"}), Place::TopLevel),
            (json!({"chatSessionId": null, "sessionId": "s"}), Place::TopLevel),
            (json!({"chatSessionId": "not an id", "sessionId": "s"}), Place::TopLevel),
            (json!({"messageMetadata": {"chatSessionId": "s"}}), Place::Metadata),
            (
                json!({"messageMetadata": {"annotations": [{"persistedMessageId": "m"}, {"sessionId": "s"}]}}),
                Place::Metadata,
            ),
            (json!({"metadata": {"sessionId": "other", "chat": {"chatSessionId": "s"}}}), Place::Metadata),
            (json!({"annotations": [{"chatSessionId": "s"}]}), Place::Metadata),
            (
                json!({"annotations": [{"toolDebugInfo": {"sessionId": "other"}, "sessionId": "s"}]}),
                Place::Metadata,
            ),
        ] {
            assert_eq!(session_in(&event), Some((place, ChatSessionId::parse("s").unwrap())), "{event}");
        }
    }

    #[test]
    fn what_a_tool_says_is_never_taken_for_a_session() {
        let own = json!({"sessionId": "s", "chatSessionId": "s"});
        let debug =
            json!({"toolInputs": own, "response": {"result": own, "sessionId": "s"}, "sessionId": "s"});
        for event in [
            json!({"output": own}),
            json!({"input": own, "result": own, "response": own, "args": own}),
            json!({"messageMetadata": {"annotations": [{"toolDebugInfo": {"toolName": "t", "debugInfo": debug}}]}}),
            json!({"annotations": [{"toolName": "t", "sessionId": "s"}, {"type": "tool-result", "sessionId": "s"}]}),
            json!({"annotations": [{"name": "t", "type": "function", "sessionId": "s"}, {"args": 1, "sessionId": "s"}]}),
            json!({"metadata": {"message": {"parts": [own], "sessionId": "s"}}}),
            json!({"messageMetadata": {"debugInfo": debug, "outputs": own, "toolCall": own}}),
            json!({"data": own}),
            json!({"type": "data-lookup", "data": own}),
            json!({"type": "data-session", "data": own}),
        ] {
            assert_eq!(session_in(&event), None, "{event}");
        }
    }

    #[test]
    fn a_data_line_names_it_at_the_top_of_a_part() {
        for (parts, expected) in [
            (json!([{"a": 1}, {"chatSessionId": "s"}]), Some("s")),
            (json!([{"type": "session", "value": {"sessionId": "s"}}]), Some("s")),
            (json!([{"type": "weather", "value": {"sessionId": "s"}}]), None),
            (json!([{"metadata": {"sessionId": "s"}}, {"toolName": "t", "sessionId": "s"}]), None),
            (json!({"sessionId": "s"}), None),
        ] {
            assert_eq!(session_in_data(&parts).as_ref().map(ChatSessionId::as_str), expected, "{parts}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_a_session() {
        let deep = (0..MAX_DEPTH).fold(json!({"sessionId": "s"}), |inner, _| json!([inner]));
        for event in [
            json!({"persistedMessageId": "m"}),
            json!({"messageMetadata": {"annotations": [{"persistedMessageId": "m"}]}}),
            json!({"chatSessionId": 5}),
            json!({"chatSessionId": "two words"}),
            json!({"metadata": deep}),
            json!("sessionId"),
        ] {
            assert_eq!(session_in(&event), None, "{event}");
        }
    }

    #[test]
    fn counts_are_read_under_every_naming() {
        let usage = |prompt, completion| Some(Usage { prompt_tokens: prompt, completion_tokens: completion });
        for (event, expected) in [
            (json!({"usage": {"prompt_tokens": 1, "completion_tokens": 2}}), usage(Some(1), Some(2))),
            (json!({"usage": {"promptTokens": 1, "completionTokens": null}}), usage(Some(1), None)),
            (
                json!({"messageMetadata": {"totalUsage": {"inputTokens": 3, "outputTokens": 4}, "usage": {"inputTokens": 1}}}),
                usage(Some(3), Some(4)),
            ),
            (
                json!({"messageMetadata": {"annotations": [{"a": 1}, {"usage": {"output_tokens": 4}}]}}),
                usage(None, Some(4)),
            ),
            (json!({"messageMetadata": {"input_tokens": 9}}), usage(Some(9), None)),
            (json!({"usage": {"prompt_tokens": "many", "total_tokens": 3}}), None),
            (json!({"usage": null}), None),
            (json!({"usage": {"promptTokens": -1}}), None),
        ] {
            assert_eq!(usage_in(&event), expected, "{event}");
        }
    }
}
