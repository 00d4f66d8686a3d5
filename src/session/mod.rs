//! Which of Chipp's sessions continues this conversation.
//!
//! A session is kept under its *head*: a keyed hash of the scope and of every message that the session holds.
//! A request looks for the longest beginning of its history that is the head of a session, and takes that
//! session out of the store, so that nobody else can use it meanwhile. What becomes of it is settled once:
//!
//! - [`Turn::complete`]: Chipp holds the turn now, and the client has the same answer: kept under the new head;
//! - [`Turn::untouched`]: Chipp cannot have seen the turn: kept under the old head;
//! - [`Turn::doubt`], or dropped: anything else. When in doubt the session is forgotten, and the next turn replays
//!   the history.
//!
//! Clients that send only what is new have one session each (`sticky`), or name theirs by its id; such a session is
//! in a *slot*, which serves one turn at a time, and is kept in doubt, too: nobody else has its history.
//!
//! Sessions are kept in memory, or in Redis for several replicas. Redis is asked once before a turn and told once
//! after it, and a turn is served if it is away.
//!
//! The room knows Chipp's messages, not OpenAI's, and nothing of HTTP.

mod agreement;
mod fingerprint;
mod local;
mod memory;
mod remote;
mod remote_slots;
mod slot;
mod store;
mod turn;

pub use agreement::Agreement;
pub use fingerprint::{Fingerprinter, Head, History, Scope, ScopeParts};
pub use local::Local;
pub use memory::Memory;
pub use remote::{Failures, Remote};
pub use slot::Unavailable;
pub use store::Store;
pub use turn::{Keep, Mode, Turn};

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

#[cfg(test)]
mod tests;
