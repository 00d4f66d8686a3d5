//! The breaker of one app: after too many failures in a row it is left alone for a while, then one request sees
//! whether it is back. In a row, since a busy app fails now and then and is in order all the same. Pure, with the clock handed in; [`Breakers`] puts it behind a lock that an app in order never takes.
//!
//! A failure is: no connection, no answer in time, 5xx, something that is no answer. 4xx is none: the app is there,
//! and does not like the request. 429 is none either: it tells one key to slow down, and has a wait of its own; to
//! refuse everybody for it would make a full stop of a brake.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config;
use crate::ids::AppId;

/// What those wait who come while a request sees whether the app is back.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// One request, to see.
    HalfOpen,
    /// Nothing.
    Open,
}

impl State {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// As a number, for a metric: the less passes, the higher.
    pub const fn level(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    settings: config::Breaker,
    state: Inner,
}

#[derive(Debug)]
enum Inner {
    /// With the times of the failures since the last success, fewer than would open it.
    Closed(VecDeque<Instant>),
    /// With the time from which on one may see.
    Open { until: Instant },
    /// One sees. If nothing comes of that, another may from `next` on; `None` = at once, since it went away.
    HalfOpen { next: Option<Instant> },
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Pass,
    /// It may, to see whether the app is back.
    Probe,
    /// It may not, and nobody for so long.
    Refused(Duration),
}

impl Machine {
    /// Closed.
    pub fn new(settings: config::Breaker) -> Self {
        Self { settings, state: Inner::Closed(VecDeque::new()) }
    }

    /// What it lets through at the moment.
    pub fn state(&self) -> State {
        match self.state {
            Inner::Closed(_) => State::Closed,
            Inner::Open { .. } => State::Open,
            Inner::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// May a request pass?
    pub fn admit(&mut self, now: Instant) -> Admission {
        let from = match self.state {
            Inner::Closed(_) => return Admission::Pass,
            Inner::Open { until } => until,
            Inner::HalfOpen { next } => next.unwrap_or(now),
        };
        let wait = from.saturating_duration_since(now);
        if wait.is_zero() {
            self.state = Inner::HalfOpen { next: Some(now + self.settings.cooldown) };
            return Admission::Probe;
        }
        Admission::Refused(match self.state {
            Inner::HalfOpen { .. } => wait.min(WHILE_PROBING),
            Inner::Open { .. } | Inner::Closed(_) => wait,
        })
    }

    /// An ordinary request failed. What was sent before it opened changes nothing any more.
    pub fn failed(&mut self, now: Instant) {
        let (Inner::Closed(failures), Some(limit)) = (&mut self.state, self.settings.failures) else {
            return;
        };
        let window = self.settings.window;
        failures.retain(|at| now.saturating_duration_since(*at) < window);
        failures.push_back(now);
        if failures.len() >= usize::try_from(limit.get()).unwrap_or(usize::MAX) {
            self.state = Inner::Open { until: now + self.settings.cooldown };
        }
    }

    /// An ordinary request got an answer. What was sent before it opened changes nothing any more.
    pub fn succeeded(&mut self) {
        if let Inner::Closed(failures) = &mut self.state {
            failures.clear();
        }
    }

    /// Whether it lets everything through, and has no failure to remember.
    pub fn is_quiet(&self) -> bool {
        matches!(&self.state, Inner::Closed(failures) if failures.is_empty())
    }

    /// The one that was to see got an answer: the app is back.
    pub fn probe_succeeded(&mut self) {
        if let Inner::HalfOpen { .. } = self.state {
            self.state = Inner::Closed(VecDeque::new());
        }
    }

    /// The one that was to see failed.
    pub fn probe_failed(&mut self, now: Instant) {
        if let Inner::HalfOpen { .. } = self.state {
            self.state = Inner::Open { until: now + self.settings.cooldown };
        }
    }

    /// Goes on by other settings.
    pub fn renew(&mut self, settings: config::Breaker) {
        self.settings = settings;
    }

    /// The one that was to see went away without an answer: the next may.
    pub fn probe_left(&mut self) {
        if let Inner::HalfOpen { next } = &mut self.state {
            *next = None;
        }
    }
}

/// The breakers of all apps, for all workers.
#[derive(Debug)]
pub struct Breakers(HashMap<AppId, Arc<Breaker>>);

#[derive(Debug)]
struct Breaker {
    /// What the app is called towards people: the first alias that leads to it.
    alias: Arc<str>,
    core: Arc<Core>,
}

/// What stays when an app gets another first alias.
#[derive(Debug)]
struct Core {
    /// As the machine says. Read without the lock: whoever is late by a moment is let through, or refused, once more.
    is_closed: AtomicBool,
    /// The same, of whether a success would change anything.
    is_quiet: AtomicBool,
    machine: Mutex<Machine>,
}

/// That a breaker has changed its mind.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whose.
    pub alias: Arc<str>,
    /// To this.
    pub to: State,
}

/// The leave to call an app once, to be given back with what came of it. Dropping it says that nobody knows.
#[derive(Debug)]
pub struct Permit {
    breaker: Option<Arc<Breaker>>,
    is_probe: bool,
}

impl Breakers {
    /// One for each app: aliases of one app share it.
    pub fn new<'a>(settings: config::Breaker, apps: impl Iterator<Item = (&'a AppId, &'a Arc<str>)>) -> Self {
        Self(HashMap::new()).renewed(settings, apps)
    }

