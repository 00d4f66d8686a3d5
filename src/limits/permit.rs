//! The leave to run, and what is owed for it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant as Deadline, timeout_at};

use crate::limits::account::{Spent, Taken};
use crate::limits::local::Slots;
use crate::limits::{Cause, Claims, Denied, Limits, PATIENCE, Rule, Standings};

/// The leave to run. Dropping it ends that, and settles what was not settled: a request that never went out is given
/// back, one that was turned away costs no tokens, and of which nobody knows the end costs what was thought.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    claims: Claims,
    taken: Taken,
    /// `None` once it is settled.
    owed: Option<Owed>,
    /// Whether a call is out, of which nothing is known yet.
    is_out: bool,
    slots: [Option<OwnedSemaphorePermit>; 4],
}

/// What a call that brought no answer costs; the more the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owed {
    /// Nothing: it never reached anybody.
    Nothing,
    /// A request: it was turned away at once.
    Request,
    /// All that was thought: it may have been worked on.
    Estimate,
}

impl Permit {
    pub(super) fn new(limits: Arc<Limits>, claims: Claims, taken: Taken) -> Self {
        Self { limits, claims, taken, owed: Some(Owed::Nothing), is_out: false, slots: Default::default() }
    }

    /// Waits for a place in every one of these, for [`PATIENCE`] in all, the first who came first.
    pub(super) async fn wait_for(&mut self, slots: Slots) -> Result<(), Denied> {
        let mut deadline = None;
        for (index, semaphore) in slots.into_iter().enumerate() {
            let Some(semaphore) = semaphore else { continue };
            let place = if let Ok(place) = Arc::clone(&semaphore).try_acquire_owned() {
                Some(place)
            } else {
                let deadline = *deadline.get_or_insert_with(|| Deadline::now() + PATIENCE);
                // Apart, since few requests wait: else every request had to have room for it.
                Box::pin(wait(semaphore, deadline)).await
            };
            let Some(place) = place else { return Err(self.busy(index)) };
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = Some(place);
            }
        }
        Ok(())
    }

    /// A call goes out.
    pub fn goes_out(&mut self) {
        if self.is_out {
            self.owe(Owed::Estimate);
        }
        self.is_out = true;
    }

    /// The call that went out brought no answer.
    pub fn came_back(&mut self, owed: Owed) {
        self.is_out = false;
        self.owe(owed);
    }

    /// The answer is complete, and has taken so many tokens. With how the limits stand then.
    pub fn settle(mut self, tokens: u64, now: Instant) -> Standings {
        self.owed = None;
        self.correct(Spent::Tokens(tokens), now)
    }

    fn owe(&mut self, owed: Owed) {
        self.owed = self.owed.max(Some(owed));
    }

    fn correct(&self, spent: Spent, now: Instant) -> Standings {
        self.limits.store.correct(&self.claims, self.taken, spent, self.limits.moment(now))
    }

    fn busy(&mut self, index: usize) -> Denied {
        let claim = self.claims.get(index).and_then(Option::as_ref);
        let (rule, limit) = claim.map_or((Rule::All, 0), |claim| {
            (claim.rule(), claim.allowance.concurrent.map_or(0, std::num::NonZero::get))
        });
        self.owed = None;
        let standings = self.correct(Spent::Nothing, Instant::now());
        Denied { rule, cause: Cause::Busy { limit }, standings }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let owed = if self.is_out { self.owed.map(|_| Owed::Estimate) } else { self.owed };
        match owed {
            Some(Owed::Nothing) => drop(self.correct(Spent::Nothing, Instant::now())),
            Some(Owed::Request) => drop(self.correct(Spent::Tokens(0), Instant::now())),
            Some(Owed::Estimate) | None => {}
        }
    }
}

/// `None` if the time is over. Those who wait are served in the order in which they came.
async fn wait(semaphore: Arc<Semaphore>, deadline: Deadline) -> Option<OwnedSemaphorePermit> {
    timeout_at(deadline, semaphore.acquire_owned()).await.ok()?.ok()
}
