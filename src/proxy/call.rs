//! One exchange with Chipp: what is sent, what comes back, and what that does to the turn.
//!
//! The turn is settled here, in exactly one way: `untouched`, `complete`, or dropped in doubt.

use std::time::{Duration, Instant};

use crate::chipp::stream::Dialect;
use crate::chipp::{self, ErrorKind, Failure};
use crate::ids::ChatSessionId;
use crate::limits::Owed;
use crate::openai::Error;
use crate::openai::usage::Usage;
use crate::proxy::exchange::{Exchange, Hints, Refused};
use crate::proxy::failed::Failed;
use crate::proxy::plan::{self, Ask, Attempt};
use crate::proxy::question::Question;
use crate::proxy::{Caller, Worker, error};
use crate::session::Outcome;
use crate::telemetry;
use crate::translate;
use crate::translate::cut::Cutter;
use crate::translate::failure::{Facts, KeyOwner};
use crate::translate::reply::UsageSource;
use crate::upstream;
use crate::upstream::breaker::{Change, Permit};
use crate::upstream::retry::Session;

/// Largest error body that is looked at, in bytes.
const MAX_ERROR_BYTES: usize = 1 << 20;

/// A request on its way: what is asked, and how it is tried.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) worker: Worker,
    pub(super) exchange: Exchange,
    pub(super) ask: Ask,
    pub(super) attempt: Attempt,
    /// Cuts this answer.
    pub(super) cutter: Cutter,
    /// Whether the app has had another turn to put its answer right, and what the one before has cost.
    pub(super) has_repaired: bool,
    pub(super) spent: Option<(Usage, UsageSource)>,
    /// When the whole exchange must be over.
    pub(super) deadline: tokio::time::Instant,
}

impl Call {
    /// Plans the request.
    pub(super) async fn prepare(
        worker: &Worker,
        caller: &Caller,
        mut exchange: Exchange,
        hints: Hints,
        question: &Question,
    ) -> Result<Self, Box<Refused>> {
        let worker = worker.clone();
        let deadline = tokio::time::Instant::now() + worker.snapshot.config.upstream.timeouts.total;
        match plan::make(&worker, caller, &mut exchange, hints, question).await {
            Ok((ask, attempt)) => {
                worker.shared.retries.earn();
                Ok(Self::new(worker, exchange, ask, attempt, deadline))
            }
            Err(error) => Err(Refused::new(error, exchange)),
        }
    }

    /// The same request once more, for another choice: in a session of its own, and with an exchange aside.
    pub(super) async fn beside(&self, exchange: &Exchange, choice: u32) -> Result<Self, Error> {
        let mut exchange = exchange.aside();
        let (attempt, outcome) = self.ask.beside(&self.worker, &self.attempt, choice).await?;
        exchange.set_outcome(outcome);
        Ok(Self::new(self.worker.clone(), exchange, self.ask.clone(), attempt, self.deadline))
    }

    fn new(
        worker: Worker,
        exchange: Exchange,
        ask: Ask,
        attempt: Attempt,
        deadline: tokio::time::Instant,
    ) -> Self {
        let cutter = ask.cutter.clone();
        Self { worker, exchange, ask, attempt, cutter, has_repaired: false, spent: None, deadline }
    }

    /// Sends the request until an answer with status 200 begins, in the session that was meant or in a new one.
    pub(super) async fn connect(&mut self) -> Result<upstream::Reply, Failed> {
        loop {
            let permit = self.admit()?;
            self.exchange.record.calls += 1;
            self.exchange.goes_out();
            let started = Instant::now();
            let call = upstream::Call {
                key: &self.attempt.key,
                body: self.attempt.body.clone(),
                session: self.attempt.session(),
                correlation_id: self.exchange.record.request_id.as_str(),
                accept: self.attempt.accept,
                deadline: self.deadline,
            };
            let sent = self.worker.client.send(call).await;
            self.exchange.waited(started.elapsed());
            self.note_change(verdict(permit, &sent));
            let mut reply = sent.map_err(|failed| self.unsent(failed))?;
            if reply.status == 200 {
                if self.is_forgotten(reply.session.as_ref()) {
                    self.replay()?;
                    continue;
                }
                return Ok(reply);
            }
            let started = Instant::now();
            // A body that cannot be read says nothing; the status still does.
            let body = reply.body.collect(MAX_ERROR_BYTES).await.unwrap_or_default();
            self.exchange.waited(started.elapsed());
            let error = chipp::error::classify(reply.status, &body);
            if error.kind == ErrorKind::UnknownSession && self.session().is_some() {
                self.exchange.is_repeatable();
                self.replay()?;
                continue;
            }
            return Err(self.reported(&error, reply.status, reply.retry_after));
        }
    }

    /// Whether Chipp answered in another session than the one meant: then it had forgotten that one.
    pub(super) fn is_forgotten(&self, named: Option<&ChatSessionId>) -> bool {
        self.session().zip(named).is_some_and(|(meant, named)| meant != named)
    }

    pub(super) fn is_lost_session(&self, failure: &Failure) -> bool {
        let is_unknown = matches!(failure, Failure::Api(error) if error.kind == ErrorKind::UnknownSession);
        is_unknown && self.session().is_some()
    }

    fn session(&self) -> Option<&ChatSessionId> {
        self.attempt.session()
    }

    /// Gives the session up, and makes the request anew with the whole history.
    pub(super) fn replay(&mut self) -> Result<(), Error> {
        self.ask.replay(&self.worker, &mut self.attempt)?;
        self.exchange.set_outcome(Outcome::Replayed);
        self.exchange.record.metrics().sessions_lost.inc();
        Ok(())
    }

