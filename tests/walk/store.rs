//! What the proxy ought to know of sessions, in the simplest form that can be right: a list.

use crate::words::Line;

/// Sessions under one head, at the most.
const MAX_PER_HEAD: usize = 64;
/// Beginnings of a history that are looked up.
const MAX_CANDIDATES: usize = 32;

/// What parts conversations from each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) model: &'static str,
    pub(crate) user: Option<&'static str>,
    pub(crate) conversation: Option<&'static str>,
}

/// A session that may be gone on with.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) scope: Scope,
    /// What it holds.
    pub(crate) holds: Vec<Line>,
    /// Chipp has not forgotten it.
    pub(crate) is_alive: bool,
}

/// All sessions that may be gone on with, in the order in which they were put in.
#[derive(Debug)]
pub(crate) struct Store {
    entries: Vec<Entry>,
    capacity: usize,
}

impl Store {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), capacity }
    }

    /// The youngest session that holds the longest beginning which ends in an answer and leaves something to send.
    pub(crate) fn take(&mut self, scope: &Scope, said: &[Line]) -> Option<Entry> {
        let answers = (1..said.len()).rev().filter(|&length| said[length - 1].0 == "assistant");
        let mut beginnings = answers.take(MAX_CANDIDATES).map(|length| &said[..length]);
        let found = beginnings.find_map(|beginning| {
            self.entries.iter().rposition(|entry| entry.scope == *scope && entry.holds == beginning)
        });
        found.map(|at| self.entries.remove(at))
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        let is_same = |other: &Entry| other.scope == entry.scope && other.holds == entry.holds;
        if self.entries.iter().filter(|other| is_same(other)).count() >= MAX_PER_HEAD {
            let oldest = self.entries.iter().position(is_same);
            self.entries.remove(oldest.unwrap());
        }
        self.entries.push(entry);
        if self.entries.len() > self.capacity {
            self.entries.remove(0);
        }
    }

    /// Chipp has forgotten them all; the proxy does not know.
    pub(crate) fn forget(&mut self) {
        for entry in &mut self.entries {
            entry.is_alive = false;
        }
    }
}
