//! The archive in the process's memory: bounded by bytes and by age.
//!
//! A map of entries, and beside it the order in which they were last used. All of them may be left alone for equally long,
//! so that order is also the order in which they expire and in which they are evicted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::archive::entry::{ENTRY_BYTES, ITEM_BYTES, POINTER_BYTES, bytes_of};
use crate::archive::{Conversation, Failed, Head, Item, Owner, Record, Removed, Size};
use crate::ids::{ConversationId, ResponseId};

/// Responses and conversations of one process.
#[derive(Debug)]
pub struct Memory {
    /// One lock for all: whoever has it moves pointers, and no texts.
    shelf: Mutex<Shelf>,
    ttl: Duration,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<Key, Entry>,
    /// By the number of the last use.
    order: BTreeMap<u64, Key>,
    next_use: u64,
    /// How many entries have an item, by its place: it takes its bytes once.
    holders: HashMap<usize, usize>,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(Owner, Id);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    Response(ResponseId),
    Conversation(ConversationId),
}

#[derive(Debug)]
struct Entry {
    value: Value,
    used: u64,
    expires: Instant,
}

#[derive(Clone, Debug)]
enum Value {
    Record(Arc<Record>),
    Conversation(Conversation),
}

impl Memory {
    /// An empty store that forgets what nobody has used for `ttl`, and keeps `max_bytes` at the most.
    pub fn new(ttl: Duration, max_bytes: usize) -> Self {
        Self { shelf: Mutex::default(), ttl, max_bytes }
    }

    pub(super) fn keep(&self, owner: Owner, record: Record, now: Instant) -> Result<(), Failed> {
        let key = Key(owner, Id::Response(record.id.clone()));
        self.put(key, Value::Record(Arc::new(record)), now)
    }

    pub(super) fn record(&self, owner: Owner, id: &ResponseId, now: Instant) -> Option<Arc<Record>> {
        let mut kept = self.lock();
        match kept.touch(&response(owner, id), now, self.ttl)? {
            Value::Record(record) => Some(Arc::clone(record)),
            Value::Conversation(_) => None,
        }
    }

    pub(super) fn forget(&self, owner: Owner, id: &ResponseId, now: Instant) -> bool {
        self.remove(&response(owner, id), now)
    }

    pub(super) fn create(&self, owner: Owner, new: Conversation, now: Instant) -> Result<(), Failed> {
        let key = conversation(owner, &new.id);
        self.put(key, Value::Conversation(new), now)
    }

    pub(super) fn conversation(
        &self,
        owner: Owner,
        id: &ConversationId,
        now: Instant,
    ) -> Option<Conversation> {
        let mut kept = self.lock();
        kept.touch(&conversation(owner, id), now, self.ttl)?.as_conversation().cloned()
    }

    pub(super) fn describe(
        &self,
        owner: Owner,
        id: &ConversationId,
        metadata: &str,
        max_entry: usize,
        now: Instant,
    ) -> Result<Option<Head>, Failed> {
        self.change(owner, id, now, |changed| {
            metadata.clone_into(&mut changed.head.metadata);
            if changed.bytes() > max_entry { Err(Failed::TooLarge) } else { Ok(()) }
        })
    }

    pub(super) fn append(
        &self,
        owner: Owner,
        id: &ConversationId,
        items: &[Item],
        max_entry: usize,
        now: Instant,
    ) -> Result<Option<Head>, Failed> {
        self.change(owner, id, now, |changed| {
            if changed.bytes() + bytes_of(items) > max_entry {
                return Err(Failed::TooLarge);
            }
            changed.items.extend_from_slice(items);
            Ok(())
        })
    }

    pub(super) fn remove_item(&self, owner: Owner, id: &ConversationId, item: &str, now: Instant) -> Removed {
        let mut is_there = false;
        let changed = self.change(owner, id, now, |changed| {
            if let Some(at) = changed.items.iter().position(|other| other.id() == item) {
                changed.items.remove(at);
                is_there = true;
            }
            Ok(())
        });
        match changed {
            Ok(Some(head)) if is_there => Removed::Gone(head),
            Ok(Some(_)) => Removed::NoItem,
            Ok(None) | Err(_) => Removed::NoConversation,
        }
    }

    pub(super) fn delete(&self, owner: Owner, id: &ConversationId, now: Instant) -> bool {
        self.remove(&conversation(owner, id), now)
    }

    pub(super) fn sweep(&self, now: Instant) {
        let mut kept = self.lock();
        while kept.oldest().is_some_and(|(_, expires)| expires <= now) {
            kept.evict();
        }
    }

