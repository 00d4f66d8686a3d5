//! May this request pass? Requests per minute for each user, key and alias, and over all of them.
//!
//! The room knows names and numbers; what a denial looks like on the wire is not its affair.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Buckets of one kind, one for each digest of who (or what) is counted.
type Buckets = RateLimiter<[u8; 16], DashMapStateStore<[u8; 16]>, DefaultClock, StateInformationMiddleware>;

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
    /// The word in messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
            Self::All => "all",
        }
    }
}

/// How a rule stands after a request: what the `x-ratelimit-*-requests` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which rule.
    pub rule: Rule,
    /// Requests a minute.
    pub limit: u32,
    /// Requests that would pass at once.
    pub remaining: u32,
    /// Until `remaining` is `limit` again.
    pub reset: Duration,
}

/// A request that may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that said no.
    pub standing: Standing,
    /// After this time a request would pass.
    pub retry_after: Duration,
}

/// Who and what a request is counted for. A rule with a number of its own has its own buckets.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Digest of key and user, if a user is known.
    pub user: Option<[u8; 16]>,
    /// Digest of the key.
    pub key: [u8; 16],
    /// The key's own number, instead of `limits.key`.
    pub key_limit: Option<NonZeroU32>,
    /// The alias or pattern, and its number.
    pub model: (&'a str, Option<NonZeroU32>),
}

/// The limits of a process.
#[derive(Debug)]
pub struct Limits {
    user: Option<Numbered>,
    key: Option<Numbered>,
    all: Option<Numbered>,
    /// One for each number that a key or an alias has of its own.
    own: Vec<Numbered>,
}

#[derive(Debug)]
struct Numbered {
    per_minute: NonZeroU32,
    buckets: Buckets,
}

impl Limits {
    /// `own` are the numbers that keys and aliases have of their own.
    pub fn new(settings: crate::config::Limits, own: impl IntoIterator<Item = NonZeroU32>) -> Self {
        let mut own: Vec<NonZeroU32> = own.into_iter().collect();
        own.sort_unstable();
        own.dedup();
        Self {
            user: settings.user.map(Numbered::new),
            key: settings.key.map(Numbered::new),
            all: settings.all.map(Numbered::new),
            own: own.into_iter().map(Numbered::new).collect(),
        }
    }

    /// Counts a request under every rule that concerns it, the narrowest first.
    ///
    /// Gives the standing of the tightest rule, `None` if no rule concerns the request.
    ///
    /// # Errors
    /// The first rule that says no. Wider rules have not counted the request then; narrower ones have.
    pub fn admit(&self, subject: &Subject<'_>) -> Result<Option<Standing>, Denied> {
        let mut tightest: Option<Standing> = None;
        let user = self.user.as_ref().zip(subject.user).map(|(rule, user)| (Rule::User, rule, user));
        let key = match subject.key_limit {
            Some(number) => self.own(number),
            None => self.key.as_ref(),
        };
        let key = key.map(|rule| (Rule::Key, rule, tagged(b'k', &subject.key)));
        let (alias, model_limit) = subject.model;
        let model = model_limit.and_then(|number| self.own(number));
        let model = model.map(|rule| (Rule::Model, rule, tagged(b'm', alias.as_bytes())));
        let all = self.all.as_ref().map(|rule| (Rule::All, rule, [0; 16]));
        for (rule, numbered, who) in [user, key, model, all].into_iter().flatten() {
            let standing = numbered.admit(rule, who)?;
            let is_tighter = tightest.is_none_or(|tightest| {
                (standing.remaining, standing.limit) < (tightest.remaining, tightest.limit)
            });
            if is_tighter {
                tightest = Some(standing);
            }
        }
        Ok(tightest)
    }

    /// Forgets who has not been seen for as long as a full bucket takes; to be called now and then.
    pub fn sweep(&self) {
        for rule in [&self.user, &self.key, &self.all].into_iter().flatten().chain(&self.own) {
            rule.buckets.retain_recent();
            rule.buckets.shrink_to_fit();
        }
    }

