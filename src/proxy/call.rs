//! One exchange with Chipp: what is sent, what comes back, and what that does to the turn.
//!
//! The turn is settled here, in exactly one way: `untouched`, `complete`, or dropped in doubt.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::chipp::{self, ErrorKind, Failure};
use crate::ids::ChatSessionId;
use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::usage::Usage;
use crate::proxy::exchange::{Exchange, Hints, Refused};
use crate::proxy::plan::{self, Plan};
use crate::proxy::{Caller, Worker, error};
use crate::session::{Outcome, Turn};
use crate::telemetry::End;
use crate::translate;
use crate::translate::failure::{Facts, KeyOwner};
use crate::translate::reply::Volume;
use crate::upstream;

/// Largest error body that is looked at, in bytes.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// A request on its way, and all it takes to begin it anew.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) worker: Worker,
    pub(super) exchange: Exchange,
    pub(super) plan: Plan,
    /// The client's body: a replay reads it again, which costs nothing as long as none is needed.
    client_body: Bytes,
    deadline: tokio::time::Instant,
}

impl Call {
    /// Plans the request.
    pub(super) async fn prepare(
        worker: &Worker,
        caller: &Caller,
        mut exchange: Exchange,
        hints: &Hints,
        client_body: Bytes,
    ) -> Result<Self, Box<Refused>> {
        let worker = worker.clone();
        let deadline = tokio::time::Instant::now() + worker.shared.config.upstream.timeouts.total;
        match Plan::make(&worker.shared, caller, &mut exchange, hints, &client_body).await {
            Ok(plan) => Ok(Self { worker, exchange, plan, client_body, deadline }),
            Err(error) => Err(Refused::new(error, exchange)),
        }
    }

    /// Sends the request until an answer with status 200 begins, in the session that was meant or in a new one.
    pub(super) async fn connect(&mut self) -> Result<upstream::Reply, Error> {
        loop {
            let started = Instant::now();
            let call = upstream::Call {
                key: &self.plan.key,
                body: self.plan.body.clone(),
                session: self.plan.turn.as_ref().and_then(Turn::session),
                correlation_id: self.exchange.record.request_id.as_str(),
                accept: self.plan.accept,
                deadline: self.deadline,
            };
            let sent = self.worker.client.send(call).await;
            self.exchange.waited(started.elapsed());
            let mut reply = match sent {
                Ok(reply) => reply,
                Err(failed) => return Err(self.unsent(failed).await),
            };
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
                self.replay()?;
                continue;
            }
            return Err(self.reported(&error, reply.status, reply.retry_after).await);
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
        self.plan.turn.as_ref().and_then(Turn::session)
    }

    /// Gives the session up, and makes the request anew with the whole history.
    pub(super) fn replay(&mut self) -> Result<(), Error> {
        if let Some(turn) = &mut self.plan.turn {
            turn.forget();
        }
        let request = ChatRequest::parse(&self.client_body)?;
        let messages = translate::request::messages(request.messages, &self.plan.route)?;
        self.plan.body = plan::request_body(&self.plan.route, self.plan.accept, None, &messages);
        self.exchange.set_outcome(Outcome::Replayed);
        self.exchange.record.metrics().sessions_lost.inc();
        Ok(())
    }

    /// The answer is complete. The session is kept if Chipp holds just what the client got.
    pub(super) async fn settle(
        &mut self,
        finish: chipp::FinishReason,
        named: Option<ChatSessionId>,
        content: &str,
    ) {
        let is_whole = self.plan.cutter.cut().is_none() && finish != chipp::FinishReason::ContentFilter;
        let turn = self.plan.turn.take().filter(|_| is_whole);
        if let Some(keep) = turn.map(|turn| turn.complete(named, content)) {
            keep.put(Instant::now()).await;
        }
    }

    /// The client's usage; also for the log.
    pub(super) fn usage(&mut self, given: Option<chipp::Usage>, answer_bytes: usize) -> Usage {
        let volume = Volume { prompt_bytes: self.plan.prompt_bytes, answer_bytes };
        let (usage, source) = translate::reply::usage(given, self.plan.cutter.cut(), volume);
        self.exchange.usage = Some(source);
        self.exchange.record.tokens = Some((usage.prompt_tokens, usage.completion_tokens));
        self.exchange.record.end = End::Complete;
        usage
    }

    /// Refuses, with the turn dropped in doubt unless it was settled before.
    pub(super) fn refuse(self, error: Error) -> Box<Refused> {
        Refused::new(error, self.exchange)
    }

    /// No answer came.
    async fn unsent(&mut self, failed: upstream::SendError) -> Error {
        self.exchange.record.upstream_failed(error::send_kind(failed));
        if failed.sent == upstream::Sent::Never {
            self.put_back().await;
        }
        error::unsent(failed)
    }

    /// Chipp answered with an error status.
    async fn reported(
        &mut self,
        reported: &chipp::ApiError,
        status: u16,
        retry_after: Option<Duration>,
    ) -> Error {
        self.note(reported);
        // What is refused with these has not become part of a conversation.
        if matches!(status, 400 | 401 | 402 | 403 | 404 | 413 | 422 | 429) {
            self.put_back().await;
        }
        translate::failure::api_error(reported, self.facts(retry_after))
    }

    /// The reply failed after its head.
    pub(super) fn failure(&mut self, failure: &Failure) -> Error {
        match failure {
            Failure::Api(reported) => self.note(reported),
            _ => self.exchange.record.upstream_failed(error::failure_kind(failure)),
        }
        translate::failure::failure(failure, self.facts(None))
    }

    /// The reply's body broke off.
    pub(super) fn broken(&mut self, broken: upstream::BodyError) -> Error {
        self.exchange.record.upstream_failed(error::body_kind(broken));
        error::broken(broken)
    }

    fn note(&mut self, reported: &chipp::ApiError) {
        self.exchange.record.upstream_failed(error::api_kind(&reported.kind));
        if reported.kind == ErrorKind::InvalidKey && self.plan.key_owner == KeyOwner::Operator {
            self.exchange.record.metrics().upstream_auth_failures.inc();
            tracing::error!(
                request_id = self.exchange.record.request_id.as_str(),
                alias = &*self.plan.route.alias,
                "Chipp refuses the key of this alias"
            );
        }
    }

    async fn put_back(&mut self) {
        if let Some(keep) = self.plan.turn.take().map(Turn::untouched) {
            keep.put(Instant::now()).await;
        }
    }

    fn facts(&self, retry_after: Option<Duration>) -> Facts<'_> {
        Facts {
            model: &self.plan.model,
            secrets: [
                Some(self.plan.route.app.as_str()),
                self.session().map(ChatSessionId::as_str),
                Some(self.plan.key.expose()),
            ],
            key_owner: self.plan.key_owner,
            retry_after,
        }
    }
}
