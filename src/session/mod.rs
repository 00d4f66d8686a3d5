//! Which of Chipp's sessions continues this conversation.
//!
//! A session is kept under its *head*: a keyed hash of the scope and of every message that the session holds.
//! A request looks for the longest beginning of its history that is the head of a session, and takes that
//! session out of the store, so that nobody else can use it meanwhile. What becomes of it is settled once:
//!
//! - [`Turn::complete`]: Chipp holds the turn now, and the client has the same answer: kept under the new head;
//! - [`Turn::untouched`]: Chipp cannot have seen the turn: kept under the old head;
//! - dropped: anything else. When in doubt the session is forgotten, and the next turn replays the history.
//!
//! Sessions are kept in memory, or in Redis for several replicas. Redis is asked once before a turn and told once
//! after it, and a turn is served if it is away.
//!
//! The room knows Chipp's messages, not OpenAI's, and nothing of HTTP.

mod fingerprint;
mod memory;
mod remote;
mod store;

use std::sync::Arc;
use std::time::Instant;

pub use fingerprint::{Fingerprinter, Head, History, Scope, ScopeParts};
pub use memory::Memory;
pub use remote::{Failures, Remote};
pub use store::Store;

use crate::chipp;
use crate::ids::ChatSessionId;

/// What happened to the conversation; the value of `x-chipp-session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A conversation began.
    New,
    /// Only the new messages went into the session that holds the others.
    Continued,
    /// The session was not found (or not to be trusted): the whole history went into a new one.
    Replayed,
    /// No session is kept.
    Stateless,
}

impl Outcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Continued => "continued",
            Self::Replayed => "replayed",
            Self::Stateless => "stateless",
        }
    }
}

/// How a request wants its session to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By its history.
    Conversation,
    /// Not at all, but it may be gone on with later (`x-chipp-session: new`).
    Fresh,
    /// Not at all, and it is not kept either.
    Off,
}

/// One turn of a conversation, from the look-up to its settlement.
#[derive(Debug)]
pub struct Turn {
    store: Arc<Store>,
    mode: Mode,
    /// The hash of the whole request, to go on with the answer.
    history: History,
    /// Whether the history has an answer in it, so that there is something to continue.
    has_past: bool,
    taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    head: Head,
    session: ChatSessionId,
    /// How many of the request's messages it holds.
    holds: usize,
}

impl Turn {
    /// Hashes the history and takes the session that holds the longest beginning of it, if there is one.
    pub async fn begin(
        store: &Arc<Store>,
        mode: Mode,
        scope: &Scope,
        messages: &[chipp::Message<'_>],
        now: Instant,
    ) -> Self {
        let (mut turn, heads) = Self::unlinked(store, mode, scope, messages);
        if mode == Mode::Conversation {
            turn.taken = store.take(&heads, now).await.and_then(|(place, session)| {
                let (holds, head) = *heads.get(place)?;
                Some(Taken { head, session, holds })
            });
        }
        turn
    }

    /// A turn in a session of its own, whatever the mode; that session may be gone on with later, unless the mode is
    /// [`Mode::Off`].
    pub fn apart(store: &Arc<Store>, mode: Mode, scope: &Scope, messages: &[chipp::Message<'_>]) -> Self {
        Self::unlinked(store, mode, scope, messages).0
    }

    fn unlinked(
        store: &Arc<Store>,
        mode: Mode,
        scope: &Scope,
        messages: &[chipp::Message<'_>],
    ) -> (Self, Vec<(usize, Head)>) {
        let (history, heads) = match mode {
            Mode::Conversation | Mode::Fresh => History::of(scope, messages),
            Mode::Off => (History::new(scope), Vec::new()),
        };
        let has_past = messages.iter().any(|message| message.role == chipp::Role::Assistant);
        (Self { store: Arc::clone(store), mode, history, has_past, taken: None }, heads)
    }

    /// The session to go on with.
    pub fn session(&self) -> Option<&ChatSessionId> {
        self.taken.as_ref().map(|taken| &taken.session)
    }

    /// How many messages at the beginning of the history need not be sent.
    pub fn holds(&self) -> usize {
        self.taken.as_ref().map_or(0, |taken| taken.holds)
    }

    /// Whether a session is kept at all.
    pub fn is_kept(&self) -> bool {
        self.mode != Mode::Off
    }

    /// What is to be said of it.
    pub fn outcome(&self) -> Outcome {
        match (self.mode, &self.taken) {
            (Mode::Off, _) => Outcome::Stateless,
            (_, Some(_)) => Outcome::Continued,
            (Mode::Conversation, None) if self.has_past => Outcome::Replayed,
            (_, None) => Outcome::New,
        }
    }

    /// Gives the session up: Chipp has forgotten it, so the history will be replayed into a new one.
    pub fn forget(&mut self) {
        self.taken = None;
    }

    /// Chipp cannot have seen the turn: the session is as it was.
    pub async fn untouched(self, now: Instant) {
        if let Some(taken) = self.taken {
            self.store.put(taken.head, taken.session, now).await;
        }
    }

    /// Chipp holds the turn: `answer` is what it said, and what the client was given.
    ///
    /// `named` is the session that the reply named; without a name, a session that was gone on with is taken at its word.
    /// An empty answer settles nothing: what Chipp wrote into the session for it is unknown.
    pub async fn complete(mut self, named: Option<ChatSessionId>, answer: &str, now: Instant) {
        let session = named.or_else(|| self.taken.take().map(|taken| taken.session));
        let Some(session) = session.filter(|_| self.mode != Mode::Off && !answer.trim_end().is_empty())
        else {
            return;
        };
        self.history.push(chipp::Role::Assistant, answer);
        self.store.put(self.history.head(), session, now).await;
    }
}

#[cfg(test)]
mod tests;
