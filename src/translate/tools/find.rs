//! Where in a text a call may begin, and what stands there. Apps are asked for bare JSON and give it in fences, in
//! tags, after and before words.
//!
//! A place is judged by the text that follows it, and only by so much of it as [`MAX_LEAD_BYTES`] bounds: so a stream knows
//! early what is prose, and finds what the whole text would show.

use std::ops::Range;

use serde_json::Value;

/// Most bytes from the place where a call may begin to the first key of its JSON.
pub const MAX_LEAD_BYTES: usize = 128;

/// Most places of one text that are tried and are no JSON after all.
const MAX_FAILURES: usize = 64;

/// Keys that the JSON of a call begins with; what a tool is given comes first where keys are in order.
const KEYS: &[&str] = &[
    "tool_calls",
    "tool_call",
    "function_call",
    "function",
    "name",
    "type",
    "id",
    "call_id",
    "tool",
    "arguments",
    "args",
    "parameters",
    "input",
];

/// Tags that calls are put into.
const TAGS: &[&str] = &["<tool_call>", "<tool_calls>", "<function_call>", "<tools>"];

/// What a text from some place on may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Prose.
    No,
    /// Either; what follows will show.
    Open,
    /// The beginning of a call, whose JSON begins so many bytes later.
    Yes(usize),
}

/// JSON in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where it stands, with what it was put into.
    pub range: Range<usize>,
    /// What it is; `None` if it begins like a call and is no JSON.
    pub value: Option<Value>,
}

/// The next place, from here on, where a call may begin, and whether that is sure.
pub fn next(text: &str, from: usize) -> Option<(usize, Lead)> {
    let mut at = from;
    while let Some(offset) = text.get(at..)?.find(['{', '[', '`', '<']) {
        at += offset;
        match lead(text.get(at..)?) {
            Lead::No => at += 1,
            found => return Some((at, found)),
        }
    }
    None
}

/// All JSON in a text that begins like a call.
pub fn all(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut at, mut failures) = (0, 0);
    while let Some((start, Lead::Yes(skip))) = next(text, at) {
        let json = text.get(start + skip..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            at = start + skip + values.byte_offset();
            found.push(Found { range: start..at, value: Some(value) });
        } else {
            at = start + skip.max(1);
            found.push(Found { range: start..at, value: None });
            failures += 1;
            if failures == MAX_FAILURES {
                break;
            }
        }
    }
    found
}

/// Whether a text between two calls is nothing but what they are put into.
pub fn is_packing(text: &str) -> bool {
    const ENDS: [&str; 5] = ["```", "</tool_call>", "</tool_calls>", "</function_call>", "</tools>"];
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';'));
        let Some(after) = ENDS.iter().find_map(|end| rest.strip_prefix(end)) else { return rest.is_empty() };
        rest = after;
    }
}

/// What a text may be that begins here.
fn lead(text: &str) -> Lead {
    let seen = text.as_bytes().get(..MAX_LEAD_BYTES).unwrap_or(text.as_bytes());
    let is_cut = seen.len() < text.len();
    let mut rest = seen;
    let lead = outside(&mut rest);
    match lead {
        // What has not been decided by then is prose.
        Lead::Open if is_cut => Lead::No,
        lead => lead,
    }
}

fn outside(text: &mut &[u8]) -> Lead {
    let whole = text.len();
    if text.starts_with(b"`") {
        match after(text, b"```") {
            Lead::Yes(_) => {}
            other => return other,
        }
        let tag = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let tag = tag.count();
        skip(text, tag);
        skip_space(text);
        // Some put a tag into a fence.
        if text.first() == Some(&b'<') {
            match tags(text) {
                Lead::Yes(_) => {}
                other => return other,
            }
        }
    } else if text.starts_with(b"<") {
        match tags(text) {
            Lead::Yes(_) => {}
            other => return other,
        }
    }
    skip_space(text);
    let before = whole - text.len();
    match json(text) {
        Lead::Yes(_) => Lead::Yes(before),
        other => other,
    }
}

fn tags(text: &mut &[u8]) -> Lead {
    let mut open = Lead::No;
    for tag in TAGS {
        let mut rest = *text;
        match after(&mut rest, tag.as_bytes()) {
            Lead::Yes(skip) => {
                *text = rest;
                return Lead::Yes(skip);
            }
            Lead::Open => open = Lead::Open,
            Lead::No => {}
        }
    }
    open
}

