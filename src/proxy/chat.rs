//! One chat completion, from the request's body to the answer.
//!
//! What is settled here is the turn: exactly one of `untouched`, `complete`, or dropped in doubt.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::catalog::Route;
use crate::chipp::{self, ErrorKind, Failure};
use crate::config::Strategy;
use crate::ids::{ChatSessionId, CompletionId};
use crate::limits::{Denied, Standing, Subject};
use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::chunk::IncludeUsage;
use crate::openai::completion::Completion;
use crate::proxy::exchange::{Exchange, Head, Hints, Refused, SessionWish};
use crate::proxy::stream::{self, Frames};
use crate::proxy::{Caller, Worker, error};
use crate::secret::Secret;
use crate::session::{Mode, Outcome, ScopeParts, Turn};
use crate::telemetry::End;
use crate::translate;
use crate::translate::cut::Cutter;
use crate::translate::failure::{Facts, KeyOwner};
use crate::translate::reply::Volume;
use crate::upstream::{self, Accept};

/// Largest plain reply that is taken, in bytes.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Largest error body that is looked at, in bytes.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// What a client gets.
#[derive(Debug)]
pub enum Answer {
    /// A whole body.
    Plain {
        /// To be settled when the body is on its way.
        exchange: Exchange,
        /// `chat.completion`
        body: Vec<u8>,
    },
    /// A stream of server-sent events.
    Stream {
        /// What is known when the stream begins.
        head: Head,
        /// The events.
        frames: Frames,
    },
}

/// Answers one request.
///
/// # Errors
/// What the client is told instead of an answer; for a stream, only what fails before its first byte.
pub async fn chat(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    hints: &Hints,
    body: Bytes,
) -> Result<Answer, Box<Refused>> {
    let call = Call::prepare(worker, caller, exchange, hints, body)?;
    match call.accept {
        Accept::Json => call.answer().await,
        Accept::Stream => stream::start(call).await,
    }
}

/// One exchange with Chipp, and all it takes to begin it anew.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) worker: Worker,
    pub(super) exchange: Exchange,
    /// `None` once it is settled.
    pub(super) turn: Option<Turn>,
    pub(super) cutter: Cutter,
    /// `model`, as the client asked for it.
    pub(super) model: String,
    pub(super) include_usage: IncludeUsage,
    route: Arc<Route>,
    key: Secret,
    key_owner: KeyOwner,
    accept: Accept,
    /// The client's body: a replay reads it again, which costs nothing as long as none is needed.
    client_body: Bytes,
    /// The body for Chipp.
    body: Bytes,
    /// Bytes of text in the whole history.
    prompt_bytes: usize,
    deadline: tokio::time::Instant,
}

