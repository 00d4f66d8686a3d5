//! The transcript of a session, as far as it is of use: what the app said last.

use serde_json::Value;

use crate::chipp::reply::said;

/// What an app said after the newest message of a session's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    /// The text, never blank: the last one, if there are several.
    pub text: String,
    /// It is all that the session holds after the user's message.
    pub is_alone: bool,
}

impl LastAnswer {
    /// Reads the body of the transcript endpoint: `{"messages": [{"role", "content"}, …], …}`. `None` if that holds
    /// no answer to the newest message.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let messages = value.get("messages")?.as_array()?;
        let asked = messages.iter().rposition(|message| role(message) == "user")?;
        let answers = messages.get(asked + 1..)?;
        let is_answer = |message: &&Value| matches!(role(message), "assistant" | "bot");
        let mut texts = answers.iter().filter(is_answer).map(said).filter(|text| !text.trim().is_empty());
        Some(Self { text: texts.next_back()?, is_alone: answers.len() == 1 })
    }
}

fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn last(messages: &[(&str, &str)]) -> Option<(String, bool)> {
        let messages: Vec<_> =
            messages.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
        let body = json!({"sessionId": "s", "messages": messages}).to_string();
        LastAnswer::parse(body.as_bytes()).map(|answer| (answer.text, answer.is_alone))
    }

    #[test]
    fn the_answer_to_the_newest_message() {
        let old = [("user", "a"), ("assistant", "old"), ("user", "b")];
        assert_eq!(last(&old), None);
        assert_eq!(last(&[&old[..], &[("assistant", " ")]].concat()), None);
        assert_eq!(last(&[&old[..], &[("assistant", "new")]].concat()), Some(("new".into(), true)));
        let several =
            [&old[..], &[("assistant", "I look it up."), ("tool", "42"), ("bot", "It is 42.")]].concat();
        assert_eq!(last(&several), Some(("It is 42.".into(), false)));
        assert_eq!(last(&[]), None);
    }

    #[test]
    fn anything_else_holds_none() {
        for body in
            ["", "<html>", "[]", "{}", r#"{"messages": {}}"#, r#"{"messages": [1, {"role": "user"}, null]}"#]
        {
            assert_eq!(LastAnswer::parse(body.as_bytes()), None, "{body}");
        }
    }
}
