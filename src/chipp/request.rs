//! The chat request as Chipp documents it: nothing undocumented is ever sent.

use std::borrow::Cow;

use serde::Serialize;

use crate::ids::{AppId, ChatSessionId};

/// The body of `POST {base}/chat/completions`.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The app.
    pub app: &'a AppId,
    /// Only what the session does not hold yet; everything, without one.
    pub messages: &'a [Message<'a>],
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The session to go on with; also sent as the header `X-Chat-Session-ID`.
    pub session: Option<&'a ChatSessionId>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said; Chipp takes plain text only.
    pub content: Cow<'a, str>,
}

/// Chipp's three roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The app.
    Assistant,
}

impl Request<'_> {
    /// The body's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            model: &'a str,
            messages: &'a [Message<'a>],
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            stream: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            chat_session_id: Option<&'a str>,
        }
        let wire = Wire {
            model: self.app.as_str(),
            messages: self.messages,
            stream: self.stream,
            chat_session_id: self.session.map(ChatSessionId::as_str),
        };
        let text: usize = self.messages.iter().map(|message| message.content.len() + 40).sum();
        let mut body = Vec::with_capacity(text + 160);
        // Writing strings into a Vec cannot fail: no map with odd keys, no IO.
        let _ = serde_json::to_writer(&mut body, &wire);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_fields_are_written() {
        let app = AppId::parse("myapp-123").unwrap();
        let session = ChatSessionId::parse("5f0c").unwrap();
        let messages = [Message { role: Role::User, content: "hi \"you\"".into() }];
        let first = Request { app: &app, messages: &messages, stream: false, session: None };
        assert_eq!(
            String::from_utf8(first.to_json()).unwrap(),
            r#"{"model":"myapp-123","messages":[{"role":"user","content":"hi \"you\""}]}"#
        );
        let next = Request { app: &app, messages: &messages, stream: true, session: Some(&session) };
        assert_eq!(
            String::from_utf8(next.to_json()).unwrap(),
            r#"{"model":"myapp-123","messages":[{"role":"user","content":"hi \"you\""}],"stream":true,"chatSessionId":"5f0c"}"#
        );
    }
}
