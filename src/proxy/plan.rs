//! What a client asks for, and what one app is to be asked for it.
//!
//! An [`Ask`] stays the same whatever happens. An [`Attempt`] is made from it for one app and one session; a replay
//! and a fallback make another one, from the client's own body.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::catalog::Route;
use crate::chipp;
use crate::config::{LearnSession, Strategy};
use crate::ids::ChatSessionId;
use crate::limits::{Denied, Standing, Subject};
use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::chunk::IncludeUsage;
use crate::proxy::exchange::{Exchange, Hints, SessionWish};
use crate::proxy::{Caller, Shared, error};
use crate::secret::Secret;
use crate::session::{Mode, Outcome, Scope, ScopeParts, Turn};
use crate::telemetry::content;
use crate::translate;
use crate::translate::cut::Cutter;
use crate::translate::failure::KeyOwner;
use crate::upstream::Accept;

/// What the client wants, and who it is.
#[derive(Debug)]
pub(super) struct Ask {
    /// `model`, as the client asked for it.
    pub(super) model: String,
    /// Whether a stream is wanted.
    pub(super) accept: Accept,
    pub(super) include_usage: IncludeUsage,
    pub(super) cutter: Cutter,
    /// Bytes of text in the whole history.
    pub(super) prompt_bytes: usize,
    /// The client's body: another attempt reads it again, which costs nothing as long as none is needed.
    body: Bytes,
    credential: [u8; 16],
    hints: Hints,
    mode: Mode,
}

/// A request that may be sent to one app.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Who answers.
    pub(super) route: Arc<Route>,
    /// The key for Chipp, and whose it is.
    pub(super) key: Secret,
    pub(super) key_owner: KeyOwner,
    /// What Chipp is asked for: not always what the client wants.
    pub(super) accept: Accept,
    /// `None` once it is settled.
    /// Boxed, since it holds a hash that goes on: some two thousand bytes, in a future that is moved about.
    pub(super) turn: Option<Box<Turn>>,
    /// The body for Chipp.
    pub(super) body: Bytes,
}

/// Reads, routes, admits, translates, and finds the session; what the answer's head will say of that is noted in
/// `exchange`. The session is taken last: nothing fails after that.
pub(super) async fn make(
    shared: &Shared,
    caller: &Caller,
    exchange: &mut Exchange,
    hints: Hints,
    body: &Bytes,
) -> Result<(Ask, Attempt), Error> {
    if shared.config.telemetry.content {
        content::question(&exchange.record.request_id, body);
    }
    let mut request = ChatRequest::parse(body)?;
    exchange.record.is_stream = request.stream;
    let route = shared.config.models.resolve(&request.model).filter(|_| caller.may_use(&request.model));
    let route = Arc::clone(route.ok_or_else(|| Error::model_not_found(&request.model))?);
    exchange.record.alias = Some(Arc::clone(&route.alias));
    let user = hints.user.as_deref().or(request.user.as_deref());
    match admit(shared, caller, user, &route) {
        Ok(standing) => exchange.standing = standing,
        Err(denied) => {
            // Who is denied is told how the limit stands, too.
            exchange.standing = Some(denied.standing);
            return Err(error::denied(&denied, &request.model));
        }
    }
    let ignored = translate::request::parameters(&request, &route, shared.config.parameters)?;
    exchange.ignored = ignored.join(",");
    let messages = translate::request::messages(std::mem::take(&mut request.messages), &route)?;
    let (key, key_owner) = key(caller, &route).ok_or_else(Error::internal)?;
    let scope = scope(shared, &caller.digest, user, &hints, &route);
    let mode = mode(shared.config.sessions.strategy, hints.session);
    let mut turn = Turn::begin(&shared.sessions, mode, &scope, &messages);
    turn.seek(Instant::now()).await;
    exchange.set_outcome(turn.outcome());
    let wanted = if request.stream { Accept::Stream } else { Accept::Json };
    let accept = accept(shared, wanted, &turn);
    let unsent = messages.get(turn.holds()..).unwrap_or(&messages);
    let attempt = Attempt {
        body: request_body(&route, accept, turn.session(), unsent),
        accept,
        turn: Some(Box::new(turn)),
        route,
        key,
        key_owner,
    };
    let ask = Ask {
        accept: wanted,
        include_usage: if request.include_usage { IncludeUsage::Yes } else { IncludeUsage::No },
        cutter: Cutter::new(&request.stop, request.max_tokens),
        prompt_bytes: messages.iter().map(|message| message.content.len()).sum(),
        model: request.model.into_owned(),
        credential: caller.digest,
        mode,
        body: body.clone(),
        hints,
    };
    Ok((ask, attempt))
}

