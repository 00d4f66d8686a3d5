//! What is done about a failure before the first byte of an answer: the same app once more, then other apps.
//!
//! A fallback is another alias of the configuration, asked with the whole history in a session of its own. Fallbacks of
//! fallbacks are not asked. If none helps, the client is told what the app that it asked for said.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;

use crate::openai::Error;
use crate::proxy::call::Call;
use crate::proxy::error;
use crate::proxy::failed::{Cause, Failed};
use crate::upstream::breaker::{Change, Permit, State};
use crate::upstream::retry::{self, Decision, Session, SoFar, Why};

impl Call {
    /// Calls until there is an answer, or nothing more to be done. Dropping the future ends it all, waits too.
    pub(super) async fn pursue<T>(
        &mut self,
        once: impl AsyncFn(&mut Self) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let asked = Arc::clone(&self.attempt.route);
        let mut fallbacks = asked.fallbacks.iter();
        let mut first: Option<Error> = None;
        loop {
            let failed = match self.persist(&once).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let error = match first.take() {
                None if matches!(failed.cause, Cause::Request | Cause::OutOfTime) => return Err(failed.error),
                None => failed.error,
                // Who comes back would only set all this going again.
                Some(error) => error.should_retry(false),
            };
            if !fallbacks.any(|alias| self.turn_to(alias)) {
                return Err(error);
            }
            first = Some(error);
        }
    }

    /// Calls one app, as often as `upstream.retry` allows. When it gives up, the session is settled.
    async fn persist<T>(&mut self, once: &impl AsyncFn(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        let mut calls = 0;
        loop {
            calls += 1;
            let mut failed = match once(self).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match self.judge(&failed, calls) {
                Decision::Retry { after, session } => {
                    if session == Session::Fresh {
                        self.begin_anew()?;
                    }
                    sleep(after).await;
                    self.exchange.waited(after);
                }
                Decision::GiveUp(why) => {
                    match failed.session {
                        Session::Same => self.attempt.put_back().await,
                        Session::Fresh => self.attempt.doubt(),
                    }
                    let has_tried = calls > 1 || why == Why::NoBudget;
                    if has_tried && failed.cause != Cause::Request {
                        failed.error.should_retry = Some(false);
                    }
                    return Err(failed);
                }
            }
        }
    }

    /// Whether a failed call is worth another one.
    fn judge(&self, failed: &Failed, calls: u32) -> Decision {
        let Cause::Fault(fault) = failed.cause else {
            return Decision::GiveUp(Why::NotWanted);
        };
        if failed.session == Session::Fresh
            && self.attempt.turn.as_ref().is_some_and(|turn| turn.is_claimed())
        {
            // The only one that knows the conversation is the session in which the turn may be.
            return Decision::GiveUp(Why::NotWanted);
        }
        let shared = &self.worker.shared;
        if !self.worker.snapshot.breakers.is_closed(&self.attempt.route.app) {
            // Another call would not get through, and its refusal would hide what the app said.
            return Decision::GiveUp(Why::NotWanted);
        }
        let so_far = SoFar {
            calls,
            left: self.deadline.saturating_duration_since(tokio::time::Instant::now()),
            // Without chance the longest wait is the safest.
            chance: getrandom::u64().unwrap_or(u64::MAX),
        };
        let failed = retry::Failed { fault, session: failed.session, retry_after: failed.retry_after };
        let decision = retry::decide(&self.worker.snapshot.config.upstream.retry, failed, so_far, || {
            shared.retries.spend(Instant::now())
        });
        if let Decision::Retry { .. } = decision {
            shared.metrics.retry(error::fault(fault));
        }
        decision
    }

    /// The turn may be in the session: the whole history goes into a new one.
    fn begin_anew(&mut self) -> Result<(), Error> {
        if self.attempt.session().is_some() {
            self.ask.replay(&self.worker, &mut self.attempt)?;
            if let Some(turn) = &self.attempt.turn {
                self.exchange.set_outcome(turn.outcome());
            }
        }
        Ok(())
    }

    /// Makes the request anew for another alias; false if that cannot take it, or if there is no time left.
    fn turn_to(&mut self, alias: &Arc<str>) -> bool {
        let shared = &self.worker.shared;
        let has_time = tokio::time::Instant::now() < self.deadline;
        let Some(route) = self.worker.snapshot.config.models.resolve(alias).filter(|_| has_time) else {
            return false;
        };
        let Ok((attempt, outcome)) = self.ask.elsewhere(&self.worker, route, &self.attempt) else {
            return false;
        };
        self.attempt = attempt;
        self.exchange.set_outcome(outcome);
        self.exchange.record.fallback = Some(Arc::clone(alias));
        shared.metrics.fallbacks.inc();
        true
    }

    /// The leave to call the app, unless it is left alone.
    pub(super) fn admit(&self) -> Result<Permit, Failed> {
        let admitted = self.worker.snapshot.breakers.admit(&self.attempt.route.app, Instant::now());
        let (permit, change) = admitted.map_err(Failed::left_alone)?;
        self.note_change(change);
        Ok(permit)
    }

    /// Tells of a breaker that has changed.
    pub(super) fn note_change(&self, change: Option<Change>) {
        let Some(Change { alias, to }) = change else { return };
        self.worker.shared.metrics.breaker(&alias, to.as_str(), to.level());
        let state = to.as_str();
        if to == State::Open {
            tracing::warn!(alias = &*alias, state, "an app that keeps failing is left alone");
        } else {
            tracing::info!(alias = &*alias, state, "an app that was left alone is called again");
        }
    }
}
