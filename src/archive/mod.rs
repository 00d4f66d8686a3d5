//! What is kept for clients, to be read later: responses, each with the conversation that it ends, and conversations.
//!
//! Everything has an owner. What is another owner's is not there: nobody learns whether such an id exists.
//!
//! What nobody has used for some time is forgotten. In memory everything also shares a number of bytes, and what nobody
//! has used for longest goes first. In Redis, all replicas find it; while that is away nothing can be read, and the
//! callers are told so.
//!
//! Values are JSON texts, which the room does not read.

mod entry;
mod memory;
mod remote;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::ids::{ConversationId, ResponseId};

pub use entry::{Conversation, Head, Item, Owner, Record};
pub use memory::Memory;
pub use remote::Remote;

/// What is kept by a process, or by all replicas.
#[derive(Debug)]
pub struct Archive {
    store: Store,
    /// Most bytes of one entry.
    max_entry: usize,
    failed_reads: AtomicU64,
    failed_writes: AtomicU64,
}

/// Where it is kept.
#[derive(Debug)]
pub enum Store {
    /// In the process.
    Memory(Memory),
    /// In Redis.
    Redis(Remote),
}

/// Why something was not kept, or could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// One entry would have more bytes than it may.
    #[error("the entry is too large")]
    TooLarge,
    /// The store is away, or holds something that nobody understands.
    #[error("the store is away")]
    Unavailable,
}

/// How often the store failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// When something was looked up.
    pub reads: u64,
    /// When something was kept, changed, or deleted.
    pub writes: u64,
}

/// How much is in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Responses and conversations.
    pub entries: usize,
    /// What they take, about.
    pub bytes: usize,
}

impl Archive {
    /// An archive over a store, none of whose entries has more than `max_entry` bytes.
    pub fn new(store: Store, max_entry: usize) -> Self {
        Self { store, max_entry, failed_reads: AtomicU64::new(0), failed_writes: AtomicU64::new(0) }
    }

    /// Keeps a response.
    ///
    /// # Errors
    /// It is too large, or the store is away.
    pub async fn keep(&self, owner: Owner, record: Record, now: Instant) -> Result<(), Failed> {
        if record.bytes() > self.max_entry {
            return Err(Failed::TooLarge);
        }
        let kept = match &self.store {
            Store::Memory(memory) => memory.keep(owner, record, now),
            // Boxed, so that who keeps things in memory does not carry the room that this takes.
            Store::Redis(remote) => Box::pin(remote.keep(owner, &record)).await,
        };
        self.written(kept)
    }

    /// The response of an id, if it is this owner's.
    ///
    /// # Errors
    /// The store is away.
    pub async fn record(
        &self,
        owner: Owner,
        id: &ResponseId,
        now: Instant,
    ) -> Result<Option<Arc<Record>>, Failed> {
        let read = match &self.store {
            Store::Memory(memory) => Ok(memory.record(owner, id, now)),
            Store::Redis(remote) => Box::pin(remote.record(owner, id)).await.map(|found| found.map(Arc::new)),
        };
        self.read(read)
    }

    /// Deletes a response; false if there is none. Those that go on from it stay as they are.
    ///
    /// # Errors
    /// The store is away.
    pub async fn forget(&self, owner: Owner, id: &ResponseId, now: Instant) -> Result<bool, Failed> {
        let forgotten = match &self.store {
            Store::Memory(memory) => Ok(memory.forget(owner, id, now)),
            Store::Redis(remote) => Box::pin(remote.forget(owner, id)).await,
        };
        self.written(forgotten)
    }

    /// Keeps a new conversation.
    ///
    /// # Errors
    /// It is too large, or the store is away.
    pub async fn create(&self, owner: Owner, new: Conversation, now: Instant) -> Result<(), Failed> {
        if new.bytes() > self.max_entry {
            return Err(Failed::TooLarge);
        }
        let created = match &self.store {
            Store::Memory(memory) => memory.create(owner, new, now),
            Store::Redis(remote) => Box::pin(remote.create(owner, &new)).await,
        };
        self.written(created)
    }

