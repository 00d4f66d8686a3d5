//! Whether a failed call is worth another one, when, and in which session: pure, with clock and chance handed in.
//!
//! The same table decides what clients are told. The official SDKs repeat 408, 409, 429 and 5xx by themselves, so that
//! whatever leaves the session in doubt ([`Session::Fresh`]), which an app may have carried out, goes out with
//! `x-should-retry: false`. `retry.on` names what the proxy itself tries again, knowing the session.
//!
//! Retries must not make a bad hour worse. So a request has few of them, the waits are spread at random over their
//! whole length, and all requests together draw on one [budget](super::budget).

use std::time::Duration;

use super::{SendError, SendErrorKind, Sent};
use crate::config::{Fault, Retry};

/// A failed call, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// How it failed.
    pub fault: Fault,
    /// Whether the session may have been touched.
    pub session: Session,
    /// Chipp's `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// In which session to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// In the one that was meant: it is as it was, since Chipp cannot have written the turn into it.
    Same,
    /// In a new one, with the whole history: the turn may be in the old one, and must not be in it twice.
    Fresh,
}

/// What has been done for a request so far, and what there is left.
#[derive(Clone, Copy, Debug)]
pub struct SoFar {
    /// Calls of this app, the failed one included.
    pub calls: u32,
    /// Until the time for the whole exchange is over.
    pub left: Duration,
    /// Chance: any number, all equally likely.
    pub chance: u64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Call again.
    Retry {
        /// After this time.
        after: Duration,
        /// In this session.
        session: Session,
    },
    /// Do not.
    GiveUp(Why),
}

/// Why there is no further call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This kind of failure is not tried again.
    NotWanted,
    /// `retry.attempts` are used up.
    NoAttempts,
    /// Chipp asks for a longer wait than `retry.max_backoff`, or the wait would outlast the exchange.
    TooLong,
    /// There have been too many retries for other requests.
    NoBudget,
}

/// Decides. `may_spend` is asked for a retry from the budget, last of all.
pub fn decide(settings: &Retry, failed: Failed, so_far: SoFar, may_spend: impl FnOnce() -> bool) -> Decision {
    if !settings.on.contains(&failed.fault) {
        return Decision::GiveUp(Why::NotWanted);
    }
    if so_far.calls >= settings.attempts {
        return Decision::GiveUp(Why::NoAttempts);
    }
    let asked = failed.retry_after.unwrap_or_default();
    let after = backoff(settings, so_far.calls, so_far.chance).max(asked);
    if asked > settings.max_backoff || after >= so_far.left {
        return Decision::GiveUp(Why::TooLong);
    }
    if !may_spend() {
        return Decision::GiveUp(Why::NoBudget);
    }
    Decision::Retry { after, session: failed.session }
}

/// Full jitter: anything from nothing to the bound, so that those who failed together do not come back together.
fn backoff(settings: &Retry, calls: u32, chance: u64) -> Duration {
    let doubled = 1_u32.checked_shl(calls.saturating_sub(1)).unwrap_or(u32::MAX);
    let bound = settings.backoff.saturating_mul(doubled).min(settings.max_backoff);
    let nanos = bound.as_nanos() * u128::from(chance) / u128::from(u64::MAX);
    u64::try_from(nanos).map_or(bound, Duration::from_nanos)
}

/// The class of a request that got no answer, and its session; `None` where no other call can help.
pub fn unsent(failed: SendError) -> Option<(Fault, Session)> {
    let fault = match (failed.kind, failed.sent) {
        // Not Chipp's doing, or no time left to do anything.
        (SendErrorKind::Unsendable | SendErrorKind::TotalTimeout, _) => return None,
        (_, Sent::Never) => return Some((Fault::Connect, session(failed.sent))),
        (SendErrorKind::HeadTimeout | SendErrorKind::ConnectTimeout, Sent::Unknown) => Fault::Timeout,
        (
            SendErrorKind::Resolve
            | SendErrorKind::Connect
            | SendErrorKind::Tls
            | SendErrorKind::Disconnected,
            Sent::Unknown,
        ) => Fault::Reset,
        (
            SendErrorKind::Malformed
            | SendErrorKind::Interim
            | SendErrorKind::Mismatched
            | SendErrorKind::UnknownCoding
            | SendErrorKind::Unframed,
            Sent::Unknown,
        ) => Fault::ServerError,
    };
    Some((fault, session(failed.sent)))
}

