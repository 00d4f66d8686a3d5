//! The store in the process's memory: sessions by what they hold, and slots.

use std::time::{Duration, Instant};

use dashmap::DashSet;

use crate::session::slot::{Claim, Held, Ticket};
use crate::session::{Head, Memory};

/// For one process alone.
#[derive(Debug)]
pub struct Local {
    sessions: Memory,
    slots: Memory<Held>,
    /// Slots in use; as many as there are turns.
    in_use: DashSet<Head>,
}

impl Local {
    /// An empty store that forgets after `ttl`, and keeps `capacity` sessions (and as many slots) at the most.
    pub fn new(ttl: Duration, capacity: usize) -> Self {
        let sessions = Memory::new(ttl, capacity);
        Self { sessions, slots: Memory::new(ttl, capacity), in_use: DashSet::new() }
    }

    /// Sessions by what they hold.
    pub fn sessions(&self) -> &Memory {
        &self.sessions
    }

    /// Forgets what has expired.
    pub fn sweep(&self, now: Instant) {
        self.sessions.sweep(now);
        self.slots.sweep(now);
    }

    /// How many sessions are kept.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.slots.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn claim(&self, slot: Head, now: Instant) -> Claim {
        if self.in_use.insert(slot) {
            // It stays there: whoever else asks for it is told that it is in use.
            let held = self.slots.take(slot, now);
            if let Some(held) = &held {
                self.slots.put(slot, held.clone(), now);
            }
            Claim::Yours(held, Ticket::ONLY)
        } else {
            Claim::Busy
        }
    }

    pub(super) fn release(&self, slot: Head, held: Option<Held>, now: Instant) {
        self.name(slot, held, now);
        self.in_use.remove(&slot);
    }

    pub(super) fn name(&self, slot: Head, held: Option<Held>, now: Instant) {
        self.slots.take(slot, now);
        if let Some(held) = held {
            self.slots.put(slot, held, now);
        }
    }
}
