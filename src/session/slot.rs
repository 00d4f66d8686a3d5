//! Sessions that have a name of their own and serve one turn at a time: those of `sticky`, and those that clients know
//! by their ids.
//!
//! A slot is claimed before a turn and released after it, with the session that it then names. Whoever finds it in
//! use waits a little. What a lease does when it is dropped is said beforehand, so that a client that leaves, or a
//! worker that breaks, leaves nothing in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::ids::ChatSessionId;
use crate::session::{Head, Store};

/// How long a turn waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks.
const POLL: Duration = Duration::from_millis(50);

/// What a slot names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The session.
    pub(super) session: ChatSessionId,
    /// The head under which it is kept, too, if what it holds is known.
    pub(super) head: Option<Head>,
}

/// Why a slot cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Another turn is using the session.
    Busy,
    /// It names no session: there is none of this id, or none of this caller's.
    Unknown,
}

/// What came of a claim.
#[derive(Debug)]
pub(super) enum Claim {
    /// Somebody else has it.
    Busy,
    /// It is the caller's, with what it names.
    Yours(Option<Held>, Ticket),
}

/// By what a store knows who has claimed a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) u64);

impl Ticket {
    /// The store was away: nobody knows of the claim.
    pub(super) const NONE: Self = Self(0);
    /// There is nobody to tell it from.
    pub(super) const ONLY: Self = Self(1);
}

/// Sees to it that a session which clients know by its id can be gone on with by it, when a turn that found it by its
/// history ends in doubt: nobody knows what it holds any more, but it is the client's to decide.
#[derive(Debug)]
pub(super) struct Naming {
    store: Arc<Store>,
    slot: Head,
    session: Option<ChatSessionId>,
}

impl Naming {
    pub(super) fn new(store: &Arc<Store>, slot: Head, session: &ChatSessionId) -> Self {
        Self { store: Arc::clone(store), slot, session: Some(session.clone()) }
    }

    /// The turn was settled in another way.
    pub(super) fn settled(mut self) {
        self.session = None;
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.store.name_later(self.slot, Held { session, head: None });
        }
    }
}

/// A slot that is in use by one turn.
#[derive(Debug)]
pub(super) struct Lease {
    store: Arc<Store>,
    slot: Head,
    ticket: Ticket,
    /// What it names when it is dropped.
    pub(super) fallback: Option<Held>,
    is_released: bool,
    /// Makes the claim last.
    renewal: Option<AbortHandle>,
}

impl Lease {
    /// Claims a slot, and waits a little for it. With what it names.
    pub(super) async fn claim(
        store: &Arc<Store>,
        slot: Head,
        now: Instant,
    ) -> Result<(Self, Option<Held>), Unavailable> {
        let mut waited = Duration::ZERO;
        loop {
            // To its end: if the client leaves before the store has answered, it is a lease all the same, and ends as one.
            let attempt = Self::attempt(Arc::clone(store), slot, now + waited);
            match store.to_the_end(attempt).await.flatten() {
                Some(leased) => return Ok(leased),
                None if waited < PATIENCE => {
                    sleep(POLL).await;
                    waited += POLL;
                }
                None => return Err(Unavailable::Busy),
            }
        }
    }

    /// `None` if somebody else has the slot.
    async fn attempt(store: Arc<Store>, slot: Head, now: Instant) -> Option<(Self, Option<Held>)> {
        let Claim::Yours(held, ticket) = store.claim(slot, now).await else { return None };
        let renewal = store.keep_in_use(slot, ticket);
        let lease = Self { store, slot, ticket, fallback: held.clone(), is_released: false, renewal };
        Some((lease, held))
    }

    /// Takes the session that the slot names out of those under a head, too; `None` if it is not there: whoever has found
    /// it by its history is using it.
    pub(super) async fn take_out(self, session: ChatSessionId, head: Head, now: Instant) -> Option<Self> {
        let store = Arc::clone(&self.store);
        // To its end: the slot must not name a session under a head under which it is not.
        let taking = async move {
            let mut lease = self;
            let is_there = lease.store.take_this(head, &session, now).await;
            is_there.then(|| {
                lease.fallback = Some(Held { session, head: None });
                lease
            })
        };
        store.to_the_end(taking).await.flatten()
    }

    /// Whether the store knows of the claim.
    pub(super) fn is_known(&self) -> bool {
        self.ticket != Ticket::NONE
    }

    /// Ends the claim; the slot names this from now on.
    pub(super) async fn release(mut self, held: Option<Held>, now: Instant) {
        self.is_released = true;
        self.store.release(self.slot, self.ticket, held, now).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
        if !self.is_released {
            self.store.release_later(self.slot, self.ticket, self.fallback.take());
        }
    }
}
