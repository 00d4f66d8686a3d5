//! One turn of a conversation, from the look-up of its session to its settlement.

use std::sync::Arc;
use std::time::Instant;

use crate::chipp;
use crate::ids::ChatSessionId;
use crate::session::slot::{Held, Lease, Naming};
use crate::session::{Head, History, Outcome, Scope, Store, Unavailable};

/// How a request wants its session to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By its history.
    Conversation,
    /// Not at all, but it may be gone on with later (`x-chipp-session: new`).
    Fresh,
    /// Not at all, and it is not kept either.
    Off,
    /// It is the one of its scope and of the messages that it opens with.
    Sticky,
    /// The same, begun anew.
    StickyAnew,
    /// By the id that the client has been told.
    Named(ChatSessionId),
}

/// One turn of a conversation.
#[derive(Debug)]
pub struct Turn {
    store: Arc<Store>,
    mode: Mode,
    /// The hash of the whole request, to go on with the answer.
    history: History,
    /// Under which heads a session may be kept that holds a beginning of it; until it is sought.
    candidates: Vec<(usize, Head)>,
    /// Whether the history has an answer in it, so that there is something to continue.
    has_past: bool,
    taken: Option<Taken>,
    /// Of a sticky or named session: what is claimed, or to be claimed, and how many messages need not be sent then.
    slot: Option<(Head, usize)>,
    lease: Option<Lease>,
    /// Where clients are told the ids of their sessions: what those belong to.
    names: Option<Scope>,
}

#[derive(Debug)]
struct Taken {
    /// Under which it was kept; none for one whose contents nobody knows.
    head: Option<Head>,
    session: ChatSessionId,
    /// How many of the request's messages it holds.
    holds: usize,
    naming: Option<Naming>,
}

impl Turn {
    /// Hashes the history. The session that holds the longest beginning of it is still to be [`sought`](Self::seek);
    /// without that the turn is in a session of its own.
    pub fn begin(store: &Arc<Store>, mode: Mode, scope: &Scope, messages: &[chipp::Message<'_>]) -> Self {
        let (history, candidates) = match mode {
            Mode::Conversation => History::of(scope, messages),
            Mode::Fresh => (History::of(scope, messages).0, Vec::new()),
            Mode::Off | Mode::Sticky | Mode::StickyAnew | Mode::Named(_) => (History::new(scope), Vec::new()),
        };
        let slot = match &mode {
            Mode::Sticky | Mode::StickyAnew => Some(scope.sticky(opening(messages))),
            Mode::Named(session) => Some(scope.named(session)),
            Mode::Conversation | Mode::Fresh | Mode::Off => None,
        };
        Self {
            store: Arc::clone(store),
            slot: slot.map(|slot| (slot, told_before(messages))),
            mode,
            history,
            candidates,
            has_past: messages.iter().any(|message| message.role == chipp::Role::Assistant),
            taken: None,
            lease: None,
            names: None,
        }
    }

    /// The client is told the session's id, and may come back with it.
    #[must_use]
    pub fn exposed(mut self, scope: &Scope) -> Self {
        // A sticky session is not found by its id.
        if !matches!(self.mode, Mode::Off | Mode::Sticky | Mode::StickyAnew) {
            self.names = Some(scope.clone());
        }
        self
    }

    /// Takes the session that holds the longest beginning of the history, if there is one; or waits a little for the
    /// one that the request means.
    ///
    /// # Errors
    /// A session that is meant is in use, or is not there.
    pub async fn seek(&mut self, now: Instant) -> Result<(), Unavailable> {
        if let Some((slot, holds)) = self.slot {
            // Boxed, so that the others do not carry the room that this takes.
            return Box::pin(self.claim(slot, holds, now)).await;
        }
        let candidates = std::mem::take(&mut self.candidates);
        if let Some((place, session)) = self.store.take(&candidates, now).await {
            let names = self.names.as_ref();
            let naming = names.map(|scope| Naming::new(&self.store, scope.named(&session), &session));
            self.taken = candidates.get(place).map(|&(holds, head)| Taken {
                head: Some(head),
                session,
                holds,
                naming,
            });
        }
        Ok(())
    }

    async fn claim(&mut self, slot: Head, holds: usize, now: Instant) -> Result<(), Unavailable> {
        let (mut lease, held) = Lease::claim(&self.store, slot, now).await?;
        let held = match &self.mode {
            Mode::StickyAnew => None,
            Mode::Named(wanted) => {
                let held = held.filter(|held| held.session == *wanted);
                let Some(held) = held else {
                    return Err(if lease.is_known() { Unavailable::Unknown } else { Unavailable::Busy });
                };
                if let Some(head) = held.head {
                    let taken = lease.take_out(held.session.clone(), head, now).await;
                    lease = taken.ok_or(Unavailable::Busy)?;
                }
                Some(held)
            }
            Mode::Sticky | Mode::Conversation | Mode::Fresh | Mode::Off => held,
        };
        self.taken = held.map(|Held { session, head }| Taken { head, session, holds, naming: None });
        self.lease = Some(lease);
        Ok(())
    }

    /// The session to go on with.
    pub fn session(&self) -> Option<&ChatSessionId> {
        self.taken.as_ref().map(|taken| &taken.session)
    }

    /// How many messages at the beginning of the history need not be sent.
    pub fn holds(&self) -> usize {
        self.taken.as_ref().map_or(0, |taken| taken.holds)
    }

    /// Whether a session is kept at all.
    pub fn is_kept(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether it is in a session that is its scope's only one, or the one that the client named.
    pub fn is_claimed(&self) -> bool {
        self.lease.is_some() && self.taken.is_some()
    }

    /// What is to be said of it.
    pub fn outcome(&self) -> Outcome {
        match (&self.mode, &self.taken) {
            (Mode::Off, _) => Outcome::Stateless,
            (_, Some(_)) => Outcome::Continued,
            (Mode::Conversation | Mode::Sticky | Mode::Named(_), None) if self.has_past => Outcome::Replayed,
            (_, None) => Outcome::New,
        }
    }

    /// Gives the session up: Chipp has forgotten it, so the history will be replayed into a new one.
    pub fn forget(&mut self) {
        self.taken = None;
        if let Some(lease) = &mut self.lease {
            lease.fallback = None;
        }
    }

    /// Chipp cannot have seen the turn: the session is as it was.
    #[must_use]
    pub fn untouched(self) -> Keep {
        let mut keep = Keep::nothing(self.store);
        let Some(Taken { head, session, naming, .. }) = self.taken else {
            // The lease, if there is one, leaves the slot as it was.
            return keep;
        };
        if let Some(naming) = naming {
            naming.settled();
        }
        keep.slot = self.lease.map(|lease| (lease, Some(Held { session: session.clone(), head })));
        keep.session = head.map(|head| (head, session));
        keep
    }

    /// Chipp holds the turn: `answer` is what it said, and what the client was given.
    ///
    /// `named` is the session that the reply named; without a name, a session that was gone on with is taken at its word.
    /// An empty answer settles nothing: what Chipp wrote into the session for it is unknown.
    #[must_use]
    pub fn complete(mut self, named: Option<ChatSessionId>, answer: &str) -> Keep {
        if self.lease.is_some() || answer.trim_end().is_empty() {
            return self.doubt(named);
        }
        let (session, naming) = self.taken.map_or((None, None), |taken| (Some(taken.session), taken.naming));
        let mut keep = Keep::nothing(self.store);
        let Some(session) = named.or(session).filter(|_| self.mode != Mode::Off) else {
            return keep;
        };
        if let Some(naming) = naming {
            naming.settled();
        }
        self.history.push(chipp::Role::Assistant, answer);
        let head = self.history.head();
        keep.name = self
            .names
            .map(|scope| (scope.named(&session), Held { session: session.clone(), head: Some(head) }));
        keep.session = Some((head, session));
        keep
    }

    /// Chipp holds something else than the client has, or nobody knows what: the session is not gone on with, unless
    /// it is one of those that are kept in any case.
    #[must_use]
    pub fn doubt(self, named: Option<ChatSessionId>) -> Keep {
        let mut keep = Keep::nothing(self.store);
        let session = named.or(self.taken.map(|taken| taken.session));
        let Some(session) = session.filter(|_| self.mode != Mode::Off) else {
            return keep;
        };
        let held = Held { session, head: None };
        match (self.lease, self.names, &self.mode) {
            // Chipp had forgotten the one that the client named, and began another.
            (Some(lease), Some(scope), Mode::Named(wanted)) if *wanted != held.session => {
                keep.slot = Some((lease, None));
                keep.name = Some((scope.named(&held.session), held));
            }
            (Some(lease), ..) => keep.slot = Some((lease, Some(held))),
            (None, Some(scope), _) => keep.name = Some((scope.named(&held.session), held)),
            (None, None, _) => {}
        }
        keep
    }
}

/// The messages that a conversation opens with, before anybody has said something.
fn opening<'a, 'm>(messages: &'a [chipp::Message<'m>]) -> &'a [chipp::Message<'m>] {
    let length = messages.iter().take_while(|message| message.role == chipp::Role::System).count();
    messages.get(..length).unwrap_or_default()
}

