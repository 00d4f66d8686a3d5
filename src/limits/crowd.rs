//! Whoever may turn up: users and keys whose names are not known beforehand. Bounded: who makes up names cannot fill
//! the memory.

use std::collections::HashMap;

use crate::limits::account::Account;
use crate::limits::quota::Moment;

/// How many are remembered of each kind. Beyond that the ones not seen for longest go first, and begin anew with whole
/// quotas when they come back; who has a request running stays.
pub(super) const CAPACITY: usize = 100_000;

/// How many make room at a time: looking for the oldest costs a look at all.
const ROOM: usize = CAPACITY / 16;

/// The accounts of a crowd, by digests.
#[derive(Debug, Default)]
pub(super) struct Crowd(HashMap<[u8; 16], Account>);

impl Crowd {
    pub(super) fn find(&self, who: &[u8; 16]) -> Option<&Account> {
        self.0.get(who)
    }

    pub(super) fn find_mut(&mut self, who: &[u8; 16]) -> Option<&mut Account> {
        self.0.get_mut(who)
    }

    /// The account, a new one if there is none yet.
    pub(super) fn open(&mut self, who: [u8; 16], now: Moment) -> &mut Account {
        if self.0.len() >= CAPACITY && !self.0.contains_key(&who) {
            self.make_room(now);
        }
        self.0.entry(who).or_default()
    }

    /// Forgets who has whole quotas and nothing running: nothing is lost by that.
    pub(super) fn sweep(&mut self, now: Moment) {
        self.0.retain(|_, account| !account.is_idle(now));
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn make_room(&mut self, now: Moment) {
        self.sweep(now);
        if self.0.len() + ROOM <= CAPACITY {
            return;
        }
        let mut seen: Vec<Moment> =
            self.0.values().filter(|account| !account.is_in_use()).map(|account| account.seen).collect();
        let last = ROOM.min(seen.len()).saturating_sub(1);
        if seen.is_empty() {
            return;
        }
        let (_, oldest, _) = seen.select_nth_unstable(last);
        let oldest = *oldest;
        self.0.retain(|_, account| account.seen > oldest || account.is_in_use());
    }
}
