//! Where sessions are kept: in the process, or in Redis.

use std::time::Instant;

use crate::ids::ChatSessionId;
use crate::session::{Head, Memory, Remote};

/// The store of a process.
#[derive(Debug)]
pub enum Store {
    /// For this process alone.
    Memory(Memory),
    /// For all replicas.
    Redis(Remote),
}

impl Store {
    /// Takes the youngest session out that is kept under the first of these heads under which there is one: of two
    /// callers only one gets it. With its head's place in the list. A store that is away has none.
    pub async fn take(&self, heads: &[(usize, Head)], now: Instant) -> Option<(usize, ChatSessionId)> {
        match self {
            Self::Memory(memory) => {
                let mut places = heads.iter().enumerate();
                places.find_map(|(place, (_, head))| Some((place, memory.take(*head, now)?)))
            }
            // Boxed, so that who keeps sessions in memory does not carry the room that this takes.
            Self::Redis(remote) if !heads.is_empty() => Box::pin(remote.take(heads)).await,
            Self::Redis(_) => None,
        }
    }

    /// Puts a session in, under the head of what it holds. A store that is away drops it.
    pub async fn put(&self, head: Head, session: ChatSessionId, now: Instant) {
        match self {
            Self::Memory(memory) => memory.put(head, session, now),
            Self::Redis(remote) => Box::pin(remote.put(head, &session)).await,
        }
    }

    /// Forgets what has expired in memory; Redis does so by itself.
    pub fn sweep(&self, now: Instant) {
        match self {
            Self::Memory(memory) => memory.sweep(now),
            Self::Redis(_) => {}
        }
    }

    /// How many sessions are in memory.
    pub fn len_in_memory(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.len(),
            Self::Redis(_) => 0,
        }
    }
}
