//! What one key, user or alias has used, and what of it is left.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::allowance::Allowance;
use crate::limits::quota::{Flow, Level, MICROSECOND, Moment, Pace, Quota, Window};
use crate::limits::{Cost, Standing, Standings, Unit};

const MINUTE: u64 = 60_000_000_000;
const DAY: u64 = 1440 * MINUTE;

/// The account of one bearer of limits.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) meters: Meters,
    /// Leaves to run, once there has been a limit to them.
    slots: Option<Arc<Semaphore>>,
    /// How many they are; more than there shall be while requests run that began when there were more.
    size: usize,
    /// When a request last asked for it.
    pub(super) seen: Moment,
}

impl Account {
    /// Its slots, of which there are so many.
    pub(super) fn slots(&mut self, number: NonZeroU32) -> Arc<Semaphore> {
        let number = usize::try_from(number.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let slots = self.slots.get_or_insert_with(|| Arc::new(Semaphore::new(0)));
        if number > self.size {
            slots.add_permits(number - self.size);
            self.size = number;
        } else if number < self.size {
            self.size -= slots.forget_permits(self.size - number);
        }
        Arc::clone(slots)
    }

    /// Whether a request of it runs or waits.
    pub(super) fn is_in_use(&self) -> bool {
        self.slots.as_ref().is_some_and(|slots| Arc::strong_count(slots) > 1)
    }

    /// Whether forgetting it would change nothing.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        self.meters.is_idle(now) && !self.is_in_use()
    }
}

/// What has been used, a minute's and a day's. Small and copied: a trial is made on a copy, and counts if all trials
/// succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meters {
    flow: Flow,
    requests: [Window; 2],
    tokens: [Window; 2],
}

/// How many numbers an account in Redis has.
pub(super) const NUMBERS: usize = 9;

/// A limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) unit: Unit,
    pub(super) limit: u32,
    pub(super) used: u32,
    /// Nanoseconds after which the request would pass.
    pub(super) wait: u64,
}

impl Meters {
    /// From the numbers of an account in Redis: see `remote.lua`.
    pub(super) fn from_micros([flow, windows @ ..]: [u64; NUMBERS]) -> Self {
        let moment = |micros: u64| micros.saturating_mul(MICROSECOND);
        let [minute, day, minute_tokens, day_tokens] = windows.as_chunks().0 else { return Self::default() };
        let window = |[used, ends]: &[u64; 2]| Window::used_until(*used, moment(*ends));
        Self {
            flow: Flow::whole_at(moment(flow)),
            requests: [minute, day].map(window),
            tokens: [minute_tokens, day_tokens].map(window),
        }
    }

    /// Takes a request and its tokens under every limit; or says which one keeps it back for longest, and is of no
    /// use any more.
    pub(super) fn take(&mut self, allowance: &Allowance, cost: Cost, now: Moment) -> Result<(), Short> {
        let mut longest: Option<Short> = None;
        let mut keep_back = |unit, quota: Quota, level: Level, wait| {
            if longest.is_none_or(|longest| wait > longest.wait) {
                let limit = quota.limit.get();
                longest = Some(Short { unit, limit, used: limit.saturating_sub(level.remaining), wait });
            }
        };
        if let Some((unit, quota, pace)) = pace(allowance)
            && let Err(wait) = self.flow.take(pace, now)
        {
            keep_back(unit, quota, self.flow.level(pace, now), wait);
        }
        for (window, quota) in self.requests.iter_mut().zip(request_quotas(allowance)) {
            let Some((unit, quota)) = quota else { continue };
            if let Err(wait) = window.take(quota, 1, now) {
                keep_back(unit, quota, window.level(quota, now), wait);
            }
        }
        for (window, quota) in self.tokens.iter_mut().zip(token_quotas(allowance)) {
            let Some((unit, quota)) = quota else { continue };
            if let Err(wait) = window.take(quota, cost.total, now) {
                keep_back(unit, quota, window.level(quota, now), wait);
            }
        }
        longest.map_or(Ok(()), Err)
    }