impl Call {
    /// Reads, routes, admits, translates, and finds the session.
    fn prepare(
        worker: &Worker,
        caller: &Caller,
        mut exchange: Exchange,
        hints: &Hints,
        client_body: Bytes,
    ) -> Result<Self, Box<Refused>> {
        let shared = &worker.shared;
        macro_rules! or_refuse {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(error) => return Err(Refused::new(error, exchange)),
                }
            };
        }
        let mut request = or_refuse!(ChatRequest::parse(&client_body));
        exchange.record.is_stream = request.stream;
        let route = shared
            .config
            .models
            .resolve(&request.model)
            .filter(|_| caller.may_use(&request.model));
        let route = Arc::clone(or_refuse!(
            route.ok_or_else(|| Error::model_not_found(&request.model))
        ));
        exchange.record.alias = Some(Arc::clone(&route.alias));
        let user = hints.user.as_deref().or(request.user.as_deref());
        exchange.standing = match admit(worker, caller, user, &route) {
            Ok(standing) => standing,
            Err(denied) => {
                // Who is denied is told how the limit stands, too.
                exchange.standing = Some(denied.standing);
                return Err(Refused::new(error::denied(&denied, &request.model), exchange));
            }
        };
        exchange.ignored = or_refuse!(translate::request::parameters(
            &request,
            &route,
            shared.config.parameters
        ))
        .join(",");
        let messages = or_refuse!(translate::request::messages(
            std::mem::take(&mut request.messages),
            &route
        ));
        let scope = shared.fingerprinter.scope(ScopeParts {
            credential: &caller.digest,
            user,
            app: route.app.as_str(),
            conversation: hints.conversation.as_deref(),
        });
        let mode = match (shared.config.sessions.strategy, hints.session) {
            (Strategy::Off, _) | (_, SessionWish::Off) => Mode::Off,
            (Strategy::Conversation, SessionWish::New) => Mode::Fresh,
            (Strategy::Conversation, SessionWish::Usual) => Mode::Conversation,
        };
        let operators_key = route.key.clone().map(|key| (key, KeyOwner::Operator));
        let clients_key = caller.chipp_key.clone().map(|key| (key, KeyOwner::Client));
        let (key, key_owner) = or_refuse!(clients_key.or(operators_key).ok_or_else(Error::internal));
        let turn = Turn::begin(&shared.sessions, mode, &scope, &messages, Instant::now());
        exchange.set_outcome(turn.outcome());
        let accept = if request.stream {
            Accept::Stream
        } else {
            Accept::Json
        };
        let body = request_body(
            &route,
            accept,
            turn.session(),
            messages.get(turn.holds()..).unwrap_or(&messages),
        );
        Ok(Self {
            worker: worker.clone(),
            cutter: Cutter::new(&request.stop, request.max_tokens),
            include_usage: if request.include_usage {
                IncludeUsage::Yes
            } else {
                IncludeUsage::No
            },
            prompt_bytes: messages.iter().map(|message| message.content.len()).sum(),
            deadline: tokio::time::Instant::now() + shared.config.upstream.timeouts.total,
            model: request.model.into_owned(),
            turn: Some(turn),
            exchange,
            route,
            key,
            key_owner,
            accept,
            body,
            client_body,
        })
    }

    /// The plain answer.
    async fn answer(mut self) -> Result<Answer, Box<Refused>> {
        let shared = Arc::clone(&self.worker.shared);
        let fetched = tokio::select! {
            fetched = self.fetch() => fetched,
            () = shared.deadline.cancelled() => Err(Error::shutting_down()),
        };
        match fetched {
            Ok(reply) => Ok(self.finish(reply)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    async fn fetch(&mut self) -> Result<chipp::Reply, Error> {
        loop {
            let mut reply = self.connect().await?;
            let started = Instant::now();
            let body = reply.body.collect(MAX_REPLY_BYTES).await;
            self.exchange.waited(started.elapsed());
            let body = body.map_err(|broken| self.broken(broken))?;
            let mut answer = match chipp::Reply::parse(&body) {
                Ok(answer) => answer,
                Err(failure) if self.is_lost_session(&failure) => {
                    self.replay()?;
                    continue;
                }
                Err(failure) => return Err(self.failure(&failure)),
            };
            answer.session = answer.session.or(reply.session);
            if self.is_forgotten(answer.session.as_ref()) {
                self.replay()?;
                continue;
            }
            return Ok(answer);
        }
    }

    fn finish(mut self, reply: chipp::Reply) -> Answer {
        let mut content = reply.text;
        if !self.cutter.is_idle() {
            content = self.cutter.push(&content);
            content.push_str(&self.cutter.finish());
        }
        self.settle(reply.finish, reply.session, &content);
        let usage = self.usage(reply.usage, content.len());
        let completion = Completion {
            id: &CompletionId::mint(),
            created: unix_seconds(),
            model: &self.model,
            content: &content,
            finish_reason: translate::reply::finish_reason(reply.finish, self.cutter.cut()),
            usage,
        };
        let body = completion.to_json();
        Answer::Plain {
            exchange: self.exchange,
            body,
        }
    }

    /// Sends the request until an answer with status 200 begins, in the session that was meant or in a new one.
    pub(super) async fn connect(&mut self) -> Result<upstream::Reply, Error> {
        loop {
            let started = Instant::now();
            let call = upstream::Call {
                key: &self.key,
                body: self.body.clone(),
                session: self.turn.as_ref().and_then(Turn::session),
                correlation_id: self.exchange.record.request_id.as_str(),
                accept: self.accept,
                deadline: self.deadline,
            };
            let sent = self.worker.client.send(call).await;
            self.exchange.waited(started.elapsed());
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
                self.replay()?;
                continue;
            }
            return Err(self.reported(&error, reply.status, reply.retry_after));
        }
    }

    /// Whether Chipp answered in another session than the one meant: then it had forgotten that one.
    pub(super) fn is_forgotten(&self, named: Option<&ChatSessionId>) -> bool {
        self.session()
            .zip(named)
            .is_some_and(|(meant, named)| meant != named)
    }

    pub(super) fn is_lost_session(&self, failure: &Failure) -> bool {
        let is_unknown = matches!(failure, Failure::Api(error) if error.kind == ErrorKind::UnknownSession);
        is_unknown && self.session().is_some()
    }

    fn session(&self) -> Option<&ChatSessionId> {
        self.turn.as_ref().and_then(Turn::session)
    }

    /// Gives the session up, and makes the request anew with the whole history.
    pub(super) fn replay(&mut self) -> Result<(), Error> {
        if let Some(turn) = &mut self.turn {
            turn.forget();
        }
        let request = ChatRequest::parse(&self.client_body)?;
        let messages = translate::request::messages(request.messages, &self.route)?;
        self.body = request_body(&self.route, self.accept, None, &messages);
        self.exchange.set_outcome(Outcome::Replayed);
        self.exchange.record.metrics().sessions_lost.inc();
        Ok(())
    }

    /// The answer is complete. The session is kept if Chipp holds just what the client got.
    pub(super) fn settle(
        &mut self,
        finish: chipp::FinishReason,
        named: Option<ChatSessionId>,
        content: &str,
    ) {
        let Some(turn) = self.turn.take() else { return };
        if self.cutter.cut().is_none() && finish != chipp::FinishReason::ContentFilter {
            turn.complete(named, content, Instant::now());
        }
    }

    /// The client's usage; also for the log.
    pub(super) fn usage(
        &mut self,
        given: Option<chipp::Usage>,
        answer_bytes: usize,
    ) -> crate::openai::usage::Usage {
        let volume = Volume {
            prompt_bytes: self.prompt_bytes,
            answer_bytes,
        };
        let (usage, source) = translate::reply::usage(given, self.cutter.cut(), volume);
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
    fn unsent(&mut self, failed: upstream::SendError) -> Error {
        self.exchange
            .record
            .metrics()
            .upstream_error(error::send_kind(failed));
        if failed.sent == upstream::Sent::Never {
            self.put_back();
        }
        error::unsent(failed)
    }

    /// Chipp answered with an error status.
    fn reported(
        &mut self,
        reported: &chipp::ApiError,
        status: u16,
        retry_after: Option<std::time::Duration>,
    ) -> Error {
        self.note(reported);
        // What is refused with these has not become part of a conversation.
        if matches!(status, 400 | 401 | 402 | 403 | 404 | 413 | 422 | 429) {
            self.put_back();
        }
        translate::failure::api_error(reported, self.facts(retry_after))
    }

    /// The reply failed after its head.
    pub(super) fn failure(&mut self, failure: &Failure) -> Error {
        match failure {
            Failure::Api(reported) => self.note(reported),
            _ => self
                .exchange
                .record
                .metrics()
                .upstream_error(error::failure_kind(failure)),
        }
        translate::failure::failure(failure, self.facts(None))
    }

    /// The reply's body broke off.
    pub(super) fn broken(&mut self, broken: upstream::BodyError) -> Error {
        self.exchange
            .record
            .metrics()
            .upstream_error(error::body_kind(broken));
        error::broken(broken)
    }

    fn note(&self, reported: &chipp::ApiError) {
        let metrics = self.exchange.record.metrics();
        metrics.upstream_error(error::api_kind(&reported.kind));
        if reported.kind == ErrorKind::InvalidKey && self.key_owner == KeyOwner::Operator {
            metrics.upstream_auth_failures.inc();
            tracing::error!(
                request_id = self.exchange.record.request_id.as_str(),
                alias = &*self.route.alias,
                "Chipp refuses the key of this alias"
            );
        }
    }

    fn put_back(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.untouched(Instant::now());
        }
    }

    fn facts(&self, retry_after: Option<std::time::Duration>) -> Facts<'_> {
        Facts {
            model: &self.model,
            secrets: [
                Some(self.route.app.as_str()),
                self.session().map(ChatSessionId::as_str),
                Some(self.key.expose()),
            ],
            key_owner: self.key_owner,
            retry_after,
        }
    }
}

fn request_body(
    route: &Route,
    accept: Accept,
    session: Option<&ChatSessionId>,
    messages: &[chipp::Message<'_>],
) -> Bytes {
    let stream = accept == Accept::Stream;
    chipp::Request {
        app: &route.app,
        messages,
        stream,
        session,
    }
    .to_json()
    .into()
}

fn admit(
    worker: &Worker,
    caller: &Caller,
    user: Option<&str>,
    route: &Route,
) -> Result<Option<Standing>, Denied> {
    let shared = &worker.shared;
    let user = user.map(|user| {
        let scope = ScopeParts {
            credential: &caller.digest,
            user: Some(user),
            app: "",
            conversation: None,
        };
        shared.fingerprinter.scope(scope).short()
    });
    let subject = Subject {
        user,
        key: caller.digest,
        key_limit: caller.requests_per_minute,
        model: (&route.alias, route.requests_per_minute),
    };
    let admitted = shared.limits.admit(&subject);
    if let Err(denied) = &admitted {
        shared.metrics.denied(denied.standing.rule.as_str());
    }
    admitted
}

/// Seconds since 1970, for `created`.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
