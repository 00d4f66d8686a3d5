//! The arithmetic of quotas. Pure: the moment is passed in, in nanoseconds since some beginning. `remote.lua` has the same
//! for Redis, which counts in microseconds.
//!
//! Requests and tokens are counted in windows that begin with their first use: in a minute no more than a minute's pass,
//! however they come, and what a request turns out not to have used can be taken back exactly. Requests of which only a
//! `burst` may come at once flow as well: one more passes after each share of the minute (GCRA, which is governor's; the
//! state is kept here, so that it can be forgotten and given back).

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::direct::NotKeyed;

/// A moment: nanoseconds since the beginning of the counting.
pub(super) type Moment = u64;

/// In nanoseconds.
pub(super) const MICROSECOND: u64 = 1000;

/// So many in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// How many.
    pub(super) limit: NonZeroU32,
    /// In how many nanoseconds.
    pub(super) period: u64,
}

/// How requests flow that have a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many may come at once.
    pub(super) burst: NonZeroU32,
    /// The nanoseconds after which one more may come.
    pub(super) interval: u64,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// How many would pass at once.
    pub(super) remaining: u32,
    /// Nanoseconds until the quota is whole again.
    pub(super) reset: u64,
}

impl Pace {
    /// Evenly through the quota's period. The interval is rounded up, to the microseconds of Redis' clock: rather too few
    /// than too many.
    pub(super) fn of(quota: Quota, burst: NonZeroU32) -> Self {
        let interval = quota.period.div_ceil(u64::from(quota.limit.get())).next_multiple_of(MICROSECOND);
        Self { burst, interval }
    }
}

/// Requests as they flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// When all has flowed back (the "theoretical arrival time").
    whole: Moment,
}

impl Flow {
    /// One that is whole at this moment.
    pub(super) fn whole_at(whole: Moment) -> Self {
        Self { whole }
    }

    /// Takes one request, or says after how many nanoseconds one would pass.
    pub(super) fn take(&mut self, pace: Pace, now: Moment) -> Result<(), u64> {
        let interval = Duration::from_nanos(pace.interval);
        // An interval is at least a nanosecond, so there always is a quota of it.
        let Some(shares) = governor::Quota::with_period(interval) else { return Ok(()) };
        let state = State(Cell::new(self.whole.saturating_sub(now)));
        let limiter: RateLimiter<NotKeyed, &State, Still, NoOpMiddleware<Nanos>> =
            RateLimiter::new(shares.allow_burst(pace.burst), &state, Still);
        match limiter.check() {
            Ok(()) => {
                self.whole = now.saturating_add(state.0.get());
                Ok(())
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(Still.now());
                Err(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
            }
        }
    }

    /// Gives a request back that was taken at `taken`: as much of it as time has not given back already. So no more
    /// ever passes than if it had not been taken.
    pub(super) fn give_back(&mut self, pace: Pace, taken: Moment, now: Moment) {
        let left = pace.interval.saturating_sub(now.saturating_sub(taken));
        self.whole = self.whole.saturating_sub(left);
    }

    pub(super) fn level(self, pace: Pace, now: Moment) -> Level {
        let reset = self.whole.saturating_sub(now);
        let missing = u32::try_from(reset.div_ceil(pace.interval)).unwrap_or(u32::MAX);
        Level { remaining: pace.burst.get().saturating_sub(missing), reset }
    }

    /// Whether forgetting it would change nothing.
    pub(super) fn is_idle(self, now: Moment) -> bool {
        self.whole <= now
    }
}

/// Governor's state, as time from now.
struct State(Cell<u64>);

impl StateStore for &State {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = f(Some(Nanos::new(self.0.get())))?;
        self.0.set(next.as_u64());
        Ok(outcome)
    }
}

/// Governor's clock: it always is now.
#[derive(Clone, Copy, Debug)]
struct Still;

impl Clock for Still {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}

/// Requests or tokens in a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    used: u64,
    /// When the window is over, and a new one can begin.
    ends: Moment,
}

impl Window {
    /// One of which so much is used, until it ends.
    pub(super) fn used_until(used: u64, ends: Moment) -> Self {
        Self { used, ends }
    }

    /// Takes so many, at most a whole window's, or says after how many nanoseconds they would pass.
    pub(super) fn take(&mut self, quota: Quota, number: u64, now: Moment) -> Result<(), u64> {
        let held = held(quota, number);
        if self.used_at(now).saturating_add(held) > u64::from(quota.limit.get()) {
            return Err(self.ends.saturating_sub(now));
        }
        self.add(quota, held, now);
        Ok(())
    }

    /// Puts what was really used in the place of the `number` that was taken at `taken`.
    pub(super) fn correct(&mut self, quota: Quota, (taken, number): (Moment, u64), used: u64, now: Moment) {
        let held = held(quota, number);
        if used > held {
            self.add(quota, used - held, now);
        } else if taken.saturating_add(quota.period) >= self.ends {
            // The window is the one that they were taken from.
            self.used = self.used.saturating_sub(held - used);
        }
    }

    pub(super) fn level(&self, quota: Quota, now: Moment) -> Level {
        let used = self.used_at(now);
        let left = u64::from(quota.limit.get()).saturating_sub(used);
        let reset = if used == 0 { 0 } else { self.ends.saturating_sub(now) };
        Level { remaining: u32::try_from(left).unwrap_or(u32::MAX), reset }
    }

    /// Whether forgetting it would change nothing.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        self.used_at(now) == 0
    }

    fn used_at(&self, now: Moment) -> u64 {
        if now < self.ends { self.used } else { 0 }
    }

    fn add(&mut self, quota: Quota, number: u64, now: Moment) {
        if now >= self.ends {
            *self = Self { used: 0, ends: now.saturating_add(quota.period) };
        }
        self.used = self.used.saturating_add(number);
    }
}

/// What a request takes of a window: an estimate that is larger than all of it passes when nothing else is in it.
fn held(quota: Quota, number: u64) -> u64 {
    number.min(quota.limit.get().into())
}

#[cfg(test)]
mod tests;
