//! What is refused: by code, the fields and the place that is named.

use super::fields::FIELDS;
use super::messages::MESSAGES;
use super::*;

/// A code, and pairs of what is sent and which place is named.
pub(super) type Cases = &'static [(&'static str, &'static [(&'static str, &'static str)])];

fn check(cases: Cases, body: impl Fn(&str) -> String) {
    for (code, cases) in cases {
        for (sent, place) in *cases {
            let error = refusal(body(sent));
            check_shape(&error);
            let told = (error.code.unwrap_or_default(), error.param.as_deref());
            assert_eq!(told, (*code, Some(*place)), "{sent}: {}", error.message);
        }
    }
}

#[test]
fn fields_are_refused_by_code_and_place() {
    check(FIELDS, with);
}

#[test]
fn messages_are_refused_by_code_and_place() {
    check(MESSAGES, |message| talk(&format!(r#"{{"role":"user","content":"hi"}},{message}"#)));
}

#[test]
fn what_has_to_be_there_is_missed() {
    let cases = [
        ("{}", "model"),
        (r#"{"messages":[{"role":"user","content":"hi"}]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"MODEL":"m"}"#, "model"),
    ];
    for (body, place) in cases {
        let error = refusal(body);
        assert_eq!(error.code, Some("missing_required_parameter"), "{body}");
        assert_eq!(error.param.as_deref(), Some(place), "{body}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let long = |count: usize| "ä".repeat(count);
    let cases = [
        (format!(r#""model":"{}""#, long(257)), "model", "string_above_max_length"),
        (format!(r#""user":"{}""#, long(513)), "user", "string_above_max_length"),
        (format!(r#""safety_identifier":"{}""#, long(65)), "safety_identifier", "string_above_max_length"),
        (format!(r#""stop":"{}""#, long(1001)), "stop", "string_above_max_length"),
        (format!(r#""stop":["a","{}"]"#, long(1001)), "stop[1]", "string_above_max_length"),
        (format!(r#""metadata":{{"a":"{}"}}"#, long(513)), "metadata.a", "string_above_max_length"),
        (format!(r#""metadata":{{"{}":"a"}}"#, long(65)), "metadata", "string_above_max_length"),
        (
            format!(r#""tools":[{{"type":"function","function":{{"name":"{}"}}}}]"#, "f".repeat(65)),
            "tools[0].function.name",
            "string_above_max_length",
        ),
        (
            format!(r#""metadata":{{{}}}"#, list(17, |index| format!(r#""k{index}":"v""#))),
            "metadata",
            "object_above_max_properties",
        ),
        (
            format!(
                r#""tools":[{}]"#,
                list(129, |index| format!(r#"{{"type":"function","function":{{"name":"f{index}"}}}}"#))
            ),
            "tools",
            "array_above_max_length",
        ),
        (
            format!(r#""messages":[{}]"#, list(10_001, |_| r#"{"role":"user","content":"x"}"#.to_owned())),
            "messages",
            "array_above_max_length",
        ),
        (list(130, |index| format!(r#""field{index}":1"#)), "body", "object_above_max_properties"),
    ];
    for (fields, place, code) in cases {
        let error = refusal(with(&fields));
        check_shape(&error);
        assert_eq!((error.param.as_deref(), error.code), (Some(place), Some(code)), "{}", error.message);
    }
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn the_words_are_openais() {
    let cases = [
        (
            r#""messages":"hi""#,
            "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        ),
        (
            r#""messages":[]"#,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            r#""messages":[{"role":"user","content":5}]"#,
            "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an integer instead.",
        ),
        (
            r#""messages":[{"role":"user","content":null}]"#,
            "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got null instead.",
        ),
        (r#""messages":[{"role":"user"}]"#, "Missing required parameter: 'messages[0].content'."),
        (
            r#""messages":[{"role":"foo","content":"x"}]"#,
            "Invalid value: 'foo'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.",
        ),
        (
            r#""messages":[{"role":1,"content":"x"}]"#,
            "Invalid type for 'messages[0].role': expected one of 'system', 'assistant', 'user', 'function', 'tool', or 'developer', but got an integer instead.",
        ),
        (r#""modalities":["x"]"#, "Invalid value: 'x'. Supported values are: 'text' and 'audio'."),
        (
            r#""temperature":3"#,
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        ),
        (
            r#""temperature":1e300"#,
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 1e300 instead.",
        ),
        (
            r#""temperature":-1e-300"#,
            "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1e-300 instead.",
        ),
        (
            r#""temperature":"1""#,
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        ),
        (
            r#""max_tokens":1.5"#,
            "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
        ),
        (
            r#""max_tokens":0"#,
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            r#""stop":["a","b","c","d","e"]"#,
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
        ),
        (
            r#""max_tokens":1,"max_completion_tokens":2"#,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ),
        (
            r#""stream_options":{}"#,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (
            r#""tool_choice":"required""#,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        ),
        (
            r#""tools":[{"type":"function","function":{"name":"a b"}}]"#,
            "Invalid 'tools[0].function.name': the string has an invalid format. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (r#""stream":"yes""#, "Invalid type for 'stream': expected a boolean, but got a string instead."),
    ];
    for (fields, message) in cases {
        assert_eq!(refusal(with(fields)).message, message, "{fields}");
    }
}

#[test]
fn a_clients_text_is_repeated_in_part_only() {
    let long = "ü".repeat(5000);
    let error = refusal(talk(&format!(r#"{{"role":"{long}","content":"x"}}"#)));
    assert!(error.message.contains(&format!("'{}…'", "ü".repeat(64))), "{}", error.message);
    let error = refusal(with(&format!(r#""logit_bias":{{"{long}":500}}"#)));
    assert_eq!(error.param.as_deref(), Some(format!("logit_bias.{}…", "ü".repeat(64)).as_str()));
    check_shape(&error);
}
