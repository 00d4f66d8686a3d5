//! Session ids and token counts, wherever an event or a reply carries them.
//!
//! Their places are undocumented, so the known names are looked for in every known container. A tool's input
//! and output are none: a `sessionId` in there is somebody else's.

use serde_json::{Map, Value};

use crate::chipp::Usage;
use crate::ids::ChatSessionId;

/// How deep below its container a session id is looked for, in levels of arrays and objects.
const MAX_DEPTH: usize = 6;

/// The names of a session id, the surer one first. `persistedMessageId` names a message.
const SESSION_KEYS: [&str; 2] = ["chatSessionId", "sessionId"];

/// Where metadata may lie in an event or a reply.
const CONTAINERS: [&str; 4] = ["messageMetadata", "metadata", "annotations", "data"];

/// The keys under which counts may lie, a total before a step's.
const USAGE_KEYS: [&str; 3] = ["totalUsage", "total_usage", "usage"];

const PROMPT_KEYS: [&str; 4] = ["prompt_tokens", "promptTokens", "input_tokens", "inputTokens"];
const COMPLETION_KEYS: [&str; 4] = ["completion_tokens", "completionTokens", "output_tokens", "outputTokens"];

/// The session that an event or a reply names: at its top, else in its metadata.
pub(super) fn session_in(event: &Value) -> Option<ChatSessionId> {
    let event = event.as_object()?;
    SESSION_KEYS
        .iter()
        .find_map(|key| id_at(event, key))
        .or_else(|| CONTAINERS.iter().find_map(|key| session_within(event.get(*key)?)))
}

/// The session named anywhere within metadata.
pub(super) fn session_within(metadata: &Value) -> Option<ChatSessionId> {
    SESSION_KEYS.iter().find_map(|key| search(metadata, key, MAX_DEPTH))
}

fn search(value: &Value, key: &str, depth: usize) -> Option<ChatSessionId> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().find_map(|item| search(item, key, depth)),
        Value::Object(fields) => {
            id_at(fields, key).or_else(|| fields.values().find_map(|field| search(field, key, depth)))
        }
        _ => None,
    }
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
            .or_else(|| CONTAINERS.iter().find_map(|key| usage_within(fields.get(*key)?, depth))),
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
        for event in [
            json!({"chatSessionId": "s"}),
            json!({"sessionId": "s"}),
            json!({"chatSessionId": "s", "sessionId": "other"}),
            json!({"chatSessionId": null, "sessionId": "s"}),
            json!({"chatSessionId": "not an id", "sessionId": "s"}),
            json!({"messageMetadata": {"chatSessionId": "s"}}),
            json!({"messageMetadata": {"annotations": [{"persistedMessageId": "m"}, {"sessionId": "s"}]}}),
            json!({"metadata": {"sessionId": "other", "chat": {"chatSessionId": "s"}}}),
            json!({"annotations": [{"chatSessionId": "s"}]}),
            json!({"type": "data-session", "data": {"sessionId": "s"}}),
        ] {
            let id = session_in(&event);
            assert_eq!(id.as_ref().map(ChatSessionId::as_str), Some("s"), "{event}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_a_session() {
        let deep = (0..MAX_DEPTH).fold(json!({"sessionId": "s"}), |inner, _| json!([inner]));
        for event in [
            json!({"persistedMessageId": "m"}),
            json!({"messageMetadata": {"annotations": [{"persistedMessageId": "m"}]}}),
            json!({"output": {"sessionId": "s"}}),
            json!({"input": {"chatSessionId": "s"}}),
            json!({"chatSessionId": 5}),
            json!({"chatSessionId": "two words"}),
            json!({"data": deep}),
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
