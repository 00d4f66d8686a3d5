//! What the emulator knows: sessions, received requests and gates, behind one lock that is never held
//! across an await.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use super::Options;
use super::record::{Message, Outcome, Received, Session};

/// A session with its times.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) session: Session,
    /// When each message was stored.
    pub(super) times: Vec<SystemTime>,
    pub(super) created: SystemTime,
}

/// How far a gate is open.
#[derive(Debug)]
enum Gate {
    /// For so many pieces.
    For(usize),
    Wide,
}

/// Everything that can be observed.
#[derive(Debug, Default)]
pub struct State {
    requests: VecDeque<Received>,
    /// The number that the next request gets.
    next: usize,
    sessions: HashMap<String, Kept>,
    /// Session ids by age, the oldest first.
    ages: VecDeque<String>,
    gates: HashMap<String, Gate>,
    /// Openings that an unreliable app has refused once.
    refused_once: HashSet<String>,
}

impl State {
    /// All requests that are kept, in the order of their arrival.
    pub fn requests(&self) -> impl DoubleEndedIterator<Item = &Received> + ExactSizeIterator {
        self.requests.iter()
    }

    /// What a session holds.
    pub fn transcript(&self, session: &str) -> Option<&[Message]> {
        self.sessions.get(session).map(|kept| kept.session.messages.as_slice())
    }

    /// All sessions, the oldest first.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.ages.iter().filter_map(|id| self.sessions.get(id)).map(|kept| &kept.session)
    }

    /// A session of any app and key.
    pub(super) fn kept(&self, id: &str) -> Option<&Kept> {
        self.sessions.get(id)
    }

    /// A session, if it belongs to this app and key.
    pub(super) fn session_of(&self, id: &str, app: &str, key: &str) -> Option<&Session> {
        let session = &self.sessions.get(id)?.session;
        (session.app == app && session.key == key).then_some(session)
    }

    /// Opens a session; the oldest goes when there are more than `limit`.
    pub(super) fn open_session(&mut self, app: &str, key: &str, limit: usize) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let session =
            Session { id: id.clone(), app: app.to_owned(), key: key.to_owned(), messages: Vec::new() };
        let kept = Kept { session, times: Vec::new(), created: SystemTime::now() };
        self.sessions.insert(id.clone(), kept);
        self.ages.push_back(id.clone());
        while self.ages.len() > limit {
            if let Some(oldest) = self.ages.pop_front() {
                self.sessions.remove(&oldest);
            }
        }
        id
    }

    /// True the first time, false the second, true again the third.
    pub(super) fn refuses_now(&mut self, opening: String) -> bool {
        if self.refused_once.remove(&opening) {
            return false;
        }
        self.refused_once.insert(opening)
    }

    /// Notes a request and gives it its number; the oldest goes when there are more than `limit`.
    pub(super) fn receive(&mut self, mut received: Received, limit: usize) -> usize {
        let number = self.next;
        self.next += 1;
        received.number = number;
        self.requests.push_back(received);
        while self.requests.len() > limit {
            self.requests.pop_front();
        }
        number
    }

    fn request(&mut self, number: usize) -> Option<&mut Received> {
        let first = self.requests.front()?.number;
        self.requests.get_mut(number.checked_sub(first)?)
    }

    fn store(&mut self, session: &str, messages: impl IntoIterator<Item = Message>) {
        let Some(kept) = self.sessions.get_mut(session) else {
            return;
        };
        kept.session.messages.extend(messages);
        kept.times.resize(kept.session.messages.len(), SystemTime::now());
    }

    fn pass(&mut self, gate: &str) -> bool {
        match self.gates.get_mut(gate) {
            Some(Gate::Wide) => true,
            Some(Gate::For(pieces)) if *pieces > 0 => {
                *pieces -= 1;
                true
            }
            Some(Gate::For(_)) | None => false,
        }
    }
}

/// The state, shared between the serving thread and whoever watches.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    state: Mutex<State>,
    /// Wakes watchers that block.
    changed: Condvar,
    /// Wakes watchers that await, and streams before a gate.
    changed_async: Notify,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        Self { options, state: Mutex::default(), changed: Condvar::new(), changed_async: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test's own closure must not hide what the emulator saw.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody who waits.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        self.changed_async.notify_waiters();
        result
    }

    /// Puts what was sent into its session.
    pub(super) fn begin(&self, session: &str, messages: Vec<Message>) {
        self.change(|state| state.store(session, messages));
    }

    /// Puts the answer into its session; from here on the request counts as ended.
    pub(super) fn store(&self, number: usize, session: &str, answer: Arc<str>, outcome: Outcome) {
        self.change(|state| {
            state.store(session, [Message::new("assistant", answer)]);
            if let Some(request) = state.request(number) {
                request.stored = true;
                request.outcome = outcome;
            }
        });
    }

    /// Notes how a request ended, unless that is known already.
    pub(super) fn settle(&self, number: usize, outcome: Outcome) {
        self.change(|state| {
            if let Some(request) = state.request(number)
                && request.outcome == Outcome::Running
            {
                request.outcome = outcome;
            }
        });
    }

    pub(super) fn clear(&self) {
        self.change(|state| {
            *state = State { next: state.next, ..State::default() };
        });
    }

    pub(super) fn forget_sessions(&self) {
        self.change(|state| {
            state.sessions.clear();
            state.ages.clear();
        });
    }

    pub(super) fn open(&self, gate: &str) {
        self.change(|state| match state.gates.get_mut(gate) {
            Some(Gate::For(pieces)) => *pieces += 1,
            Some(Gate::Wide) => {}
            None => {
                state.gates.insert(gate.to_owned(), Gate::For(1));
            }
        });
    }

    pub(super) fn open_wide(&self, gate: &str) {
        self.change(|state| state.gates.insert(gate.to_owned(), Gate::Wide));
    }

    /// Waits until the gate lets one piece pass.
    pub(super) async fn pass(&self, gate: &str) {
        loop {
            let changed = self.changed_async.notified();
            if self.lock().pass(gate) {
                return;
            }
            changed.await;
        }
    }

    /// Blocks until the condition holds; false when the time is up.
    pub(super) fn wait_for(&self, condition: impl Fn(&State) -> bool, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if condition(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same for async code: the thread stays free for whatever is being tested on it.
    pub(super) async fn until(&self, condition: impl Fn(&State) -> bool, limit: Duration) -> bool {
        let wait = async {
            loop {
                let changed = self.changed_async.notified();
                if condition(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }
}