/// How many messages a session that goes on holds for sure: those up to the last answer, and the opening. Something is
/// always left to say.
fn told_before(messages: &[chipp::Message<'_>]) -> usize {
    let answered = messages.iter().rposition(|message| message.role == chipp::Role::Assistant);
    let told = answered.map_or(0, |last| last + 1).max(opening(messages).len());
    told.min(messages.len().saturating_sub(1))
}

/// How a turn was settled: what is to be put away. Much smaller than the turn, whose hashes are large.
#[derive(Debug)]
pub struct Keep {
    store: Arc<Store>,
    /// Under the head of what it holds.
    session: Option<(Head, ChatSessionId)>,
    /// The claim that ends, and what the slot names from now on.
    slot: Option<(Lease, Option<Held>)>,
    /// The slot by which a client may come back, and what it names.
    name: Option<(Head, Held)>,
}

impl Keep {
    fn nothing(store: Arc<Store>) -> Self {
        Self { store, session: None, slot: None, name: None }
    }

    /// Puts the session away, if one is kept; also if the client leaves meanwhile.
    pub async fn put(self, now: Instant) {
        if self.session.is_none() && self.slot.is_none() && self.name.is_none() {
            return;
        }
        let store = Arc::clone(&self.store);
        store.to_the_end(self.put_all(now)).await;
    }

    async fn put_all(self, now: Instant) {
        if let Some((head, session)) = self.session {
            self.store.put(head, session, now).await;
        }
        if self.slot.is_some() || self.name.is_some() {
            Box::pin(put_slots(&self.store, self.slot, self.name, now)).await;
        }
    }
}

async fn put_slots(
    store: &Store,
    slot: Option<(Lease, Option<Held>)>,
    name: Option<(Head, Held)>,
    now: Instant,
) {
    if let Some((slot, held)) = name {
        store.name(slot, held, now).await;
    }
    if let Some((lease, held)) = slot {
        lease.release(held, now).await;
    }
}
