//! The accounts in Redis, for all replicas together. One script, and so one step and one round trip, takes a request
//! under all of its claims or under none; the same settles it. The time is that of Redis.
//!
//! A place among those that run is a request's for [`PLACE_LASTS`], and for longer if its replica says that it still
//! runs: a replica that dies keeps nobody out for long. Who waits for one asks now and then; the first who came is
//! the first who gets it, on whichever replica.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::limits::account::{Meters, Spent, Taken, numbers};
use crate::limits::quota::{MICROSECOND, Moment};
use crate::limits::trial::{self, Found, stand};
use crate::limits::{Claims, Cost, Denied, PATIENCE, Standings, Who};
use crate::redis::{Down, Redis, Reply, Script};

/// How long a place is a request's unless its replica says that it still runs.
const PLACE_LASTS: Duration = Duration::from_secs(30);

/// How often it says so.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// How long a wait counts that nobody has ended: a little more than anybody waits.
const WAIT_LASTS: Duration = PATIENCE.saturating_add(Duration::from_secs(1));

/// Of how many places one call says that they are in use.
const PLACES_A_CALL: usize = 500;

/// `KEYS`: what runs of each account; `ARGV`: for how many milliseconds more, then the request that is there.
const RENEW: &str = r"
local time = redis.call('TIME')
local until_ = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1] * 1000)
for number, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'XX', until_, ARGV[number + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
return 1
";

/// The limits of all replicas.
#[derive(Debug)]
pub(super) struct Remote {
    redis: Arc<Redis>,
    prefix: String,
    script: Script,
    renew: Script,
    /// Where the requests of this process have places.
    places: Mutex<HashMap<Ticket, Vec<String>>>,
    failed_takes: AtomicU64,
    failed_corrections: AtomicU64,
}

/// How often Redis could not be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Requests that were counted here instead, or refused.
    pub takes: u64,
    /// Requests whose estimate was not put right.
    pub corrections: u64,
}

/// By what Redis knows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(getrandom::u64().unwrap_or_default())
    }
}

/// That a request waits for a place: which of its claims has none, and how many are before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    /// Among the claims that there are.
    pub(super) claim: usize,
    pub(super) before: u64,
}

/// A request that has been counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) at: Moment,
    pub(super) standings: Standings,
    pub(super) waits: Option<Waits>,
}

/// What the script is to do; see there.
#[derive(Clone, Copy)]
enum Operation {
    Take(Cost),
    Enter { from: usize },
    Settle(Taken, Spent),
    Look,
}

/// What it says.
struct Told {
    passes: bool,
    now: Moment,
    waits: Option<Waits>,
    found: Found,
}

impl Remote {
    pub(super) fn new(redis: Arc<Redis>, prefix: String) -> Self {
        Self {
            redis,
            prefix,
            script: Script::new(include_str!("remote.lua")),
            renew: Script::new(RENEW),
            places: Mutex::default(),
            failed_takes: AtomicU64::new(0),
            failed_corrections: AtomicU64::new(0),
        }
    }

    pub(super) fn failures(&self) -> Failures {
        Failures {
            takes: self.failed_takes.load(Ordering::Relaxed),
            corrections: self.failed_corrections.load(Ordering::Relaxed),
        }
    }

    /// Takes a request under all claims, or under none, and the places that it is to have, or says for which it waits.
    pub(super) async fn take(
        &self,
        claims: &Claims,
        ticket: Ticket,
        cost: Cost,
    ) -> Result<Result<Counted, Denied>, Down> {
        let too_large = trial::too_large(claims, cost);
        let operation = if too_large.is_some() { Operation::Look } else { Operation::Take(cost) };
        let told = self.run(claims, ticket, operation).await;
        let Told { passes, now, waits, found } = told.inspect_err(|_| count(&self.failed_takes))?;
        let standings = stand(claims, &found, now);
        if let Some((rule, cause)) = too_large {
            return Ok(Err(Denied { rule, cause, standings }));
        }
        if passes {
            if waits.is_none() {
                self.note_places(claims, ticket);
            }
            return Ok(Ok(Counted { at: now, standings, waits }));
        }
        // The same numbers say the same here, and why.
        let mut again = found;
        match trial::take(claims, &mut again, cost, now) {
            Err((rule, cause)) => Ok(Err(Denied { rule, cause, standings })),
            Ok(()) => Err(odd()).inspect_err(|_| count(&self.failed_takes)),
        }
    }

    /// Takes the places that a request has waited for, if there are any now.
    pub(super) async fn enter(
        &self,
        claims: &Claims,
        ticket: Ticket,
        waits: Waits,
    ) -> Result<Option<Waits>, Down> {
        let told = self.run(claims, ticket, Operation::Enter { from: waits.claim }).await;
        let waits = told.inspect_err(|_| count(&self.failed_takes))?.waits;
        if waits.is_none() {
            self.note_places(claims, ticket);
        }
        Ok(waits)
    }

    /// Puts what a request has really used in the place of what it took, and ends its places and waits. With how its
    /// claims stand then, if Redis could be asked.
    pub(super) async fn settle(
        &self,
        claims: &Claims,
        ticket: Ticket,
        taken: Taken,
        spent: Spent,
    ) -> Option<Standings> {
        // Before the call: nobody is to make a place last that has been given up.
        self.places().remove(&ticket);
        let told = self.run(claims, ticket, Operation::Settle(taken, spent)).await;
        let told = told.inspect_err(|_| count(&self.failed_corrections)).ok()?;
        Some(stand(claims, &told.found, told.now))
    }

