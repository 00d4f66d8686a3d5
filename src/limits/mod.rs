//! May this request pass? How many requests and tokens a minute and a day, and how many requests at once, for each
//! user, key and alias, and over all of them.
//!
//! [`Limits::admit`] counts a request under every rule that concerns it, or under none: in one call of the store, so
//! that it is one step for a store that others share, too. Of tokens it takes an estimate, which the [`Permit`] puts
//! right when the truth is known. The permit is also the leave to run: it ends when it is dropped, whatever happened.
//!
//! `quota` is the arithmetic, `account` what one bearer of limits has used, `trial` whether that leaves room; `crowd` and
//! `local` keep the accounts in memory, `remote` in Redis, for all replicas together. While Redis is away, memory takes
//! over, with nothing used, or what has limits is refused. The room knows names and numbers; what a denial looks like
//! on the wire is not its affair.

mod account;
mod crowd;
mod local;
mod permit;
mod quota;
mod remote;
#[cfg(test)]
mod tests;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::allowance::Allowance;
use crate::config;
use crate::config::OnStoreFailure;
use crate::limits::account::Taken;
use crate::limits::local::Local;
use crate::limits::quota::Moment;
use crate::limits::remote::Remote;
use crate::redis::Redis;

pub use permit::{Owed, Permit};
pub use remote::Failures;

/// How long a request waits for others to end, in the order in which they came, if too many run.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Which rule spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `limits.user`
    User,
    /// `limits.key`, or the key's own
    Key,
    /// `models.*.limits`
    Model,
    /// `limits.all`
    All,
}

impl Rule {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
            Self::All => "all",
        }
    }
}

/// What is counted, and in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `requests_per_minute`
    RequestsPerMinute,
    /// `requests_per_day`
    RequestsPerDay,
    /// `tokens_per_minute`
    TokensPerMinute,
    /// `tokens_per_day`
    TokensPerDay,
}

/// How a limit stands: what three of the `x-ratelimit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many a minute or a day.
    pub limit: u32,
    /// How many would pass at once.
    pub remaining: u32,
    /// Until nothing is used of it any more.
    pub reset: Duration,
}

/// The tightest limit of each kind: the one of which the least is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// Of requests.
    pub requests: Option<Standing>,
    /// Of tokens.
    pub tokens: Option<Standing>,
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A limit is used up: the one that keeps the request back for longest.
    Exhausted {
        /// What it counts.
        unit: Unit,
        /// How many.
        limit: u32,
        /// How many of them are used.
        used: u32,
        /// How many the request would use.
        requested: u64,
        /// After this time it would pass.
        wait: Duration,
    },
    /// The prompt alone is more than a limit has.
    TooLarge {
        /// What it counts.
        unit: Unit,
        /// How many.
        limit: u32,
        /// How many the request would use.
        requested: u64,
    },
    /// Too many run at the same time, and none has ended in [`PATIENCE`].
    Busy {
        /// How many may run.
        limit: u32,
    },
}

/// A request that may not pass. It has not been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that said no.
    pub rule: Rule,
    /// Why.
    pub cause: Cause,
    /// How the limits stand.
    pub standings: Standings,
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A limit does not let it.
    Denied(Denied),
    /// Nobody knows whether one would: the store is away, and `limits.on_store_failure` is `deny`.
    Unknown,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// Tokens that a request is thought to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The prompt's.
    pub prompt: u64,
    /// The prompt's and the answer's.
    pub total: u64,
}

/// Who and what a request is counted for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The numbers that its request goes by.
    pub settings: &'a config::Limits,
    /// Digest of key and user, if a user is known.
    pub user: Option<[u8; 16]>,
    /// Digest of the key.
    pub key: [u8; 16],
    /// The key's own limits, instead of `limits.key`.
    pub key_limits: Option<Allowance>,
    /// The alias or pattern.
    pub alias: &'a Arc<str>,
    /// Digest of the alias.
    pub alias_digest: [u8; 16],
    /// Its limits.
    pub alias_limits: Option<Allowance>,
}

/// One rule that concerns a request: whose account, and what may be taken from it.
#[derive(Clone, Debug)]
struct Claim {
    who: Who,
    allowance: Allowance,
}

