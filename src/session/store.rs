//! Where sessions are kept: in the process, or in Redis.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::ids::ChatSessionId;
use crate::session::slot::{Claim, Held, Ticket};
use crate::session::{Head, Local, Remote};

/// The store of a process.
#[derive(Debug)]
pub enum Store {
    /// For this process alone.
    Memory(Local),
    /// For all replicas.
    Redis(Remote),
}

impl Store {
    /// Takes the youngest session out that is kept under the first of these heads under which there is one: of two
    /// callers only one gets it. With its head's place in the list. A store that is away has none.
    pub async fn take(&self, heads: &[(usize, Head)], now: Instant) -> Option<(usize, ChatSessionId)> {
        match self {
            Self::Memory(local) => {
                let mut places = heads.iter().enumerate();
                places.find_map(|(place, (_, head))| Some((place, local.sessions().take(*head, now)?)))
            }
            // Boxed, so that who keeps sessions in memory does not carry the room that this takes.
            Self::Redis(remote) if !heads.is_empty() => Box::pin(remote.take(heads)).await,
            Self::Redis(_) => None,
        }
    }

    /// Puts a session in, under the head of what it holds. A store that is away drops it.
    pub async fn put(&self, head: Head, session: ChatSessionId, now: Instant) {
        match self {
            Self::Memory(local) => local.sessions().put(head, session, now),
            Self::Redis(remote) => Box::pin(remote.put(head, &session)).await,
        }
    }

    /// Takes one session out of those under a head; false if it is not there.
    pub(super) async fn take_this(&self, head: Head, session: &ChatSessionId, now: Instant) -> bool {
        match self {
            Self::Memory(local) => local.sessions().take_this(head, session, now),
            Self::Redis(remote) => Box::pin(remote.take_this(head, session)).await,
        }
    }

    /// Claims a slot for one turn.
    pub(super) async fn claim(&self, slot: Head, now: Instant) -> Claim {
        match self {
            Self::Memory(local) => local.claim(slot, now),
            Self::Redis(remote) => Box::pin(remote.claim(slot)).await,
        }
    }

    /// Ends a claim; the slot names this from now on.
    pub(super) async fn release(&self, slot: Head, ticket: Ticket, held: Option<Held>, now: Instant) {
        match self {
            Self::Memory(local) => local.release(slot, held, now),
            Self::Redis(remote) => Box::pin(remote.release(slot, ticket, held.as_ref())).await,
        }
    }

    /// The same for who cannot wait.
    pub(super) fn release_later(self: &Arc<Self>, slot: Head, ticket: Ticket, held: Option<Held>) {
        match &**self {
            Self::Memory(local) => local.release(slot, held, Instant::now()),
            Self::Redis(_) => {
                let store = Arc::clone(self);
                spawn(async move { store.release(slot, ticket, held, Instant::now()).await });
            }
        }
    }

    /// A slot that nobody need claim names this from now on.
    pub(super) async fn name(&self, slot: Head, held: Held, now: Instant) {
        match self {
            Self::Memory(local) => local.name(slot, Some(held), now),
            Self::Redis(remote) => Box::pin(remote.name(slot, &held)).await,
        }
    }

    /// The same for who cannot wait.
    pub(super) fn name_later(self: &Arc<Self>, slot: Head, held: Held) {
        match &**self {
            Self::Memory(local) => local.name(slot, Some(held), Instant::now()),
            Self::Redis(_) => {
                let store = Arc::clone(self);
                spawn(async move { store.name(slot, held, Instant::now()).await });
            }
        }
    }

    /// Says of a claim that it lasts, in the background, until that is aborted. In memory it lasts by itself.
    pub(super) fn keep_in_use(self: &Arc<Self>, slot: Head, ticket: Ticket) -> Option<AbortHandle> {
        let (Self::Redis(_), true) = (&**self, ticket != Ticket::NONE) else {
            return None;
        };
        let store = Arc::clone(self);
        spawn(async move {
            if let Self::Redis(remote) = &*store {
                remote.renew(slot, ticket).await;
            }
        })
    }

    /// Does all of what is begun, even if nobody waits for it any more; where that takes time, in a task of its own. `None`
    /// only at the very end of a process.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self {
            Self::Memory(_) => Some(work.await),
            Self::Redis(_) => tokio::spawn(work).await.ok(),
        }
    }

    /// Forgets what has expired in memory; Redis does so by itself.
    pub fn sweep(&self, now: Instant) {
        match self {
            Self::Memory(local) => local.sweep(now),
            Self::Redis(_) => {}
        }
    }

    /// How many sessions are in memory.
    pub fn len_in_memory(&self) -> usize {
        match self {
            Self::Memory(local) => local.len(),
            Self::Redis(_) => 0,
        }
    }
}

/// Runs it on the side, if there is anything to run it on: at the very end of a process there is not.
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
    Handle::try_current().ok().map(|runtime| runtime.spawn(task).abort_handle())
}
