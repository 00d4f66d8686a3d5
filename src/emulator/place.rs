//! The session of a request: which one continues, and what is answered when there is none.

use super::behaviour::{Act, Behaviour, Fails, Memory, Refusal, Storing, TALK, Talk};
use super::record::{Message, Received};
use super::request;
use super::script::{Script, quote};
use super::state::State;
use super::{Options, UnknownSession};

/// A refusal before any run of the app.
pub(super) struct Denial {
    pub(super) status: u16,
    body: String,
}

impl From<request::Refusal> for Denial {
    fn from((status, text): request::Refusal) -> Self {
        Self { status, body: format!(r#"{{"error":{}}}"#, quote(&text)) }
    }
}

impl Denial {
    pub(super) fn script(&self) -> Script {
        Script::refusal(self.status, &self.body)
    }

    fn missing(id: &str) -> Self {
        Self::of_class(404, "NotFoundError", &format!("Chat session with ID '{id}' not found"), "NOT_FOUND")
    }

    fn foreign(_id: &str) -> Self {
        Self::of_class(403, "ForbiddenError", "Session does not belong to this application", "FORBIDDEN")
    }

    /// The form of the backend's own errors.
    fn of_class(status: u16, class: &str, message: &str, code: &str) -> Self {
        let (message, request) = (quote(message), uuid::Uuid::new_v4());
        let body =
            format!(r#"{{"error":"{class}","message":{message},"code":"{code}","requestId":"{request}"}}"#);
        Self { status, body }
    }
}

/// How an app with this memory denies a session, if it does.
fn denial(memory: Memory) -> Option<fn(&str) -> Denial> {
    match memory {
        Memory::Missing => Some(Denial::missing),
        Memory::Forbidden => Some(Denial::foreign),
        Memory::Kept | Memory::Lost | Memory::FlakyOpening => None,
    }
}

/// The app, key and session that a turn belongs to.
pub(super) struct Place<'a> {
    pub(super) options: &'a Options,
    pub(super) behaviour: &'static Behaviour,
    pub(super) app: &'a str,
    pub(super) key: &'a str,
    /// The session id that was sent.
    pub(super) id: Option<&'a str>,
    pub(super) messages: &'a [Message],
}

impl Place<'_> {
    /// What the app does this time: some are well only the second time.
    pub(super) fn act(&self, state: &mut State) -> Act {
        let Act::Once(fails) = self.behaviour.act else { return self.behaviour.act };
        let before = self.id.and_then(|id| state.session_of(id, self.app, self.key));
        let before = before.map(|session| session.messages.clone()).unwrap_or_default();
        match (state.refuses_now(self.heard(&before)), fails) {
            (false, _) => Act::Talk(TALK),
            (true, Fails::With(refusal)) => Act::Refuse(refusal),
            (true, Fails::Reset) => Act::Reset(Storing::Nothing),
        }
    }

    /// The session to go on with, or a new one where the app needs one.
    pub(super) fn find(
        &self,
        act: &Act,
        state: &mut State,
        received: &mut Received,
    ) -> Result<Option<String>, Denial> {
        let memory = match *act {
            Act::Talk(Talk { memory, .. }) => memory,
            _ => Memory::Kept,
        };
        if let Some(id) = self.id {
            let found = state.session_of(id, self.app, self.key);
            received.known = found.is_some();
            match (found.map(|session| session.messages.clone()), denial(memory)) {
                (Some(before), None) if memory == Memory::Lost && self.second_turn(&before) => {}
                (Some(before), Some(denial)) if self.second_turn(&before) => return Err(denial(id)),
                (Some(before), _) => {
                    received.before = before;
                    received.session = Some(id.to_owned());
                    return Ok(Some(id.to_owned()));
                }
                (None, Some(denial)) => return Err(denial(id)),
                (None, None) if self.options.unknown_session == UnknownSession::Refuse => {
                    let foreign = state.kept(id).is_some_and(|kept| kept.session.app != self.app);
                    return Err(if foreign { Denial::foreign(id) } else { Denial::missing(id) });
                }
                (None, None) => {}
            }
        }
        if memory == Memory::FlakyOpening && state.refuses_now(self.heard(&[])) {
            return Err((503, "Service Unavailable".to_owned()).into());
        }
        let needed = match *act {
            Act::Talk(_) | Act::Once(_) => true,
            Act::Refuse(Refusal { storing, .. }) | Act::Reset(storing) => storing == Storing::Turn,
            Act::Silence => false,
        };
        if needed {
            received.session = Some(state.open_session(self.app, self.key, self.options.sessions_kept));
        }
        Ok(received.session.clone())
    }

    fn second_turn(&self, before: &[Message]) -> bool {
        let turns = before.iter().chain(self.messages);
        turns.filter(|message| message.role == "user").count() % 2 == 0
    }

    /// A name for what the app hears, be it in the session or in the request.
    fn heard(&self, before: &[Message]) -> String {
        let texts = before.iter().chain(self.messages).map(|message| &*message.content);
        [self.app, self.behaviour.app, self.key].into_iter().chain(texts).collect::<Vec<_>>().join("\0")
    }
}
