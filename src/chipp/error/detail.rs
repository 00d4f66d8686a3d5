//! Details of a validation error: which field is wrong, and how.
//!
//! Two forms are known: `details: [{path, message}]`, and a `ZodError` with `issues`, which may also be a string that
//! holds the JSON.

use serde_json::Value;

use super::MAX_MESSAGE_BYTES;
use super::report::cut;
use super::words::SESSION_FIELDS;
use crate::chipp::json;

/// Longest path that is shown, in bytes; of a longer one a part would name another field.
const MAX_PATH_BYTES: usize = 128;

/// How deep JSON is looked for in strings: the error may be a string, and its message another.
const MAX_DEPTH: u32 = 2;

/// The first of the details.
pub(super) struct Detail {
    /// What is wrong; may be empty.
    pub(super) message: String,
    /// The field, as `messages[0].content`.
    pub(super) param: Option<String>,
    /// How many more there are.
    more: usize,
}

impl Detail {
    /// The first detail in an error's JSON, if there is one.
    pub(super) fn first(value: &Value) -> Option<Self> {
        Self::find(value, 0)
    }

    fn find(value: &Value, depth: u32) -> Option<Self> {
        let places = ["", "/details", "/error/details", "/issues", "/error/issues"];
        let mut lists = places.into_iter().filter_map(|place| value.pointer(place)?.as_array());
        lists.find_map(|list| Self::of_list(list)).or_else(|| {
            if depth == MAX_DEPTH {
                return None;
            }
            let strings = ["/error", "/error/message", "/message"];
            strings.into_iter().find_map(|place| {
                let text = value.pointer(place)?.as_str()?.trim_start();
                let may_be_json = text.starts_with(['{', '[']);
                let nested = may_be_json.then(|| json::value(text.as_bytes())).flatten()?;
                Self::find(&nested, depth + 1)
            })
        })
    }

    fn of_list(list: &[Value]) -> Option<Self> {
        let first = list.first()?.as_object()?;
        let message = first.get("message").and_then(Value::as_str);
        let param = first.get("path").and_then(path);
        if message.is_none() && param.is_none() {
            return None;
        }
        Some(Self { message: message.unwrap_or_default().trim().to_owned(), param, more: list.len() - 1 })
    }

    /// The message, with the number of those that are not shown; capped.
    pub(super) fn told(&self) -> Option<String> {
        if self.message.is_empty() || self.message.starts_with('<') {
            return None;
        }
        let others = if self.more > 0 { format!(" (and {} more)", self.more) } else { String::new() };
        let message = cut(&self.message, MAX_MESSAGE_BYTES - others.len());
        Some(format!("{message}{others}"))
    }

    /// Whether the session's id is what is wrong.
    pub(super) fn is_of_session(&self) -> bool {
        self.param.as_deref().is_some_and(|param| SESSION_FIELDS.contains(&param))
    }
}

/// A path as OpenAI's errors have it, from its parts or from a text with dots.
fn path(path: &Value) -> Option<String> {
    let mut text = String::new();
    match path {
        Value::String(dotted) => dotted.split('.').for_each(|part| add(&mut text, part)),
        Value::Array(parts) => parts.iter().for_each(|part| match part {
            Value::String(name) => add(&mut text, name),
            part => add(&mut text, &part.to_string()),
        }),
        _ => return None,
    }
    (!text.is_empty() && text.len() <= MAX_PATH_BYTES).then_some(text)
}

fn add(path: &mut String, part: &str) {
    let is_index = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let marks = match (is_index, path.is_empty()) {
        (true, _) => ["[", "]"],
        (false, true) => ["", ""],
        (false, false) => [".", ""],
    };
    let [before, after] = marks;
    path.extend([before, part, after]);
}