/// The session of a request of which so much was sent.
pub fn session(sent: Sent) -> Session {
    match sent {
        Sent::Never => Session::Same,
        Sent::Unknown => Session::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> Retry {
        Retry { attempts: 3, backoff: SECOND, max_backoff: 3 * SECOND, ..Retry::default() }
    }

    fn so_far() -> SoFar {
        SoFar { calls: 1, left: 60 * SECOND, chance: u64::MAX }
    }

    fn failed(fault: Fault) -> Failed {
        Failed { fault, session: Session::Fresh, retry_after: None }
    }

    fn after(seconds: u32) -> Decision {
        Decision::Retry { after: seconds * SECOND, session: Session::Fresh }
    }

    #[test]
    fn what_is_tried_again_is_what_the_configuration_names() {
        let all = [
            (Fault::Connect, true),
            (Fault::RateLimit, true),
            (Fault::Unavailable, true),
            (Fault::Timeout, false),
            (Fault::ServerError, false),
            (Fault::Reset, false),
        ];
        for (fault, by_default) in all {
            let expected = if by_default { after(1) } else { Decision::GiveUp(Why::NotWanted) };
            assert_eq!(decide(&settings(), failed(fault), so_far(), || true), expected, "{fault:?}");
            let only = Retry { on: vec![fault], ..settings() };
            for (other, _) in all {
                let decision = decide(&only, failed(other), so_far(), || true);
                assert_eq!(decision == after(1), other == fault, "{fault:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_table_of_waits() {
        let asked = |seconds: u32| Failed { retry_after: Some(seconds * SECOND), ..failed(Fault::RateLimit) };
        let plain = failed(Fault::RateLimit);
        let so_far = so_far();
        let none = SoFar { chance: 0, ..so_far };
        let half = SoFar { chance: u64::MAX / 2, ..so_far };
        let short = SoFar { left: 2 * SECOND, ..so_far };
        let second = SoFar { calls: 2, ..so_far };
        let table = [
            ("the first", plain, so_far, after(1)),
            ("chance at its least", plain, none, after(0)),
            ("the second is twice as long", plain, second, after(2)),
            (
                "attempts are all calls",
                plain,
                SoFar { calls: 3, ..so_far },
                Decision::GiveUp(Why::NoAttempts),
            ),
            ("Chipp's wait", asked(2), so_far, after(2)),
            ("never less than Chipp's wait", asked(3), none, after(3)),
            ("Chipp's wait is shorter", asked(0), so_far, after(1)),
            ("Chipp's wait is too long", asked(4), so_far, Decision::GiveUp(Why::TooLong)),
            ("longer than there is time", asked(2), short, Decision::GiveUp(Why::TooLong)),
            ("just within the time", asked(1), short, after(1)),
            ("no time", plain, SoFar { left: Duration::ZERO, ..none }, Decision::GiveUp(Why::TooLong)),
        ];
        for (name, failed, so_far, expected) in table {
            assert_eq!(decide(&settings(), failed, so_far, || true), expected, "{name}");
        }
        let Decision::Retry { after, .. } = decide(&settings(), plain, half, || true) else { panic!() };
        assert!(after > SECOND * 4 / 10 && after < SECOND * 6 / 10, "{after:?}");
    }

    #[test]
    fn waits_grow_to_their_bound_and_no_further() {
        let many = Retry { attempts: u32::MAX, ..settings() };
        for (calls, seconds) in [(1, 1), (2, 2), (3, 3), (4, 3), (40, 3), (u32::MAX - 1, 3)] {
            let so_far = SoFar { calls, ..so_far() };
            assert_eq!(decide(&many, failed(Fault::Connect), so_far, || true), after(seconds), "{calls}");
        }
    }

    #[test]
    fn the_budget_is_asked_last_and_its_no_counts() {
        let denied = decide(&settings(), failed(Fault::Connect), so_far(), || false);
        assert_eq!(denied, Decision::GiveUp(Why::NoBudget));
        let unasked = || -> bool { panic!("nothing is spent on what is not done") };
        let used_up = SoFar { calls: 3, ..so_far() };
        assert_eq!(
            decide(&settings(), failed(Fault::Connect), used_up, unasked),
            Decision::GiveUp(Why::NoAttempts)
        );
    }

    #[test]
    fn every_way_of_not_getting_an_answer() {
        let fresh = |fault| Some((fault, Session::Fresh));
        let table = [
            (SendErrorKind::Unsendable, None),
            (SendErrorKind::Resolve, fresh(Fault::Reset)),
            (SendErrorKind::Connect, fresh(Fault::Reset)),
            (SendErrorKind::Tls, fresh(Fault::Reset)),
            (SendErrorKind::ConnectTimeout, fresh(Fault::Timeout)),
            (SendErrorKind::HeadTimeout, fresh(Fault::Timeout)),
            (SendErrorKind::TotalTimeout, None),
            (SendErrorKind::Disconnected, fresh(Fault::Reset)),
            (SendErrorKind::Malformed, fresh(Fault::ServerError)),
            (SendErrorKind::Interim, fresh(Fault::ServerError)),
            (SendErrorKind::Mismatched, fresh(Fault::ServerError)),
            (SendErrorKind::UnknownCoding, fresh(Fault::ServerError)),
            (SendErrorKind::Unframed, fresh(Fault::ServerError)),
        ];
        for (kind, expected) in table {
            assert_eq!(unsent(SendError { kind, sent: Sent::Unknown }), expected, "{kind:?}");
            let never = expected.map(|_| (Fault::Connect, Session::Same));
            assert_eq!(unsent(SendError { kind, sent: Sent::Never }), never, "{kind:?}");
        }
    }
}
