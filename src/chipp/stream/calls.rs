//! The tool calls of the app's that have begun and not ended, as far as a stream shows them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Most calls that are told apart. Beyond, a call counts as open until the round is over.
const MAX_CALLS: usize = 256;

/// Open tool calls, by a hash of their ids.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    ids: HashSet<u64>,
    /// Those without an id.
    unnamed: u32,
    is_full: bool,
}

impl OpenCalls {
    pub(super) fn open(&mut self, id: &str) {
        if id.is_empty() {
            self.unnamed = self.unnamed.saturating_add(1);
        } else if self.ids.len() < MAX_CALLS {
            self.ids.insert(hash(id));
        } else {
            self.is_full = true;
        }
    }

    /// A result without an id is that of one without, or of the only call.
    pub(super) fn close(&mut self, id: &str) {
        if !id.is_empty() {
            self.ids.remove(&hash(id));
        } else if self.unnamed > 0 {
            self.unnamed -= 1;
        } else if self.ids.len() == 1 {
            self.ids.clear();
        }
    }

    /// The next round has begun, so that all calls of the one before have ended.
    pub(super) fn close_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn are_none(&self) -> bool {
        self.ids.is_empty() && self.unnamed == 0 && !self.is_full
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_and_many_stay_open() {
        let mut calls = OpenCalls::default();
        assert!(calls.are_none());
        calls.open("a");
        calls.open("a");
        calls.open("");
        calls.close("a");
        assert!(!calls.are_none());
        calls.open("");
        calls.close("");
        assert!(!calls.are_none(), "one of two");
        calls.close("");
        assert!(calls.are_none());
        calls.open("a");
        calls.open("b");
        calls.close("");
        assert!(!calls.are_none(), "nobody knows which");
        calls.close("a");
        calls.close("");
        assert!(calls.are_none(), "the only one");
        (0..=MAX_CALLS).for_each(|id| calls.open(&id.to_string()));
        (0..=MAX_CALLS).for_each(|id| calls.close(&id.to_string()));
        assert!(!calls.are_none());
        calls.close_all();
        assert!(calls.are_none());
    }
}