    pub(super) fn size(&self) -> Size {
        let kept = self.lock();
        Size { entries: kept.entries.len(), bytes: kept.bytes }
    }

    fn put(&self, key: Key, value: Value, now: Instant) -> Result<(), Failed> {
        if value.bytes_alone() > self.max_bytes {
            return Err(Failed::TooLarge);
        }
        let mut kept = self.lock();
        kept.take(&key);
        kept.put(key, value, now + self.ttl);
        kept.trim(self.max_bytes);
        Ok(())
    }

    /// Changes a conversation, or leaves it as it is if that fails.
    fn change(
        &self,
        owner: Owner,
        id: &ConversationId,
        now: Instant,
        change: impl FnOnce(&mut Conversation) -> Result<(), Failed>,
    ) -> Result<Option<Head>, Failed> {
        let key = conversation(owner, id);
        let mut kept = self.lock();
        let found = kept.touch(&key, now, self.ttl).and_then(Value::as_conversation);
        let Some(mut changed) = found.cloned() else { return Ok(None) };
        change(&mut changed)?;
        let head = changed.head.clone();
        let value = Value::Conversation(changed);
        if value.bytes_alone() > self.max_bytes {
            return Err(Failed::TooLarge);
        }
        let before = kept.take(&key);
        kept.put(key, value, now + self.ttl);
        kept.trim(self.max_bytes);
        drop(kept);
        drop(before);
        Ok(Some(head))
    }

    fn remove(&self, key: &Key, now: Instant) -> bool {
        self.lock().take(key).is_some_and(|entry| entry.expires > now)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// What is there, used once more.
    fn touch(&mut self, key: &Key, now: Instant, ttl: Duration) -> Option<&Value> {
        let entry = self.entries.get_mut(key).filter(|entry| entry.expires > now)?;
        let key = self.order.remove(&entry.used)?;
        entry.used = self.next_use;
        entry.expires = now + ttl;
        self.order.insert(entry.used, key);
        self.next_use += 1;
        Some(&entry.value)
    }

    fn put(&mut self, key: Key, value: Value, expires: Instant) {
        let used = self.next_use;
        self.next_use += 1;
        self.bytes += value.bytes_of_its_own();
        for item in value.items() {
            let holders = self.holders.entry(item.place()).or_default();
            if *holders == 0 {
                self.bytes += ITEM_BYTES + item.bytes();
            }
            *holders += 1;
        }
        self.order.insert(used, key.clone());
        self.entries.insert(key, Entry { value, used, expires });
    }

    fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.used);
        self.bytes -= entry.value.bytes_of_its_own();
        for item in entry.value.items() {
            let Some(holders) = self.holders.get_mut(&item.place()) else { continue };
            *holders -= 1;
            if *holders == 0 {
                self.holders.remove(&item.place());
                self.bytes -= ITEM_BYTES + item.bytes();
            }
        }
        Some(entry)
    }

    fn oldest(&self) -> Option<(&Key, Instant)> {
        let (_, key) = self.order.first_key_value()?;
        Some((key, self.entries.get(key)?.expires))
    }

    fn evict(&mut self) {
        if let Some((key, _)) = self.oldest() {
            let key = key.clone();
            self.take(&key);
        }
    }

    fn trim(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes && !self.entries.is_empty() {
            self.evict();
        }
    }
}

impl Value {
    fn as_conversation(&self) -> Option<&Conversation> {
        match self {
            Self::Conversation(conversation) => Some(conversation),
            Self::Record(_) => None,
        }
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        let (record, conversation) = match self {
            Self::Record(record) => (Some(record.items()), None),
            Self::Conversation(conversation) => (None, Some(conversation.items.iter())),
        };
        record.into_iter().flatten().chain(conversation.into_iter().flatten())
    }

    /// What it takes beside its items.
    fn bytes_of_its_own(&self) -> usize {
        let text = match self {
            Self::Record(record) => record.response.len(),
            Self::Conversation(conversation) => conversation.head.metadata.len(),
        };
        ENTRY_BYTES + text + POINTER_BYTES * self.items().count()
    }

    /// What it would take if nobody shared its items.
    fn bytes_alone(&self) -> usize {
        self.bytes_of_its_own() + self.items().map(|item| ITEM_BYTES + item.bytes()).sum::<usize>()
    }
}

fn response(owner: Owner, id: &ResponseId) -> Key {
    Key(owner, Id::Response(id.clone()))
}

fn conversation(owner: Owner, id: &ConversationId) -> Key {
    Key(owner, Id::Conversation(id.clone()))
}
