//! What clients say: the meaning, and the many ways to write it down.

use serde_json::{Value, json};

/// A message as Chipp is to have it, without white space at its end.
pub(crate) type Line = (&'static str, String);

/// A message of a client's history.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    System(String),
    User(String),
    Assistant(String),
    /// A call of the client's own tool, as another model made it.
    Call,
    /// Its result.
    Result(String),
}

/// The call as Chipp is to have it, however the client spells it.
const CALL: &str = r#"{"tool_calls":[{"name":"weather","arguments":{"city":"Oslo","days":2}}]}"#;

impl Said {
    pub(crate) fn line(&self) -> Line {
        let (role, text) = match self {
            Self::System(text) => ("system", text.clone()),
            Self::User(text) => ("user", text.clone()),
            Self::Assistant(text) => ("assistant", text.clone()),
            Self::Call => ("assistant", CALL.to_owned()),
            Self::Result(text) => ("user", format!("[result of weather]\n{text}")),
        };
        (role, text.trim_end().to_owned())
    }

    /// One of the ways to write it.
    pub(crate) fn write(&self, dress: &mut Dress) -> Value {
        match self {
            Self::System(text) => {
                let role = ["system", "developer"][dress.choose(2)];
                json!({"role": role, "content": content(text, dress)})
            }
            Self::User(text) => match dress.choose(3) {
                0 => json!({"content": content(text, dress), "role": "user", "name": "ann"}),
                _ => json!({"role": "user", "content": content(text, dress)}),
            },
            Self::Assistant(text) => {
                let text = match dress.choose(3) {
                    0 => text.trim_end().to_owned(),
                    1 => format!("{text} \n"),
                    _ => text.clone(),
                };
                let content = match dress.choose(2) {
                    0 if text.is_empty() => Value::Null,
                    _ => content(&text, dress),
                };
                match dress.choose(3) {
                    0 => json!({"role": "assistant", "content": content, "refusal": null, "annotations": [],
                        "audio": null, "tool_calls": [], "reasoning_content": "hm"}),
                    _ => json!({"role": "assistant", "content": content}),
                }
            }
            Self::Call => {
                let arguments = [r#"{"city":"Oslo","days":2}"#, r#"{ "days": 2, "city": "Oslo" }"#];
                json!({"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
                    "function": {"name": "weather", "arguments": arguments[dress.choose(2)]}}]})
            }
            Self::Result(text) => {
                json!({"role": "tool", "tool_call_id": "call_1", "content": content(text, dress)})
            }
        }
    }
}

/// A string, or parts that make the same text.
fn content(text: &str, dress: &mut Dress) -> Value {
    let part = |text: &str| json!({"type": "text", "text": text});
    match dress.choose(4) {
        0 => json!([part(text)]),
        1 => {
            let middle = text.char_indices().nth(text.chars().count() / 2);
            let (left, right) = text.split_at(middle.map_or(0, |(at, _)| at));
            json!([part(left), part(right)])
        }
        _ => json!(text),
    }
}

/// Chooses between ways to write the same; equal seeds choose equally.
#[derive(Debug)]
pub(crate) struct Dress(pub(crate) u64);

impl Dress {
    /// A number below `ways`.
    pub(crate) fn choose(&mut self, ways: u64) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % ways).unwrap()
    }
}

pub(crate) fn lines(messages: &[Said]) -> Vec<Line> {
    messages.iter().map(Said::line).collect()
}
