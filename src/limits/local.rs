//! The accounts in the memory of this process. One lock for all of them: what concerns a request is decided in one
//! step, of a microsecond or less.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::limits::account::{Account, Meters, Short, Spent, Taken, outgrown};
use crate::limits::crowd::Crowd;
use crate::limits::quota::Moment;
use crate::limits::{Cause, Claims, Cost, Denied, Rule, Standings, Who};

/// The slots that a request is to have, in the order of its claims.
pub(super) type Slots = [Option<Arc<Semaphore>>; 4];

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Local(Mutex<Accounts>);

#[derive(Debug, Default)]
struct Accounts {
    users: Crowd,
    keys: Crowd,
    /// As many as there are aliases.
    models: HashMap<Arc<str>, Account>,
    all: Account,
}

impl Local {
    /// Takes a request under all claims, or under none. With how they stand then, and the slots that it is to have.
    pub(super) fn take(
        &self,
        claims: &Claims,
        cost: Cost,
        now: Moment,
    ) -> Result<(Standings, Slots), Denied> {
        let mut accounts = self.lock();
        let mut trials = [Meters::default(); 4];
        let mut longest: Option<(Rule, Short)> = None;
        for (claim, trial) in claims.iter().zip(&mut trials) {
            let Some(claim) = claim else { continue };
            if let Some((unit, limit)) = outgrown(&claim.allowance, cost) {
                let cause = Cause::TooLarge { unit, limit, requested: cost.total };
                return Err(Denied { rule: claim.rule(), cause, standings: accounts.stand(claims, now) });
            }
            if let Some(account) = accounts.find_mut(&claim.who) {
                account.seen = now;
                *trial = account.meters;
            }
            if let Err(short) = trial.take(&claim.allowance, cost, now)
                && longest.is_none_or(|(_, longest)| short.wait > longest.wait)
            {
                longest = Some((claim.rule(), short));
            }
        }
        if let Some((rule, Short { unit, limit, used, wait })) = longest {
            let requested = unit.requested(cost);
            let wait = Duration::from_nanos(wait);
            let cause = Cause::Exhausted { unit, limit, used, requested, wait };
            return Err(Denied { rule, cause, standings: accounts.stand(claims, now) });
        }
        let mut standings = Standings::default();
        let mut slots = Slots::default();
        for ((claim, trial), slot) in claims.iter().zip(&trials).zip(&mut slots) {
            let Some(claim) = claim else { continue };
            trial.stand(&claim.allowance, now, &mut standings);
            let account = accounts.open(&claim.who, now);
            account.meters = *trial;
            account.seen = now;
            *slot = claim.allowance.concurrent.map(|number| account.slots(number));
        }
        Ok((standings, slots))
    }

    /// Puts what a request has really used in the place of what it took. With how its claims stand then.
    pub(super) fn correct(&self, claims: &Claims, taken: Taken, spent: Spent, now: Moment) -> Standings {
        let mut accounts = self.lock();
        for claim in claims.iter().flatten() {
            if let Some(account) = accounts.find_mut(&claim.who) {
                account.meters.correct(&claim.allowance, taken, spent, now);
            }
        }
        accounts.stand(claims, now)
    }

    pub(super) fn sweep(&self, now: Moment) {
        let mut accounts = self.lock();
        accounts.users.sweep(now);
        accounts.keys.sweep(now);
    }

    pub(super) fn len(&self) -> usize {
        let accounts = self.lock();
        accounts.users.len() + accounts.keys.len()
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        // Whoever broke has left numbers behind, at worst one too many.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    fn find(&self, who: &Who) -> Option<&Account> {
        match who {
            Who::User(user) => self.users.find(user),
            Who::Key(key) => self.keys.find(key),
            Who::Model(alias) => self.models.get(alias),
            Who::All => Some(&self.all),
        }
    }

    fn find_mut(&mut self, who: &Who) -> Option<&mut Account> {
        match who {
            Who::User(user) => self.users.find_mut(user),
            Who::Key(key) => self.keys.find_mut(key),
            Who::Model(alias) => self.models.get_mut(alias),
            Who::All => Some(&mut self.all),
        }
    }

    fn open(&mut self, who: &Who, now: Moment) -> &mut Account {
        match who {
            Who::User(user) => self.users.open(*user, now),
            Who::Key(key) => self.keys.open(*key, now),
            Who::Model(alias) => self.models.entry(Arc::clone(alias)).or_default(),
            Who::All => &mut self.all,
        }
    }

    fn stand(&self, claims: &Claims, now: Moment) -> Standings {
        let mut standings = Standings::default();
        for claim in claims.iter().flatten() {
            // Who is not known has used nothing.
            let meters = self.find(&claim.who).map_or_else(Meters::default, |account| account.meters);
            meters.stand(&claim.allowance, now, &mut standings);
        }
        standings
    }
}
