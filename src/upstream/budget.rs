//! How many retries all requests together may have, so that they cannot double the load on a Chipp that is down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request earns a fifth of a retry: when everything fails, the load grows by 20 %.
const REQUESTS_PER_RETRY: u64 = 5;

/// Retries that are there without any requests, so that few clients are served as well as many.
const FREE_RETRIES: u64 = 10;

/// How long it takes until the free ones are there again.
const FREE_EVERY: Duration = Duration::from_secs(10);

/// Retries that can be saved up.
const MAX_SAVED: u64 = 100;

/// The budget of a process. A request costs it one addition; only a retry takes the lock.
#[derive(Debug)]
pub struct Budget {
    /// Since a retry was last asked for.
    requests: AtomicU64,
    bucket: Mutex<Bucket>,
}

impl Budget {
    /// With the free retries in it.
    pub fn new(now: Instant) -> Self {
        Self { requests: AtomicU64::new(0), bucket: Mutex::new(Bucket::new(now)) }
    }

    /// A request has come.
    pub fn earn(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry out, if there is one.
    pub fn spend(&self, now: Instant) -> bool {
        let requests = self.requests.swap(0, Ordering::Relaxed);
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).spend(requests, now)
    }
}

/// A bucket that requests and time fill, and retries empty.
#[derive(Debug)]
struct Bucket {
    /// In fifths of a retry: what one request earns.
    saved: u64,
    filled: Instant,
}

impl Bucket {
    /// With the free retries in it.
    fn new(now: Instant) -> Self {
        Self { saved: FREE_RETRIES * REQUESTS_PER_RETRY, filled: now }
    }

    /// Takes one retry out, if there is one. `requests` is how many have come since it was last asked.
    fn spend(&mut self, requests: u64, now: Instant) -> bool {
        let a_piece = FREE_EVERY / u32::try_from(FREE_RETRIES * REQUESTS_PER_RETRY).unwrap_or(u32::MAX);
        let passed = now.saturating_duration_since(self.filled).as_nanos() / a_piece.as_nanos();
        let pieces = u64::try_from(passed).unwrap_or(u64::MAX).min(FREE_RETRIES * REQUESTS_PER_RETRY);
        if pieces > 0 {
            // What is left of a piece is lost, which is next to nothing.
            self.filled = now;
        }
        let filled = self.saved.saturating_add(requests).saturating_add(pieces);
        self.saved = filled.min(MAX_SAVED * REQUESTS_PER_RETRY);
        match self.saved.checked_sub(REQUESTS_PER_RETRY) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_fifth_of_the_requests_and_a_few_are_free() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let mut spent = |requests, now| {
            let first = usize::from(bucket.spend(requests, now));
            first + (1..200).take_while(|_| bucket.spend(0, now)).count() * first
        };
        assert_eq!(spent(0, start), 10);
        assert_eq!(spent(0, start), 0);
        assert_eq!(spent(50, start), 10);
        assert_eq!(spent(4, start), 0);
        assert_eq!(spent(1, start), 1);
        assert_eq!(spent(0, start + FREE_EVERY / 2), 5);
        assert_eq!(spent(0, start + 2 * FREE_EVERY), 10);
        assert_eq!(spent(1_000_000, start + 2 * FREE_EVERY), 100);
        // A clock that goes backwards fills nothing.
        assert_eq!(spent(0, start), 0);
    }

    #[test]
    fn the_budget_counts_requests_itself() {
        let start = Instant::now();
        let budget = Budget::new(start);
        assert_eq!((0..20).filter(|_| budget.spend(start)).count(), 10);
        (0..10).for_each(|_| budget.earn());
        assert_eq!((0..20).filter(|_| budget.spend(start)).count(), 2);
    }
}