    /// Puts what a request has really used in the place of what it took.
    pub(super) fn correct(&mut self, allowance: &Allowance, taken: Taken, spent: Spent, now: Moment) {
        if spent == Spent::Nothing {
            if let Some((_, _, pace)) = pace(allowance) {
                self.flow.give_back(pace, taken.at, now);
            }
            for (window, quota) in self.requests.iter_mut().zip(request_quotas(allowance)) {
                if let Some((_, quota)) = quota {
                    window.correct(quota, (taken.at, 1), 0, now);
                }
            }
        }
        for (window, quota) in self.tokens.iter_mut().zip(token_quotas(allowance)) {
            if let Some((_, quota)) = quota {
                window.correct(quota, (taken.at, taken.cost.total), spent.tokens(), now);
            }
        }
    }

    /// How the limits stand, with the tightest of each kind.
    pub(super) fn stand(&self, allowance: &Allowance, now: Moment, standings: &mut Standings) {
        if let Some((_, quota, pace)) = pace(allowance) {
            tighten(&mut standings.requests, quota, self.flow.level(pace, now));
        }
        for (window, quota) in self.requests.iter().zip(request_quotas(allowance)) {
            if let Some((_, quota)) = quota {
                tighten(&mut standings.requests, quota, window.level(quota, now));
            }
        }
        for (window, quota) in self.tokens.iter().zip(token_quotas(allowance)) {
            if let Some((_, quota)) = quota {
                tighten(&mut standings.tokens, quota, window.level(quota, now));
            }
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.flow.is_idle(now) && self.requests.iter().chain(&self.tokens).all(|window| window.is_idle(now))
    }
}

/// What a request took, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) at: Moment,
    pub(super) cost: Cost,
}

/// What a request has used in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// It never went out: it is as if it had not been.
    Nothing,
    /// So many tokens.
    Tokens(u64),
}

impl Spent {
    pub(super) fn tokens(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Tokens(tokens) => tokens,
        }
    }
}

fn tighten(tightest: &mut Option<Standing>, quota: Quota, level: Level) {
    let standing = Standing {
        limit: quota.limit.get(),
        remaining: level.remaining,
        reset: std::time::Duration::from_nanos(level.reset),
    };
    let is_tighter = tightest
        .is_none_or(|tightest| (standing.remaining, standing.limit) < (tightest.remaining, tightest.limit));
    if is_tighter {
        *tightest = Some(standing);
    }
}

/// How requests flow, where only so many may come at once.
fn pace(allowance: &Allowance) -> Option<(Unit, Quota, Pace)> {
    let [minute, _] = request_quotas(allowance);
    let ((unit, quota), burst) = minute.zip(allowance.burst)?;
    Some((unit, quota, Pace::of(quota, burst)))
}

fn request_quotas(allowance: &Allowance) -> [Option<(Unit, Quota)>; 2] {
    [
        allowance.requests_per_minute.map(|limit| quota(Unit::RequestsPerMinute, limit, MINUTE)),
        allowance.requests_per_day.map(|limit| quota(Unit::RequestsPerDay, limit, DAY)),
    ]
}

fn token_quotas(allowance: &Allowance) -> [Option<(Unit, Quota)>; 2] {
    [
        allowance.tokens_per_minute.map(|limit| quota(Unit::TokensPerMinute, limit, MINUTE)),
        allowance.tokens_per_day.map(|limit| quota(Unit::TokensPerDay, limit, DAY)),
    ]
}

fn quota(unit: Unit, limit: NonZeroU32, period: u64) -> (Unit, Quota) {
    (unit, Quota { limit, period })
}

/// The quotas as numbers for Redis: the interval in microseconds and the burst of requests that flow, a minute's and a
/// day's requests, a minute's and a day's tokens; 0 where there is no limit.
pub(super) fn numbers(allowance: &Allowance) -> [u64; 6] {
    let [interval, burst] =
        pace(allowance).map_or([0, 0], |(_, _, pace)| [pace.interval / MICROSECOND, pace.burst.get().into()]);
    let limit = |quota: Option<(Unit, Quota)>| quota.map_or(0, |(_, quota)| quota.limit.get().into());
    let [minute, day] = request_quotas(allowance).map(limit);
    let [minute_tokens, day_tokens] = token_quotas(allowance).map(limit);
    [interval, burst, minute, day, minute_tokens, day_tokens]
}

/// The first limit of tokens that a prompt alone is too large for.
pub(super) fn outgrown(allowance: &Allowance, cost: Cost) -> Option<(Unit, u32)> {
    let mut quotas = token_quotas(allowance).into_iter().flatten();
    let outgrown = quotas.find(|(_, quota)| cost.prompt > u64::from(quota.limit.get()));
    outgrown.map(|(unit, quota)| (unit, quota.limit.get()))
}
