//! Whether a request may be taken under all of its claims, wherever the accounts are kept.

use std::time::Duration;

use crate::limits::account::{Meters, Short, outgrown};
use crate::limits::quota::Moment;
use crate::limits::{Cause, Claims, Cost, Rule, Standings};

/// What is used under each claim.
pub(super) type Found = [Meters; 4];

/// Why a prompt can never pass, if that is so.
pub(super) fn too_large(claims: &Claims, cost: Cost) -> Option<(Rule, Cause)> {
    claims.iter().flatten().find_map(|claim| {
        let (unit, limit) = outgrown(&claim.allowance, cost)?;
        Some((claim.rule(), Cause::TooLarge { unit, limit, requested: cost.total }))
    })
}

/// Takes a request under every claim; or says which one keeps it back for longest, and is of no use any more.
pub(super) fn take(claims: &Claims, found: &mut Found, cost: Cost, now: Moment) -> Result<(), (Rule, Cause)> {
    let mut longest: Option<(Rule, Short)> = None;
    for (claim, meters) in claims.iter().zip(found) {
        let Some(claim) = claim else { continue };
        if let Err(short) = meters.take(&claim.allowance, cost, now)
            && longest.is_none_or(|(_, longest)| short.wait > longest.wait)
        {
            longest = Some((claim.rule(), short));
        }
    }
    let Some((rule, Short { unit, limit, used, wait })) = longest else { return Ok(()) };
    let (requested, wait) = (unit.requested(cost), Duration::from_nanos(wait));
    Err((rule, Cause::Exhausted { unit, limit, used, requested, wait }))
}

/// How the claims stand.
pub(super) fn stand(claims: &Claims, found: &Found, now: Moment) -> Standings {
    let mut standings = Standings::default();
    for (claim, meters) in claims.iter().zip(found) {
        if let Some(claim) = claim {
            meters.stand(&claim.allowance, now, &mut standings);
        }
    }
    standings
}
