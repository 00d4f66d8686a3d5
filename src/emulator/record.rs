//! What the emulator remembers of its callers, as plain values for tests to look at.

use std::borrow::Cow;
use std::sync::Arc;

/// One message, as it was sent or answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`; anything else only where the emulator is lenient.
    pub role: Cow<'static, str>,
    /// The text.
    pub content: Arc<str>,
}

impl Message {
    /// A message with this role and text.
    pub fn new(role: &str, content: impl Into<Arc<str>>) -> Self {
        let role = match role {
            "system" => Cow::Borrowed("system"),
            "user" => Cow::Borrowed("user"),
            "assistant" => Cow::Borrowed("assistant"),
            other => Cow::Owned(other.to_owned()),
        };
        Self { role, content: content.into() }
    }
}

/// One chat request that reached the emulator, good or bad.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its place in the order of arrival, from 0. Goes on counting after `clear`.
    pub number: usize,
    /// The path that was asked for.
    pub path: String,
    /// The app (`model`); empty if the body did not name one.
    pub app: String,
    /// The bearer key; empty if there was none.
    pub key: String,
    /// `chatSessionId` of the body.
    pub body_session: Option<String>,
    /// `X-Chat-Session-ID` of the head.
    pub header_session: Option<String>,
    /// Whether the session id that was sent led to a session.
    pub known: bool,
    /// The session that the turn belongs to: the one sent, or a new one. `None` if the request was refused.
    pub session: Option<String>,
    /// What that session held before.
    pub before: Vec<Message>,
    /// What was sent.
    pub messages: Vec<Message>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// `X-Correlation-ID`.
    pub correlation_id: Option<String>,
    /// The names of all headers, in lower case, in their order.
    pub header_names: Vec<String>,
    /// Whether the whole turn, what was sent and the answer, is in the session. What was sent may be there
    /// without the answer: it is stored when the app's run begins.
    pub stored: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Received {
    /// Everything that the app knew when it answered: what the session held, then what was sent.
    pub fn heard(&self) -> Vec<Message> {
        self.before.iter().chain(&self.messages).cloned().collect()
    }
}

/// How a request ended, as far as the emulator can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet.
    Running,
    /// With this status instead of an answer.
    Refused(u16),
    /// With a complete answer.
    Answered,
    /// With a reply that the app broke on purpose: cut, reset, an error inside it.
    Broken,
    /// Without an answer, because a person has taken the chat over.
    TakenOver,
    /// The client closed the connection before the answer was complete.
    ClientLeft,
}

/// A conversation, as the emulator holds it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `chatSessionId`.
    pub id: String,
    /// The app it belongs to.
    pub app: String,
    /// The key it belongs to.
    pub key: String,
    /// All of it, in order.
    pub messages: Vec<Message>,
}
