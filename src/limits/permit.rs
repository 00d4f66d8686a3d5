//! The leave to run, and what is owed for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant as Deadline, sleep_until, timeout_at};

use crate::config::OnStoreFailure;
use crate::limits::account::{Spent, Taken};
use crate::limits::local::Slots;
use crate::limits::remote::{Counted, Remote, Ticket, Waits};
use crate::limits::{Cause, Claims, Cost, Denied, Limits, PATIENCE, Refusal, Rule, Standings};
use crate::redis::Down;

/// How often who waits for a place in Redis asks for it, if nobody is before it…
const POLL: Duration = Duration::from_millis(20);

/// …and how much less often for each one who is, up to so many.
const POLL_LESS: Duration = Duration::from_millis(10);
const MOST_BEFORE: u64 = 20;

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
    /// There while Redis is to be told how it ended.
    ticket: Option<Ticket>,
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
        Self {
            limits,
            claims,
            taken,
            owed: Some(Owed::Nothing),
            is_out: false,
            slots: Default::default(),
            ticket: None,
        }
    }

    /// Counts a request in Redis, and waits for its places there. Fails if Redis is away before it has been counted;
    /// after that, `on_failure` says what becomes of it.
    pub(super) async fn shared(
        limits: &Arc<Limits>,
        remote: &Remote,
        claims: Claims,
        cost: Cost,
        on_failure: OnStoreFailure,
    ) -> Result<Result<(Box<Self>, Standings), Refusal>, Down> {
        let ticket = Ticket::random();
        // There before it is counted: if the wait for Redis is given up, its places are.
        let mut permit = Box::new(Self::new(Arc::clone(limits), claims, Taken { at: 0, cost }));
        permit.ticket = Some(ticket);
        let counted = remote.take(&permit.claims, ticket, cost).await;
        let Ok(Ok(Counted { at, standings, waits })) = counted else {
            permit.is_over();
            return counted.map(|denied| Err(denied.err().map_or(Refusal::Unknown, Refusal::Denied)));
        };
        permit.taken.at = at;
        if let Some(waits) = waits
            && let Err(refusal) = permit.wait_in_line(remote, ticket, waits, on_failure).await
        {
            return Ok(Err(refusal));
        }
        Ok(Ok((permit, standings)))
    }

    /// Waits for its places in Redis, for [`PATIENCE`] in all.
    async fn wait_in_line(
        &mut self,
        remote: &Remote,
        ticket: Ticket,
        mut waits: Waits,
        on_failure: OnStoreFailure,
    ) -> Result<(), Refusal> {
        let deadline = Deadline::now() + PATIENCE;
        loop {
            let less = POLL_LESS * u32::try_from(waits.before.min(MOST_BEFORE)).unwrap_or_default();
            let next = Deadline::now() + POLL + less;
            sleep_until(next.min(deadline)).await;
            match remote.enter(&self.claims, ticket, waits).await {
                Ok(None) => return Ok(()),
                Ok(Some(_)) if next >= deadline => return Err(self.busy_in_line(waits).await.into()),
                Ok(Some(now)) => waits = now,
                Err(_) if on_failure == OnStoreFailure::Deny => return Err(Refusal::Unknown),
                Err(_) => {
                    let slots = self.limits.store.slots(&self.claims, self.limits.moment(Instant::now()));
                    return Ok(self.wait_for(slots).await?);
                }
            }
        }
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
            let Some(place) = place else { return Err(self.busy(index).await) };
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

    /// The answer is complete, and has taken so many tokens. With how the limits stand then, if that is known. What is
    /// to be done is done even if nobody waits for it.
    pub async fn settle(mut self: Box<Self>, tokens: u64, now: Instant) -> Option<Standings> {
        self.end(Spent::Tokens(tokens), now).await
    }

    async fn end(&mut self, spent: Spent, now: Instant) -> Option<Standings> {
        self.owed = None;
        match self.ticket.take() {
            None => Some(self.correct(spent, now)),
            Some(ticket) => self.tell(ticket, spent)?.await.ok().flatten(),
        }
    }

    /// Nothing of it is to be settled.
    fn is_over(&mut self) {
        self.owed = None;
        self.ticket = None;
    }

    /// Tells Redis, in a task of its own. At the very end of a process there is nothing to run it on.
    fn tell(&mut self, ticket: Ticket, spent: Spent) -> Option<JoinHandle<Option<Standings>>> {
        let runtime = Handle::try_current().ok()?;
        let (limits, taken) = (Arc::clone(&self.limits), self.taken);
        let claims = std::mem::take(&mut self.claims);
        Some(runtime.spawn(async move {
            let remote = limits.remote.as_ref()?;
            remote.settle(&claims, ticket, taken, spent).await
        }))
    }

    fn owe(&mut self, owed: Owed) {
        self.owed = self.owed.max(Some(owed));
    }

    fn correct(&self, spent: Spent, now: Instant) -> Standings {
        self.limits.store.correct(&self.claims, self.taken, spent, self.limits.moment(now))
    }

    async fn busy_in_line(&mut self, waits: Waits) -> Denied {
        let indices = self.claims.iter().enumerate().filter(|(_, claim)| claim.is_some());
        let index = indices.map(|(index, _)| index).nth(waits.claim).unwrap_or_default();
        self.busy(index).await
    }

    async fn busy(&mut self, index: usize) -> Denied {
        let claim = self.claims.get(index).and_then(Option::as_ref);
        let (rule, limit) = claim.map_or((Rule::All, 0), |claim| {
            (claim.rule(), claim.allowance.concurrent.map_or(0, std::num::NonZero::get))
        });
        let standings = self.end(Spent::Nothing, Instant::now()).await.unwrap_or_default();
        Denied { rule, cause: Cause::Busy { limit }, standings }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let owed = if self.is_out { self.owed.map(|_| Owed::Estimate) } else { self.owed };
        let spent = match owed {
            Some(Owed::Nothing) => Some(Spent::Nothing),
            Some(Owed::Request) => Some(Spent::Tokens(0)),
            Some(Owed::Estimate) | None => None,
        };
        if let Some(ticket) = self.ticket.take() {
            // Redis is told of those, too, that cost what was thought: for their places.
            let spent = spent.unwrap_or(Spent::Tokens(self.taken.cost.total));
            drop(self.tell(ticket, spent));
        } else if let Some(spent) = spent {
            self.correct(spent, Instant::now());
        }
    }
}

/// `None` if the time is over. Those who wait are served in the order in which they came.
async fn wait(semaphore: Arc<Semaphore>, deadline: Deadline) -> Option<OwnedSemaphorePermit> {
    timeout_at(deadline, semaphore.acquire_owned()).await.ok()?.ok()
}