    /// Makes the places of those that run last, for ever.
    pub(super) async fn keep_places(&self) {
        let lasts = PLACE_LASTS.as_millis().to_string();
        loop {
            sleep(RENEW_EVERY).await;
            for (keys, tickets) in self.noted_places() {
                let mut args = vec![lasts.as_bytes()];
                args.extend(tickets.iter().map(String::as_bytes));
                // If Redis is away now, it may be back the next time: the places last for that long.
                let _ = self.redis.run(&self.renew, &keys, &args).await;
            }
        }
    }

    fn note_places(&self, claims: &Claims, ticket: Ticket) {
        let limited = claims.iter().flatten().filter(|claim| claim.allowance.concurrent.is_some());
        let keys: Vec<String> = limited.map(|claim| self.key(&claim.who) + ":running").collect();
        if !keys.is_empty() {
            self.places().insert(ticket, keys);
        }
    }

    /// All of them in portions: of each place where it is, and whose.
    fn noted_places(&self) -> Vec<(Vec<String>, Vec<String>)> {
        let places = self.places();
        let pairs = places
            .iter()
            .flat_map(|(ticket, keys)| keys.iter().map(|key| (key.clone(), ticket.0.to_string())));
        let pairs: Vec<_> = pairs.collect();
        pairs.chunks(PLACES_A_CALL).map(|portion| portion.iter().cloned().unzip()).collect()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Ticket, Vec<String>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, claims: &Claims, ticket: Ticket, operation: Operation) -> Result<Told, Down> {
        let keys: Vec<String> = claims.iter().flatten().map(|claim| self.key(&claim.who)).collect();
        let args = [operation.name(), &arguments(claims, operation), &ticket.0.to_string()];
        let reply = self.redis.run(&self.script, &keys, &args.map(str::as_bytes)).await?;
        read(claims, &reply).ok_or_else(odd)
    }

    /// `PREFIX:limit:KIND:DIGEST`
    fn key(&self, who: &Who) -> String {
        let (kind, digest) = match who {
            Who::User(user) => ("user", Some(user)),
            Who::Key(key) => ("key", Some(key)),
            Who::Model(_, alias) => ("model", Some(alias)),
            Who::All => ("all", None),
        };
        let mut key = String::with_capacity(self.prefix.len() + 64);
        for part in [&self.prefix, ":limit:", kind] {
            key.push_str(part);
        }
        if let Some(digest) = digest {
            // Writing into a string does not fail.
            let _ = write!(key, ":{:032x}", u128::from_be_bytes(*digest));
        }
        key
    }
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Take(_) => "take",
            Self::Enter { .. } => "enter",
            Self::Settle(..) | Self::Look => "settle",
        }
    }

    /// Its own five numbers.
    fn numbers(self) -> [u64; 5] {
        // More than the largest limit is not told from it; and no sum of these is too large for a double.
        let tokens = |tokens: u64| tokens.min(u32::MAX.into());
        match self {
            Self::Take(cost) => [tokens(cost.total), 0, 0, 0, 0],
            Self::Enter { from } => [u64::try_from(from).unwrap_or(u64::MAX).saturating_add(1), 0, 0, 0, 0],
            Self::Settle(taken, spent) => [
                taken.at / MICROSECOND,
                tokens(taken.cost.total),
                tokens(spent.tokens()),
                (spent == Spent::Nothing).into(),
                0,
            ],
            Self::Look => [0, 0, 0, 0, 1],
        }
    }
}

/// All numbers of a call, parted by spaces.
fn arguments(claims: &Claims, operation: Operation) -> String {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut text = String::with_capacity(256);
    let mut push = |number: u64| {
        // Writing into a string does not fail.
        let _ = write!(text, "{number} ");
    };
    operation.numbers().into_iter().for_each(&mut push);
    [PLACE_LASTS, WAIT_LASTS].map(micros).into_iter().for_each(&mut push);
    for claim in claims.iter().flatten() {
        numbers(&claim.allowance).into_iter().for_each(&mut push);
        push(claim.allowance.concurrent.map_or(0, |number| number.get().into()));
    }
    text
}

/// `[passes, now, claim from 1 or 0, before, nine numbers of each account…]`
fn read(claims: &Claims, reply: &Reply) -> Option<Told> {
    let Reply::List(parts) = reply else { return None };
    let number = |part: &Reply| match part {
        Reply::Number(number) => u64::try_from(*number).ok(),
        Reply::Nil | Reply::Text(_) | Reply::List(_) => None,
    };
    let numbers: Vec<u64> = parts.iter().map(number).collect::<Option<_>>()?;
    let (&[passes, now, claim, before], accounts) = numbers.split_first_chunk()?;
    let claim = usize::try_from(claim).ok()?.checked_sub(1);
    let mut found = Found::default();
    let claimed = claims.iter().zip(&mut found).filter(|(claim, _)| claim.is_some());
    for ((_, meters), numbers) in claimed.zip(accounts.as_chunks().0) {
        *meters = Meters::from_micros(*numbers);
    }
    Some(Told {
        passes: passes == 1,
        now: now.saturating_mul(MICROSECOND),
        waits: claim.map(|claim| Waits { claim, before }),
        found,
    })
}

fn odd() -> Down {
    Down::new("answered something odd")
}

fn count(failures: &AtomicU64) {
    failures.fetch_add(1, Ordering::Relaxed);
}