/// `{"name"`, or the same in a list.
fn json(text: &mut &[u8]) -> Lead {
    if text.first() == Some(&b'[') {
        skip(text, 1);
        skip_space(text);
    }
    for byte in [b'{', b'"'] {
        match text.first() {
            None => return Lead::Open,
            Some(first) if *first == byte => skip(text, 1),
            Some(_) => return Lead::No,
        }
        if byte == b'{' {
            skip_space(text);
        }
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
    let (key, rest) = text.split_at(length);
    match rest.first() {
        Some(b'"') if KEYS.iter().any(|known| known.as_bytes() == key) => Lead::Yes(0),
        None if KEYS.iter().any(|known| known.as_bytes().starts_with(key)) => Lead::Open,
        _ => Lead::No,
    }
}

/// Takes `expected` off the beginning.
fn after(text: &mut &[u8], expected: &[u8]) -> Lead {
    if let Some(rest) = text.strip_prefix(expected) {
        *text = rest;
        return Lead::Yes(expected.len());
    }
    if expected.starts_with(text) { Lead::Open } else { Lead::No }
}

fn skip(text: &mut &[u8], count: usize) {
    *text = text.get(count..).unwrap_or_default();
}

fn skip_space(text: &mut &[u8]) {
    *text = text.trim_ascii_start();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: &str = r#"{"name":"f","arguments":{}}"#;

    #[test]
    fn calls_are_found_whatever_they_are_put_into() {
        for (before, after) in [
            ("", ""),
            ("Sure.\n", " Done."),
            ("```json\n", "\n```"),
            ("```\n", "\n```"),
            ("Look: ```tool_call\n  ", "```"),
            ("<tool_call>\n", "\n</tool_call>"),
            ("```xml\n<tool_call>", "</tool_call>\n```"),
            ("a < b, x[0] and {y} `z` ", ""),
        ] {
            let text = format!("{before}{CALL}{after}");
            let found = all(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].value, Some(serde_json::from_str(CALL).unwrap()), "{text}");
            let start = before.find("```").or(before.find("<tool")).unwrap_or(before.len());
            assert_eq!(found[0].range, start..before.len() + CALL.len(), "{text}");
        }
        for key in ["arguments", "args", "parameters", "input"] {
            let text = format!(r#"{{"{key}": {{"x": 1}}, "name": "f"}}"#);
            assert_eq!(all(&text).len(), 1, "{text}");
        }
        let list = format!("[{CALL}, {CALL}]");
        assert!(
            matches!(&all(&list)[..], [Found { value: Some(Value::Array(items)), .. }] if items.len() == 2)
        );
    }

    #[test]
    fn prose_stays_prose() {
        for text in [
            "{}",
            r#"{"answer": 1}"#,
            "[1, 2]",
            "[link](https://example.com)",
            "if (a < b) { return \"name\"; }",
            "`name`",
            "```rust\nlet x = 1;\n```",
            "<b>bold</b>",
            "{\"Name\":1}",
            &format!("```{}", " ".repeat(200)),
        ] {
            assert!(all(text).is_empty(), "{text}");
        }
        assert_eq!(next("plain words", 0), None);
    }

    #[test]
    fn what_may_become_a_call_is_open_until_it_is_clear() {
        for text in [
            "{",
            "{ ",
            "{\"",
            "{\"na",
            "[",
            "[ {",
            "`",
            "``",
            "```",
            "```json",
            "```json\n{",
            "<",
            "<tool_ca",
        ] {
            assert_eq!(next(text, 0), Some((0, Lead::Open)), "{text}");
        }
        for text in ["{x", "{\"nb", "[x", "`x", "```json\nx", "<x", "{\"nam\""] {
            assert_eq!(next(text, 0), None, "{text}");
        }
        assert_eq!(next("a {\"name\"", 0), Some((2, Lead::Yes(0))));
    }

    #[test]
    fn what_calls_are_put_into_is_no_word() {
        for text in ["", "\n", " ,\n", "\n```\n", "</tool_call>\n", "\n</tool_call>\n```\n"] {
            assert!(is_packing(text), "{text:?}");
        }
        for text in ["\n[result of x]\n", "and", "```json x"] {
            assert!(!is_packing(text), "{text:?}");
        }
    }

    #[test]
    fn broken_json_is_told_and_does_not_take_long() {
        let found = all("{\"tool_calls\":[{\"name\":\"f\"");
        assert_eq!(found[0].value, None);
        let hostile = "{\"name\":".repeat(100_000);
        assert!(all(&hostile).len() <= MAX_FAILURES);
        assert!(all(&"{".repeat(1_000_000)).is_empty());
        assert!(all(&"[".repeat(1_000_000)).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_sure_stays_so_when_more_comes(text in "[\\[{`<\"a-e ,:}\n]{0,40}(\\{\"name\":1\\})?[`{\"a ]{0,9}") {
            let whole = next(&text, 0);
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                match next(&text[..end], 0) {
                    Some((at, Lead::Yes(skip))) => prop_assert_eq!(whole, Some((at, Lead::Yes(skip)))),
                    Some((at, _)) => prop_assert!(whole.is_none_or(|(place, _)| place >= at)),
                    None => prop_assert!(whole.is_none_or(|(place, _)| place >= end)),
                }
            }
        }
    }
}