#[derive(Clone, Debug)]
enum Who {
    User([u8; 16]),
    Key([u8; 16]),
    Model(Arc<str>, [u8; 16]),
    All,
}

/// All rules that concern a request, the narrowest first: so are slots taken, and nobody waits for somebody who waits.
type Claims = [Option<Claim>; 4];

/// The limits of a process.
#[derive(Debug)]
pub struct Limits {
    /// When the counting began.
    began: Instant,
    store: Local,
    /// Where it is counted while that is there.
    remote: Option<Remote>,
}

impl Limits {
    /// Nothing is used yet.
    pub fn new(now: Instant) -> Self {
        Self { began: now, store: Local::default(), remote: None }
    }

    /// The limits of all replicas that use the same Redis and the same prefix, and agree on their digests.
    pub fn in_redis(now: Instant, redis: Arc<Redis>, prefix: String) -> Self {
        Self { remote: Some(Remote::new(redis, prefix)), ..Self::new(now) }
    }

    /// Counts a request under every rule that concerns it, and waits for its turn if too many run. `None` if no rule
    /// concerns it.
    ///
    /// # Errors
    /// It may not pass; then it has been counted nowhere.
    pub async fn admit(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        cost: Cost,
        now: Instant,
    ) -> Result<Option<(Box<Permit>, Standings)>, Refusal> {
        let claims = claims(subject);
        if claims.iter().all(Option::is_none) {
            return Ok(None);
        }
        if let Some(remote) = &self.remote {
            let on_failure = subject.settings.on_store_failure;
            // Boxed, so that who counts in memory does not carry the room that this takes.
            match Box::pin(Permit::shared(self, remote, claims.clone(), cost, on_failure)).await {
                Ok(admitted) => return admitted.map(Some),
                Err(_) if on_failure == OnStoreFailure::Deny => return Err(Refusal::Unknown),
                Err(_) => {}
            }
        }
        let at = self.moment(now);
        let (standings, slots) = self.store.take(&claims, cost, at)?;
        let mut permit = Box::new(Permit::new(Arc::clone(self), claims, Taken { at, cost }));
        if slots.iter().any(Option::is_some) {
            permit.wait_for(slots).await?;
        }
        Ok(Some((permit, standings)))
    }

    /// Says of the requests that run, to the other replicas, that they still do, for as long as it is polled.
    pub async fn keep_running(&self) {
        if let Some(remote) = &self.remote {
            remote.keep_places().await;
        }
    }

    /// How often the store could not be asked so far; `None` if that is memory.
    pub fn failures(&self) -> Option<Failures> {
        self.remote.as_ref().map(Remote::failures)
    }

    /// Forgets who has used nothing for long enough; to be called now and then.
    pub fn sweep(&self, now: Instant) {
        self.store.sweep(self.moment(now));
    }

    /// How many users and keys are remembered.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn moment(&self, now: Instant) -> Moment {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The rules that concern a request.
fn claims(subject: &Subject<'_>) -> Claims {
    let settings = subject.settings;
    let claim = |who, allowance: Allowance| Claim { who, allowance };
    let given = |allowance: &Allowance| !allowance.is_empty();
    let user = subject.user.filter(|_| given(&settings.user));
    let key = Some(subject.key_limits.unwrap_or(settings.key)).filter(given);
    let alias = subject.alias_limits.filter(given);
    let all = Some(settings.all).filter(given);
    [
        user.map(|user| claim(Who::User(user), settings.user)),
        key.map(|allowance| claim(Who::Key(subject.key), allowance)),
        alias.map(|allowance| claim(Who::Model(Arc::clone(subject.alias), subject.alias_digest), allowance)),
        all.map(|allowance| claim(Who::All, allowance)),
    ]
}

impl Claim {
    fn rule(&self) -> Rule {
        match self.who {
            Who::User(_) => Rule::User,
            Who::Key(_) => Rule::Key,
            Who::Model(..) => Rule::Model,
            Who::All => Rule::All,
        }
    }
}

impl Unit {
    /// How many of them a request takes.
    fn requested(self, cost: Cost) -> u64 {
        match self {
            Self::RequestsPerMinute | Self::RequestsPerDay => 1,
            Self::TokensPerMinute | Self::TokensPerDay => cost.total,
        }
    }
}
