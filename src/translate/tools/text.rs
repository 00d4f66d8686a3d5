//! Calls and results as the text that stands in the conversation. However a client spells them, it is the same text: a
//! session is found by it.

use std::borrow::Cow;

use serde_json::Value;

use crate::openai::chat::{Called, CalledKind, ToolCall};
use crate::openai::completion::write_string;

/// A call, whoever made it.
pub trait AnyCall {
    /// Kind, name, and arguments or input.
    fn parts(&self) -> (CalledKind, &str, &str);
}

impl AnyCall for Called {
    fn parts(&self) -> (CalledKind, &str, &str) {
        (self.kind, &self.name, &self.input)
    }
}

impl AnyCall for ToolCall<'_> {
    fn parts(&self) -> (CalledKind, &str, &str) {
        (self.kind, &self.name, &self.arguments)
    }
}

/// What an assistant says, and then its calls: the very form in which apps are asked to make them.
pub fn written<'a>(content: &'a str, calls: &[impl AnyCall]) -> Cow<'a, str> {
    if calls.is_empty() {
        return Cow::Borrowed(content);
    }
    let mut out = content.trim_end().as_bytes().to_vec();
    out.extend_from_slice(if out.is_empty() { b"{\"tool_calls\":[" } else { b"\n{\"tool_calls\":[" });
    for (place, call) in calls.iter().enumerate() {
        let (kind, name, input) = call.parts();
        out.extend_from_slice(if place == 0 { b"{\"name\":" } else { b",{\"name\":" });
        write_string(&mut out, name);
        match kind {
            CalledKind::Function => {
                out.extend_from_slice(b",\"arguments\":");
                write_arguments(&mut out, input);
            }
            CalledKind::Custom => {
                out.extend_from_slice(b",\"input\":");
                write_string(&mut out, input);
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Cow::Owned(String::from_utf8(out).unwrap_or_default())
}

/// With keys in order and without spaces. What is no JSON stays the text that it is.
fn write_arguments(out: &mut Vec<u8>, arguments: &str) {
    let value = match arguments.trim() {
        "" => Ok(Value::Object(serde_json::Map::new())),
        arguments => serde_json::from_str(arguments),
    };
    match value {
        // A value into a Vec cannot fail.
        Ok(value) => drop(serde_json::to_writer(out, &value)),
        Err(_) => write_string(out, arguments),
    }
}

/// What a tool of this name has given back.
pub fn result(name: &str, content: &str) -> String {
    ["[result of ", name, "]\n", content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(kind: CalledKind, name: &str, input: &str) -> Called {
        Called { kind, name: name.into(), input: input.into() }
    }

    #[test]
    fn calls_are_written_in_one_way_however_they_are_spelled() {
        let spaced = call(CalledKind::Function, "weather", "{ \"b\": [1, 2.50], \"a\": \"x\" }");
        let tight = call(CalledKind::Function, "weather", r#"{"a":"x","b":[1,2.5]}"#);
        let expected = r#"{"tool_calls":[{"name":"weather","arguments":{"a":"x","b":[1,2.5]}}]}"#;
        assert_eq!(written("", &[spaced]), expected);
        assert_eq!(written(" \n", std::slice::from_ref(&tight)), expected);
        assert_eq!(written("Let me see.\n\n", &[tight]), format!("Let me see.\n{expected}"));
    }

    #[test]
    fn several_calls_empty_ones_and_those_that_are_no_json() {
        let calls = [
            call(CalledKind::Function, "a", ""),
            call(CalledKind::Function, "b", "{\"x\":"),
            call(CalledKind::Custom, "c\"", "{ ls }"),
        ];
        assert_eq!(
            written("", &calls),
            r#"{"tool_calls":[{"name":"a","arguments":{}},{"name":"b","arguments":"{\"x\":"},{"name":"c\"","input":"{ ls }"}]}"#
        );
        assert!(matches!(written("text ", &[] as &[Called]), Cow::Borrowed("text ")));
    }
}
