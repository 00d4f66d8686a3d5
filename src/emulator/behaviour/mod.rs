//! The pretend apps: each shows one behaviour, by its id.

mod rounds;
mod table;
mod talk;

use std::fmt::Write as _;

pub(super) use rounds::{Last, Metadata, Rounds, Tool};
pub use table::BEHAVIOURS;
pub(super) use talk::{Coding, Form, Memory, Oddity, Reveals, Says, TALK, Tale, Talk, Wire};

/// One pretend app.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// The alias that the sandbox gives it.
    pub name: &'static str,
    /// Its id: what Chipp calls `model`.
    pub app: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// How the first reply of a conversation ends when no stream is asked for.
    pub plain: Ends,
    /// How the first reply of a conversation ends when a stream is asked for.
    pub streamed: Ends,
    pub(super) act: Act,
}

impl Behaviour {
    /// The app with this id.
    pub(super) fn of(app: &str) -> Option<&'static Self> {
        // The ordinary apps are first, so the search is short where speed counts.
        BEHAVIOURS.iter().find(|behaviour| behaviour.app == app)
    }

    /// What it does with this newest message: the commanded app acts as the one that the message names, if any.
    pub(super) fn commanded(&'static self, newest: &str) -> &'static Self {
        if self.name != COMMANDED {
            return self;
        }
        let name = newest.split_once(COMMAND).map(|(_, rest)| rest);
        let name = name.and_then(|rest| rest.split_whitespace().next());
        let named = BEHAVIOURS.iter().find(|behaviour| Some(behaviour.name) == name);
        named.unwrap_or(self)
    }
}

/// The app that does as it is told, so that one conversation can meet several behaviours.
const COMMANDED: &str = "commanded";
/// What stands before the behaviour's name.
const COMMAND: &str = "act as: ";

/// How a reply ends, as the proxy must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With the whole answer.
    Answer,
    /// As it should, but there is no text.
    Empty,
    /// With an error status other than 200 in the answer's place.
    Refused(u16),
    /// The same, but only once: the same request is answered when it comes again.
    RefusedOnce(u16),
    /// Broken, but only once.
    BrokenOnce,
    /// Broken: cut, reset, unreadable, with an error inside, too large for any reader, or sent in a way that a
    /// client with a pool of connections cannot trust (no framing). Never to be taken for an answer.
    Broken,
    /// Without an answer, because a person has taken the chat over. The user's message is stored.
    TakenOver,
    /// With an answer, but text before it was declared void in mid-stream: an answer for a reader that holds
    /// text back, broken for one that has passed the text on.
    Withdrawn,
    /// Not at all, until the client leaves.
    Never,
}

/// All apps as a table for people: alias, id, what it does.
pub fn describe() -> String {
    let width = BEHAVIOURS.iter().map(|behaviour| behaviour.name.len()).max();
    let width = width.unwrap_or_default();
    let mut table = String::new();
    for Behaviour { name, app, about, .. } in BEHAVIOURS {
        let app_width = width + "emu--1".len();
        let _ = writeln!(table, "{name:width$}  {app:app_width$}  {about}");
    }
    table
}

/// What is done with a request that is in order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Talk(Talk),
    Refuse(Refusal),
    /// Fails so for each message that is heard for the first time; when it comes again it is answered.
    Once(Fails),
    /// No byte is ever sent.
    Silence,
    /// The connection is reset before any byte.
    Reset(Storing),
}

/// How an app fails that is well the second time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fails {
    With(Refusal),
    /// The connection is reset before any byte.
    Reset,
}

/// Whether a failing reply leaves its turn in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storing {
    Nothing,
    Turn,
}

/// A fixed reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    pub(super) storing: Storing,
}