    /// The conversation of an id, with all of its items, if it is this owner's.
    ///
    /// # Errors
    /// The store is away.
    pub async fn conversation(
        &self,
        owner: Owner,
        id: &ConversationId,
        now: Instant,
    ) -> Result<Option<Conversation>, Failed> {
        let read = match &self.store {
            Store::Memory(memory) => Ok(memory.conversation(owner, id, now)),
            Store::Redis(remote) => Box::pin(remote.conversation(owner, id)).await,
        };
        self.read(read)
    }

    /// Gives a conversation other metadata, and tells what it is then; `None` if there is no such conversation.
    ///
    /// # Errors
    /// It would be too large, or the store is away.
    pub async fn describe(
        &self,
        owner: Owner,
        id: &ConversationId,
        metadata: &str,
        now: Instant,
    ) -> Result<Option<Head>, Failed> {
        if metadata.len() > self.max_entry {
            return Err(Failed::TooLarge);
        }
        let described = match &self.store {
            Store::Memory(memory) => memory.describe(owner, id, metadata, self.max_entry, now),
            Store::Redis(remote) => Box::pin(remote.describe(owner, id, metadata, self.max_entry)).await,
        };
        self.written(described)
    }

    /// Puts items behind those of a conversation, all of them or none; `None` if there is no such conversation. Who
    /// appends at the same time comes before or after, and not in between.
    ///
    /// # Errors
    /// It would be too large, or the store is away.
    pub async fn append(
        &self,
        owner: Owner,
        id: &ConversationId,
        items: &[Item],
        now: Instant,
    ) -> Result<Option<Head>, Failed> {
        let appended = match &self.store {
            Store::Memory(memory) => memory.append(owner, id, items, self.max_entry, now),
            Store::Redis(remote) => Box::pin(remote.append(owner, id, items, self.max_entry)).await,
        };
        self.written(appended)
    }

    /// Deletes an item of a conversation.
    ///
    /// # Errors
    /// The store is away.
    pub async fn remove_item(
        &self,
        owner: Owner,
        id: &ConversationId,
        item: &str,
        now: Instant,
    ) -> Result<Removed, Failed> {
        let removed = match &self.store {
            Store::Memory(memory) => Ok(memory.remove_item(owner, id, item, now)),
            Store::Redis(remote) => Box::pin(remote.remove_item(owner, id, item)).await,
        };
        self.written(removed)
    }

    /// Deletes a conversation with its items; false if there is none. Responses that belong to it stay.
    ///
    /// # Errors
    /// The store is away.
    pub async fn delete(&self, owner: Owner, id: &ConversationId, now: Instant) -> Result<bool, Failed> {
        let deleted = match &self.store {
            Store::Memory(memory) => Ok(memory.delete(owner, id, now)),
            Store::Redis(remote) => Box::pin(remote.delete(owner, id)).await,
        };
        self.written(deleted)
    }

    /// Forgets what is too old in memory; to be called now and then. Redis does so by itself.
    pub fn sweep(&self, now: Instant) {
        if let Store::Memory(memory) = &self.store {
            memory.sweep(now);
        }
    }

    /// How much is in memory; `None` if it is kept elsewhere.
    pub fn size(&self) -> Option<Size> {
        match &self.store {
            Store::Memory(memory) => Some(memory.size()),
            Store::Redis(_) => None,
        }
    }

    /// How often the store has failed so far.
    pub fn failures(&self) -> Failures {
        Failures {
            reads: self.failed_reads.load(Ordering::Relaxed),
            writes: self.failed_writes.load(Ordering::Relaxed),
        }
    }

    fn read<T>(&self, result: Result<T, Failed>) -> Result<T, Failed> {
        counted(result, &self.failed_reads)
    }

    fn written<T>(&self, result: Result<T, Failed>) -> Result<T, Failed> {
        counted(result, &self.failed_writes)
    }
}

/// What became of an item that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone; what the conversation is now.
    Gone(Head),
    /// The conversation has no such item.
    NoItem,
    /// There is no such conversation.
    NoConversation,
}

fn counted<T>(result: Result<T, Failed>, failures: &AtomicU64) -> Result<T, Failed> {
    if matches!(result, Err(Failed::Unavailable)) {
        failures.fetch_add(1, Ordering::Relaxed);
    }
    result
}
