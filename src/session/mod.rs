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
    /// Under which heads a session may be kept that holds a beginning of it; until it is sought.
    candidates: Vec<(usize, Head)>,
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
    /// Hashes the history. The session that holds the longest beginning of it is still to be [`sought`](Self::seek).
    pub fn begin(store: &Arc<Store>, mode: Mode, scope: &Scope, messages: &[chipp::Message<'_>]) -> Self {
        let (history, candidates) = match mode {
            Mode::Conversation => History::of(scope, messages),
            Mode::Fresh => (History::of(scope, messages).0, Vec::new()),
            Mode::Off => (History::new(scope), Vec::new()),
        };
        let has_past = messages.iter().any(|message| message.role == chipp::Role::Assistant);
        Self { store: Arc::clone(store), mode, history, candidates, has_past, taken: None }
    }

    /// Takes the session that holds the longest beginning of the history, if there is one.
    pub async fn seek(&mut self, now: Instant) {
        let candidates = std::mem::take(&mut self.candidates);
        if let Some((place, session)) = self.store.take(&candidates, now).await {
            self.taken = candidates.get(place).map(|&(holds, head)| Taken { head, session, holds });
        }
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
    #[must_use]
    pub fn untouched(self) -> Keep {
        Keep { store: self.store, kept: self.taken.map(|taken| (taken.head, taken.session)) }
    }

    /// Chipp holds the turn: `answer` is what it said, and what the client was given.
    ///
    /// `named` is the session that the reply named; without a name, a session that was gone on with is taken at its word.
    /// An empty answer settles nothing: what Chipp wrote into the session for it is unknown.
    #[must_use]
    pub fn complete(mut self, named: Option<ChatSessionId>, answer: &str) -> Keep {
        let session = named.or_else(|| self.taken.take().map(|taken| taken.session));
        let session = session.filter(|_| self.mode != Mode::Off && !answer.trim_end().is_empty());
        let kept = session.map(|session| {
            self.history.push(chipp::Role::Assistant, answer);
            (self.history.head(), session)
        });
        Keep { store: self.store, kept }
    }
}

/// How a turn was settled: what is to be put away. Much smaller than the turn, whose hashes are large.
#[derive(Debug)]
pub struct Keep {
    store: Arc<Store>,
    kept: Option<(Head, ChatSessionId)>,
}

impl Keep {
    /// Puts the session away, if one is kept.
    pub async fn put(self, now: Instant) {
        if let Some((head, session)) = self.kept {
            self.store.put(head, session, now).await;
        }
    }
}

#[cfg(test)]
mod tests;
