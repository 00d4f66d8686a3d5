//! What a chat request must look like: Chipp's documented checks with their texts, and stricter ones.

use serde_json::{Map, Value};

use super::Strictness;
use super::record::Message;

/// The fields that Chipp documents.
const FIELDS: [&str; 4] = ["model", "messages", "stream", "chatSessionId"];

/// A refusal: status and text.
pub(super) type Refusal = (u16, String);

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err((400, text.into()))
}

/// The body, in parts. What is found is kept even if a later part is bad, so that it can be observed.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) app: String,
    pub(super) session: Option<String>,
    pub(super) stream: bool,
    pub(super) messages: Vec<Message>,
}

impl Body {
    /// Fills the parts from the bytes.
    pub(super) fn read(&mut self, bytes: &[u8], strictness: Strictness) -> Result<(), Refusal> {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) else {
            return refuse("The body must be a JSON object");
        };
        match fields.remove("model") {
            Some(Value::String(app)) if !app.is_empty() => self.app = app,
            _ => return refuse("`model` is required and must be a string"),
        }
        self.session = match fields.remove("chatSessionId") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id),
            Some(_) => return refuse("`chatSessionId` must be a string"),
        };
        self.stream = match fields.remove("stream") {
            None => false,
            Some(Value::Bool(stream)) => stream,
            Some(Value::Null) if strictness == Strictness::Lenient => false,
            Some(_) => return refuse("`stream` must be a boolean"),
        };
        let messages = match fields.remove("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            _ => return refuse("`messages` must be a non-empty array"),
        };
        self.messages.reserve_exact(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            self.messages.push(read_message(index, message, strictness)?);
        }
        no_more_fields(&fields, "", strictness)
    }
}

fn read_message(index: usize, message: Value, strictness: Strictness) -> Result<Message, Refusal> {
    let strict = strictness == Strictness::Strict;
    let Value::Object(mut fields) = message else {
        return refuse(format!("`messages[{index}]` must be an object"));
    };
    let role = match fields.remove("role") {
        Some(Value::String(role)) if !strict || matches!(&*role, "system" | "user" | "assistant") => role,
        _ => {
            return refuse(format!("`messages[{index}].role` must be one of user, assistant, system"));
        }
    };
    let content = match fields.remove("content") {
        Some(Value::String(content)) => content,
        Some(Value::Array(parts)) if !strict => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        None | Some(Value::Null) if !strict => String::new(),
        _ => return refuse(format!("`messages[{index}].content` must be a string")),
    };
    no_more_fields(&fields, &format!("messages[{index}]."), strictness)?;
    Ok(Message::new(&role, content))
}

fn no_more_fields(rest: &Map<String, Value>, place: &str, strictness: Strictness) -> Result<(), Refusal> {
    match rest.keys().next() {
        Some(name) if strictness == Strictness::Strict => refuse(format!(
            "`{place}{name}` is not documented; the fields are {}",
            if place.is_empty() { FIELDS.join(", ") } else { "role, content".into() }
        )),
        _ => Ok(()),
    }
}

/// The session id that counts. Which of two different ones wins is unknown, so only the lenient choose.
pub(super) fn session_id<'a>(
    body: Option<&'a str>,
    header: Option<&'a str>,
    strictness: Strictness,
) -> Result<Option<&'a str>, Refusal> {
    match (body, header) {
        (Some(body), Some(header)) if body != header && strictness == Strictness::Strict => {
            refuse("`chatSessionId` and X-Chat-Session-ID differ")
        }
        _ => Ok(body.or(header)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        let read = Body::default().read(body.as_bytes(), Strictness::Strict);
        let (status, text) = read.expect_err(body);
        assert_eq!(status, 400, "{body}");
        text
    }

    #[test]
    fn strict_refusals_name_the_place() {
        for (body, words) in [
            ("nonsense", "JSON object"),
            (r#"{"messages":[]}"#, "`model` is required and must be a string"),
            (r#"{"model":7}"#, "`model` is required and must be a string"),
            (r#"{"model":"a"}"#, "`messages` must be a non-empty array"),
            (r#"{"model":"a","messages":[]}"#, "`messages` must be a non-empty array"),
            (r#"{"model":"a","messages":["x"]}"#, "`messages[0]`"),
            (r#"{"model":"a","messages":[{"role":"tool","content":"x"}]}"#, "`messages[0].role`"),
            (r#"{"model":"a","messages":[{"role":"user","content":["x"]}]}"#, "`messages[0].content`"),
            (r#"{"model":"a","messages":[{"role":"user","content":"x","name":"n"}]}"#, "`messages[0].name`"),
            (r#"{"model":"a","messages":[{"role":"user","content":"x"}],"temperature":1}"#, "`temperature`"),
            (r#"{"model":"a","stream":"yes"}"#, "`stream`"),
            (r#"{"model":"a","chatSessionId":""}"#, "`chatSessionId`"),
        ] {
            assert!(refusal(body).contains(words), "{body}");
        }
    }

    #[test]
    fn the_lenient_take_more() {
        let mut body = Body::default();
        let text = r#"{"model":"a","stream":null,"top_p":1,
            "messages":[{"role":"tool","content":[{"type":"text","text":"x"}],"id":1},{"role":"user"}]}"#;
        body.read(text.as_bytes(), Strictness::Lenient).unwrap();
        assert_eq!(body.messages, [Message::new("tool", "x"), Message::new("user", "")]);
    }

    #[test]
    fn two_session_ids_must_agree() {
        let both = |strictness| session_id(Some("a"), Some("b"), strictness);
        assert!(both(Strictness::Strict).is_err());
        assert_eq!(both(Strictness::Lenient), Ok(Some("a")));
        assert_eq!(session_id(None, Some("b"), Strictness::Strict), Ok(Some("b")));
        assert_eq!(session_id(Some("a"), Some("a"), Strictness::Strict), Ok(Some("a")));
    }
}
