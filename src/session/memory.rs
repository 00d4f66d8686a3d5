//! The store in the process's memory: bounded by entries and by age.
//!
//! A map from heads to small stacks of sessions, and beside it the order in which they were put in. All sessions
//! live equally long, so that order is also the order in which they expire and in which they are evicted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use crate::ids::ChatSessionId;
use crate::session::Head;

/// How many sessions may be kept under one head (everybody's chat begins with "hi"); the oldest goes first.
pub(super) const MAX_PER_HEAD: usize = 64;

/// Records of sessions that are gone already may outnumber those that are there by this factor before they are cleared out.
const STALE_FACTOR: usize = 2;

/// Records below this number are never cleared out early.
const STALE_FLOOR: usize = 1024;

/// Sessions by head.
#[derive(Debug)]
pub struct Memory<V = ChatSessionId> {
    sessions: DashMap<Head, Vec<Entry<V>>>,
    order: Mutex<VecDeque<Record>>,
    /// Sessions kept at the moment.
    count: AtomicUsize,
    /// Tells an entry from an earlier one under the same head.
    next_number: AtomicU64,
    ttl: Duration,
    capacity: usize,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    expires: Instant,
    session: V,
}

#[derive(Debug)]
struct Record {
    number: u64,
    expires: Instant,
    head: Head,
}

impl<V> Memory<V> {
    /// An empty store that forgets sessions after `ttl`, and keeps `capacity` of them at the most.
    pub fn new(ttl: Duration, capacity: usize) -> Self {
        Self {
            sessions: DashMap::new(),
            order: Mutex::new(VecDeque::new()),
            count: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
            ttl,
            capacity,
        }
    }

    /// How many sessions are kept.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn records(&self) -> usize {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a session out: of two callers only one gets it. The youngest first.
    pub fn take(&self, head: Head, now: Instant) -> Option<V> {
        let mut stack = self.sessions.get_mut(&head)?;
        let taken = stack.pop();
        let is_empty = stack.is_empty();
        drop(stack);
        if is_empty {
            self.sessions.remove_if(&head, |_, stack| stack.is_empty());
        }
        let taken = taken?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        (taken.expires > now).then_some(taken.session)
    }

    /// Puts a session in, under the head of what it holds.
    pub fn put(&self, head: Head, session: V, now: Instant) {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let expires = now + self.ttl;
        let mut stack = self.sessions.entry(head).or_default();
        let displaced = stack.len() >= MAX_PER_HEAD;
        if displaced {
            stack.remove(0);
        }
        stack.push(Entry { number, expires, session });
        drop(stack);
        if !displaced {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.order.lock().unwrap_or_else(PoisonError::into_inner).push_back(Record { number, expires, head });
        self.trim();
    }

    /// Takes one session out of those under a head; false if it is not there.
    pub fn take_this(&self, head: Head, session: &V, now: Instant) -> bool
    where
        V: PartialEq,
    {
        let found = self.sessions.get(&head).and_then(|stack| {
            let entry = stack.iter().find(|entry| entry.session == *session && entry.expires > now)?;
            Some(Record { number: entry.number, expires: entry.expires, head })
        });
        found.is_some_and(|record| self.remove(&record))
    }

    /// Forgets what has expired; to be called now and then.
    pub fn sweep(&self, now: Instant) {
        while let Some(record) = self.pop_order(|record| record.expires <= now) {
            self.remove(&record);
        }
    }

    /// Holds the store to its capacity, and the order to what is there.
    fn trim(&self) {
        // Held until the last one is gone: two who trim at once would each see one too many, and evict two. Nobody
        // who holds a shard of the map asks for the order, so that neither waits for the other.
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        while self.len() > self.capacity {
            let Some(record) = order.pop_front() else {
                break;
            };
            self.remove(&record);
        }
        let records = order.len();
        drop(order);
        if records > STALE_FLOOR + STALE_FACTOR * self.len() {
            self.clear_stale();
        }
    }

    fn pop_order(&self, when: impl FnOnce(&Record) -> bool) -> Option<Record> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if when(order.front()?) { order.pop_front() } else { None }
    }

    /// Whether it was still there.
    fn remove(&self, record: &Record) -> bool {
        let Some(mut stack) = self.sessions.get_mut(&record.head) else {
            return false;
        };
        let before = stack.len();
        stack.retain(|entry| entry.number != record.number);
        let removed = before - stack.len();
        let is_empty = stack.is_empty();
        drop(stack);
        if is_empty {
            self.sessions.remove_if(&record.head, |_, stack| stack.is_empty());
        }
        self.count.fetch_sub(removed, Ordering::Relaxed);
        removed > 0
    }

    /// Drops the records of sessions that were taken out meanwhile: each turn leaves one behind.
    fn clear_stale(&self) {
        let records = std::mem::take(&mut *self.order.lock().unwrap_or_else(PoisonError::into_inner));
        let mut kept: VecDeque<Record> = records
            .into_iter()
            .filter(|record| {
                let stack = self.sessions.get(&record.head);
                stack.is_some_and(|stack| stack.iter().any(|entry| entry.number == record.number))
            })
            .collect();
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // What came in meanwhile is younger.
        kept.append(&mut order);
        *order = kept;
    }
}