    fn own(&self, number: NonZeroU32) -> Option<&Numbered> {
        self.own.iter().find(|rule| rule.per_minute == number)
    }
}

impl Numbered {
    fn new(per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::dashmap(Quota::per_minute(per_minute));
        Self { per_minute, buckets: limiter.with_middleware() }
    }

    fn admit(&self, rule: Rule, who: [u8; 16]) -> Result<Standing, Denied> {
        let limit = self.per_minute.get();
        match self.buckets.check_key(&who) {
            Ok(snapshot) => Ok(self.standing(rule, &snapshot)),
            Err(not_until) => {
                let standing = Standing { rule, limit, remaining: 0, reset: Duration::from_secs(60) };
                let retry_after = not_until.wait_time_from(DefaultClock::default().now());
                Err(Denied { standing, retry_after })
            }
        }
    }

    fn standing(&self, rule: Rule, snapshot: &StateSnapshot) -> Standing {
        let remaining = snapshot.remaining_burst_capacity();
        let limit = self.per_minute.get();
        let reset = snapshot.quota().replenish_interval() * limit.saturating_sub(remaining);
        Standing { rule, limit, remaining, reset }
    }
}

/// Keys and aliases with the same number share their buckets' map, but never a bucket.
fn tagged(kind: u8, name: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(name);
    let mut half = [0; 16];
    half.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(number)
    }

    fn limits(user: u32, key: u32, all: u32, own: &[u32]) -> Limits {
        let settings = crate::config::Limits { all: number(all), key: number(key), user: number(user) };
        Limits::new(settings, own.iter().copied().filter_map(NonZeroU32::new))
    }

    fn subject(user: u8, key: u8) -> Subject<'static> {
        Subject { user: Some([user; 16]), key: [key; 16], key_limit: None, model: ("gpt-4o", None) }
    }

    #[test]
    fn without_rules_everything_passes() {
        assert_eq!(limits(0, 0, 0, &[]).admit(&subject(1, 1)), Ok(None));
    }

    #[test]
    fn the_narrowest_rule_that_is_used_up_says_no() {
        let limits = limits(2, 3, 10, &[]);
        assert_eq!(limits.admit(&subject(1, 1)).unwrap().unwrap().rule, Rule::User);
        let second = limits.admit(&subject(1, 1)).unwrap().unwrap();
        assert_eq!((second.limit, second.remaining), (2, 0));
        let denied = limits.admit(&subject(1, 1)).unwrap_err();
        assert_eq!(denied.standing.rule, Rule::User);
        assert!(denied.retry_after > Duration::ZERO && denied.retry_after <= Duration::from_secs(30));
        assert!(limits.admit(&subject(2, 1)).is_ok());
        assert_eq!(limits.admit(&subject(3, 1)).unwrap_err().standing.rule, Rule::Key);
        assert!(limits.admit(&subject(3, 2)).is_ok());
    }

    #[test]
    fn numbers_of_their_own_stand_apart() {
        let limits = limits(0, 1, 0, &[2]);
        let own = Subject { key_limit: number(2), model: ("a", number(2)), ..subject(1, 1) };
        assert!(limits.admit(&own).is_ok());
        assert!(limits.admit(&own).is_ok());
        assert_eq!(limits.admit(&own).unwrap_err().standing.rule, Rule::Key);
        let other = Subject { key: [9; 16], ..own };
        assert_eq!(limits.admit(&other).unwrap_err().standing.rule, Rule::Model);
    }

    #[test]
    fn what_is_seldom_seen_is_swept() {
        let limits = limits(60_000, 0, 0, &[]);
        for user in 0..100 {
            assert!(limits.admit(&subject(user, 1)).is_ok());
        }
        let users = limits.user.as_ref().unwrap();
        assert_eq!(users.buckets.len(), 100);
        while !users.buckets.is_empty() {
            limits.sweep();
            std::thread::yield_now();
        }
    }
}