    /// The answer is complete. The session is kept if Chipp holds just what the client got: `is_faithful`, if that is
    /// all and as it was said.
    pub(super) async fn settle(
        &mut self,
        finish: chipp::FinishReason,
        named: Option<ChatSessionId>,
        content: &str,
        is_faithful: bool,
    ) {
        if self.worker.snapshot.config.telemetry.content {
            telemetry::content::answer(&self.exchange.record.request_id, content);
        }
        let named = named.or_else(|| self.attempt.repaired_in.clone());
        self.tell_session(named.as_ref());
        let is_whole = self.cutter.cut().is_none() && finish != chipp::FinishReason::ContentFilter;
        let is_whole = is_whole && is_faithful && !self.has_repaired;
        let turn = self.attempt.turn.take();
        let keep = turn.map(|turn| if is_whole { turn.complete(named, content) } else { turn.doubt(named) });
        if let Some(keep) = keep {
            keep.put(Instant::now()).await;
        }
    }

    /// Notes the session for the client, if it is to know: the one that the reply named, or else the one gone on with.
    pub(super) fn tell_session(&mut self, named: Option<&ChatSessionId>) {
        let is_kept = self.attempt.turn.as_ref().is_some_and(|turn| turn.is_kept());
        if self.worker.snapshot.config.sessions.expose && is_kept {
            self.exchange.chat_session = named.or(self.attempt.session()).cloned();
        }
    }

    /// Refuses, with the turn dropped in doubt unless it was settled before.
    pub(super) fn refuse(self, error: Error) -> Box<Refused> {
        Refused::new(error, self.exchange)
    }

    /// No answer came.
    fn unsent(&mut self, failed: upstream::SendError) -> Failed {
        self.exchange.record.upstream_failed(error::send_kind(failed));
        let failed = Failed::unsent(failed);
        self.came_back(&failed, Owed::Nothing);
        failed
    }

    /// Chipp answered with an error status.
    fn reported(&mut self, reported: &chipp::ApiError, status: u16, retry_after: Option<Duration>) -> Failed {
        self.note(reported);
        let error = translate::failure::api_error(reported, self.facts(retry_after));
        let failed = Failed::reported(&reported.kind, status, self.attempt.key_owner, error);
        self.came_back(&failed, Owed::Request);
        Failed { retry_after, ..failed }
    }

    /// The reply failed after its head.
    pub(super) fn failure(&mut self, failure: &Failure) -> Failed {
        match failure {
            Failure::Api(reported) => self.note(reported),
            _ => self.exchange.record.upstream_failed(error::failure_kind(failure)),
        }
        let error = translate::failure::failure(failure, self.facts(None));
        Failed::in_reply(failure, self.attempt.key_owner, error)
    }

    /// The reply's body broke off.
    pub(super) fn broken(&mut self, broken: upstream::BodyError) -> Failed {
        self.exchange.record.upstream_failed(error::body_kind(broken));
        Failed::broken(broken)
    }

    /// If Chipp cannot have worked on it, that is not paid for, and may be repeated.
    fn came_back(&mut self, failed: &Failed, owed: Owed) {
        if failed.session == Session::Same {
            self.exchange.is_repeatable();
            if let Some(permit) = &mut self.exchange.permit {
                permit.came_back(owed);
            }
        }
    }

    /// The app took back text that the client has got already.
    pub(super) fn withdrawn(&mut self) -> Error {
        self.exchange.record.upstream_failed("withdrawn");
        Error::answer_withdrawn()
    }

    /// Notes finish words that nobody knows: each in the metric, the first of a dialect in the log.
    pub(super) fn note_unknown_words(&self, dialect: Option<Dialect>, words: &chipp::UnknownWords) {
        if words.count == 0 {
            return;
        }
        let dialect = dialect.map_or("unknown", Dialect::as_str);
        if self.worker.shared.metrics.unknown_finish_words(dialect, words.count) {
            tracing::warn!(dialect, word = &*words.first, "unknown finish word in an answer of the upstream");
        }
    }

    fn note(&mut self, reported: &chipp::ApiError) {
        self.exchange.record.upstream_failed(error::api_kind(&reported.kind));
        if reported.kind == ErrorKind::InvalidKey && self.attempt.key_owner == KeyOwner::Operator {
            self.exchange.record.metrics().upstream_auth_failures.inc();
            tracing::error!(
                request_id = self.exchange.record.request_id.as_str(),
                alias = &*self.attempt.route.alias,
                "Chipp refuses the key of this alias"
            );
        }
        if reported.kind == ErrorKind::UnknownRoute {
            tracing::error!(
                request_id = self.exchange.record.request_id.as_str(),
                alias = &*self.attempt.route.alias,
                "upstream.base_url: the upstream has no such route"
            );
        }
    }

    fn facts(&self, retry_after: Option<Duration>) -> Facts<'_> {
        Facts {
            model: &self.ask.model,
            secrets: [
                Some(self.attempt.route.app.as_str()),
                self.session().map(ChatSessionId::as_str),
                Some(self.attempt.key.expose()),
            ],
            key_owner: self.attempt.key_owner,
            retry_after,
        }
    }
}

/// What the head of an answer, or its absence, says of the app. What may come after a good head is the app's affair.
fn verdict(permit: Permit, sent: &Result<upstream::Reply, upstream::SendError>) -> Option<Change> {
    match sent {
        Ok(reply) if reply.status < 500 => permit.succeeded(),
        // Our own fault: it says nothing.
        Err(failed) if failed.kind == upstream::SendErrorKind::Unsendable => None,
        Ok(_) | Err(_) => permit.failed(Instant::now()),
    }
}