    /// For a new configuration: apps that stay keep what is known of them.
    #[must_use]
    pub fn renewed<'a>(
        &self,
        settings: config::Breaker,
        apps: impl Iterator<Item = (&'a AppId, &'a Arc<str>)>,
    ) -> Self {
        let mut breakers = HashMap::new();
        for (app, alias) in apps.filter(|_| settings.failures.is_some()) {
            breakers.entry(app.clone()).or_insert_with(|| {
                let known = self.0.get(app).map(|breaker| Arc::clone(&breaker.core));
                let core = known.unwrap_or_else(|| Arc::new(Core::new(settings)));
                let breaker = Breaker { alias: Arc::clone(alias), core };
                breaker.change(|machine| machine.renew(settings));
                Arc::new(breaker)
            });
        }
        Self(breakers)
    }

    /// What the apps are called.
    pub fn aliases(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.values().map(|breaker| &breaker.alias)
    }

    /// Whether the app is in order, as far as is known.
    pub fn is_closed(&self, app: &AppId) -> bool {
        self.0.get(app).is_none_or(|breaker| breaker.core.is_closed.load(Ordering::Acquire))
    }

    /// May this app be called? Also tells whether that changed anything.
    ///
    /// # Errors
    /// It may not, for so long.
    pub fn admit(&self, app: &AppId, now: Instant) -> Result<(Permit, Option<Change>), Duration> {
        let Some(breaker) = self.0.get(app) else {
            return Ok((Permit { breaker: None, is_probe: false }, None));
        };
        let permit = |is_probe| Permit { breaker: Some(Arc::clone(breaker)), is_probe };
        if breaker.core.is_closed.load(Ordering::Acquire) {
            return Ok((permit(false), None));
        }
        let (admission, change) = breaker.change(|machine| machine.admit(now));
        match admission {
            Admission::Pass => Ok((permit(false), change)),
            Admission::Probe => Ok((permit(true), change)),
            Admission::Refused(wait) => Err(wait),
        }
    }
}

impl Core {
    fn new(settings: config::Breaker) -> Self {
        let machine = Mutex::new(Machine::new(settings));
        Self { is_closed: AtomicBool::new(true), is_quiet: AtomicBool::new(true), machine }
    }
}

impl Breaker {
    fn change<T>(&self, with: impl FnOnce(&mut Machine) -> T) -> (T, Option<Change>) {
        let mut machine: MutexGuard<'_, Machine> =
            self.core.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let before = machine.state();
        let result = with(&mut machine);
        let after = machine.state();
        self.core.is_closed.store(after == State::Closed, Ordering::Release);
        self.core.is_quiet.store(machine.is_quiet(), Ordering::Release);
        let change = (before != after).then(|| Change { alias: Arc::clone(&self.alias), to: after });
        (result, change)
    }
}

impl Permit {
    /// The app answered, be it with a refusal.
    pub fn succeeded(mut self) -> Option<Change> {
        let breaker = self.breaker.take()?;
        if self.is_probe {
            return breaker.change(Machine::probe_succeeded).1;
        }
        if breaker.core.is_quiet.load(Ordering::Acquire) {
            None
        } else {
            breaker.change(Machine::succeeded).1
        }
    }

    /// It failed.
    pub fn failed(mut self, now: Instant) -> Option<Change> {
        let breaker = self.breaker.take()?;
        let is_probe = self.is_probe;
        let failed =
            |machine: &mut Machine| if is_probe { machine.probe_failed(now) } else { machine.failed(now) };
        breaker.change(failed).1
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(breaker) = self.breaker.take()
        {
            breaker.change(Machine::probe_left);
        }
    }
}

#[cfg(test)]
mod tests;
