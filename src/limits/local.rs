//! The accounts in the memory of this process. One lock for all of them: what concerns a request is decided in one
//! step, of a microsecond or less.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::limits::account::{Account, Meters, Spent, Taken};
use crate::limits::crowd::Crowd;
use crate::limits::quota::Moment;
use crate::limits::trial::{Found, stand, take, too_large};
use crate::limits::{Claims, Cost, Denied, Standings, Who};

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
        let mut found = Found::default();
        for (claim, meters) in claims.iter().zip(&mut found) {
            if let Some(account) = claim.as_ref().and_then(|claim| accounts.find_mut(&claim.who)) {
                account.seen = now;
                *meters = account.meters;
            }
        }
        let mut taken = found;
        let told = too_large(claims, cost).map_or_else(|| take(claims, &mut taken, cost, now), Err);
        if let Err((rule, cause)) = told {
            return Err(Denied { rule, cause, standings: stand(claims, &found, now) });
        }
        let mut slots = Slots::default();
        for ((claim, meters), slot) in claims.iter().zip(taken).zip(&mut slots) {
            let Some(claim) = claim else { continue };
            let account = accounts.open(&claim.who, now);
            account.meters = meters;
            account.seen = now;
            *slot = claim.allowance.concurrent.map(|number| account.slots(number));
        }
        Ok((stand(claims, &taken, now), slots))
    }

    /// The slots alone, for a request that is counted elsewhere.
    pub(super) fn slots(&self, claims: &Claims, now: Moment) -> Slots {
        let mut accounts = self.lock();
        let mut slots = Slots::default();
        for (claim, slot) in claims.iter().zip(&mut slots) {
            let Some(claim) = claim else { continue };
            *slot = claim.allowance.concurrent.map(|number| accounts.open(&claim.who, now).slots(number));
        }
        slots
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
            Who::Model(alias, _) => self.models.get(alias),
            Who::All => Some(&self.all),
        }
    }

    fn find_mut(&mut self, who: &Who) -> Option<&mut Account> {
        match who {
            Who::User(user) => self.users.find_mut(user),
            Who::Key(key) => self.keys.find_mut(key),
            Who::Model(alias, _) => self.models.get_mut(alias),
            Who::All => Some(&mut self.all),
        }
    }

    fn open(&mut self, who: &Who, now: Moment) -> &mut Account {
        match who {
            Who::User(user) => self.users.open(*user, now),
            Who::Key(key) => self.keys.open(*key, now),
            Who::Model(alias, _) => self.models.entry(Arc::clone(alias)).or_default(),
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
