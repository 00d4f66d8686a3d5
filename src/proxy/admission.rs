//! May this request pass? Asked when all else of it is in order and before its session is taken: who waits here, or is
//! sent away, keeps nobody from anything.

use std::time::Instant;

use crate::catalog::Route;
use crate::limits::{Cost, Refusal, Subject};
use crate::openai::Error;
use crate::openai::usage::estimate_tokens;
use crate::proxy::exchange::Exchange;
use crate::proxy::{Caller, Worker, error};
use crate::session::ScopeParts;

/// Tokens that an answer is thought to take if the client does not say how long it may be. Put right when it is there.
const ANSWER_TOKENS: u64 = 512;

/// What the limits need to know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) caller: &'a Caller,
    pub(super) user: Option<&'a str>,
    /// `model`, as the client asked for it, and who answers to that.
    pub(super) model: &'a str,
    pub(super) route: &'a Route,
    /// Bytes of text in the whole history.
    pub(super) prompt_bytes: usize,
    /// Tokens that the answer may have.
    pub(super) max_tokens: Option<u64>,
    /// Answers that are wanted, each of them the work of a call of its own.
    pub(super) choices: u32,
}

/// Counts the request and waits for its turn, if there are limits. The permit, and how the limits stand, are noted in
/// `exchange`.
pub(super) async fn admit(
    worker: &Worker,
    applicant: Applicant<'_>,
    exchange: &mut Exchange,
) -> Result<(), Error> {
    let (shared, settings) = (&worker.shared, &worker.snapshot.config.limits);
    let Applicant { caller, user, model, route, prompt_bytes, max_tokens, choices } = applicant;
    let user = user.filter(|_| !settings.user.is_empty()).map(|user| {
        let scope = ScopeParts { credential: &caller.digest, user: Some(user), app: "", conversation: None };
        shared.fingerprinter.scope(scope).short()
    });
    let subject = Subject {
        settings,
        user,
        key: caller.digest,
        key_limits: caller.limits,
        alias: &route.alias,
        alias_digest: route.limits.map_or([0; 16], |_| shared.fingerprinter.digest(route.alias.as_bytes())),
        alias_limits: route.limits,
    };
    let prompt = estimate_tokens(prompt_bytes);
    let each = prompt.saturating_add(max_tokens.unwrap_or(ANSWER_TOKENS));
    let choices = u64::from(choices);
    let cost = Cost { prompt: prompt.saturating_mul(choices), total: each.saturating_mul(choices) };
    let admitted = tokio::select! {
        biased;
        admitted = shared.limits.admit(&subject, cost, Instant::now()) => admitted,
        () = shared.deadline.cancelled() => return Err(Error::shutting_down()),
    };
    match admitted {
        Ok(Some((permit, standings))) => {
            exchange.permit = Some(permit);
            exchange.standings = standings;
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(refusal) => {
            if let Refusal::Denied(denied) = &refusal {
                shared.metrics.denied(denied.rule.as_str());
                // Who is denied is told how the limits stand, too.
                exchange.standings = denied.standings;
            }
            Err(error::refused(&refusal, model))
        }
    }
}