impl Ask {
    /// Gives the session of an attempt up: the whole history goes into a new one.
    pub(super) fn replay(&self, shared: &Shared, attempt: &mut Attempt) -> Result<(), Error> {
        if let Some(turn) = &mut attempt.turn {
            turn.forget();
            attempt.accept = accept(shared, self.accept, turn);
        }
        let request = ChatRequest::parse(&self.body)?;
        let messages = translate::request::messages(request.messages, &attempt.route)?;
        attempt.body = request_body(&attempt.route, attempt.accept, None, &messages);
        Ok(())
    }

    /// The same for another app, in a new session, and what is to be said of that. A key that the client brought is
    /// used for it too.
    pub(super) fn elsewhere(
        &self,
        shared: &Shared,
        route: &Arc<Route>,
        failed: &Attempt,
    ) -> Result<(Attempt, Outcome), Error> {
        let mut request = ChatRequest::parse(&self.body)?;
        translate::request::parameters(&request, route, shared.config.parameters)?;
        let messages = translate::request::messages(std::mem::take(&mut request.messages), route)?;
        let key = match failed.key_owner {
            KeyOwner::Client => failed.key.clone(),
            KeyOwner::Operator => route.key.clone().ok_or_else(Error::internal)?,
        };
        let user = self.hints.user.as_deref().or(request.user.as_deref());
        let scope = scope(shared, &self.credential, user, &self.hints, route);
        let turn = Turn::begin(&shared.sessions, self.mode, &scope, &messages);
        let outcome = turn.outcome();
        let accept = accept(shared, self.accept, &turn);
        let attempt = Attempt {
            body: request_body(route, accept, None, &messages),
            accept,
            turn: Some(Box::new(turn)),
            route: Arc::clone(route),
            key,
            key_owner: failed.key_owner,
        };
        Ok((attempt, outcome))
    }
}

impl Attempt {
    /// The session that is gone on with.
    pub(super) fn session(&self) -> Option<&ChatSessionId> {
        self.turn.as_ref().and_then(|turn| turn.session())
    }

    /// Puts the session back: Chipp cannot have seen the turn.
    pub(super) async fn put_back(&mut self) {
        if let Some(keep) = self.turn.take().map(|turn| turn.untouched()) {
            keep.put(Instant::now()).await;
        }
    }

    /// Drops the session: nobody knows what it holds now.
    pub(super) fn doubt(&mut self) {
        self.turn = None;
    }
}

fn mode(strategy: Strategy, wish: SessionWish) -> Mode {
    match (strategy, wish) {
        (Strategy::Off, _) | (_, SessionWish::Off) => Mode::Off,
        (Strategy::Conversation, SessionWish::New) => Mode::Fresh,
        (Strategy::Conversation, SessionWish::Usual) => Mode::Conversation,
    }
}

fn scope(shared: &Shared, credential: &[u8; 16], user: Option<&str>, hints: &Hints, route: &Route) -> Scope {
    let conversation = hints.conversation.as_deref();
    shared.fingerprinter.scope(ScopeParts { credential, user, app: route.app.as_str(), conversation })
}

/// The client's own key where it brings one, else the operator's.
fn key(caller: &Caller, route: &Route) -> Option<(Secret, KeyOwner)> {
    let clients = caller.chipp_key.clone().map(|key| (key, KeyOwner::Client));
    clients.or_else(|| route.key.clone().map(|key| (key, KeyOwner::Operator)))
}

/// What Chipp is to be asked for: the stream of a new session may not name it, a plain reply does.
fn accept(shared: &Shared, wanted: Accept, turn: &Turn) -> Accept {
    match shared.config.upstream.learn_session {
        LearnSession::BufferFirst if turn.session().is_none() && turn.is_kept() => Accept::Json,
        LearnSession::BufferFirst | LearnSession::Stream => wanted,
    }
}

/// The body for Chipp.
fn request_body(
    route: &Route,
    accept: Accept,
    session: Option<&ChatSessionId>,
    messages: &[chipp::Message<'_>],
) -> Bytes {
    let stream = accept == Accept::Stream;
    chipp::Request { app: &route.app, messages, stream, session }.to_json().into()
}

fn admit(
    shared: &Shared,
    caller: &Caller,
    user: Option<&str>,
    route: &Route,
) -> Result<Option<Standing>, Denied> {
    let user = user.map(|user| {
        let scope = ScopeParts { credential: &caller.digest, user: Some(user), app: "", conversation: None };
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
