//! What a request asks for, and what Chipp is to be asked: decided before anything is sent.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::catalog::Route;
use crate::chipp;
use crate::config::Strategy;
use crate::ids::ChatSessionId;
use crate::limits::{Denied, Standing, Subject};
use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::chunk::IncludeUsage;
use crate::proxy::exchange::{Exchange, Hints, SessionWish};
use crate::proxy::{Caller, Shared, error};
use crate::secret::Secret;
use crate::session::{Mode, ScopeParts, Turn};
use crate::translate;
use crate::translate::cut::Cutter;
use crate::translate::failure::KeyOwner;
use crate::upstream::Accept;

/// A request that may be sent.
#[derive(Debug)]
pub(super) struct Plan {
    /// `model`, as the client asked for it.
    pub(super) model: String,
    /// Who answers to that.
    pub(super) route: Arc<Route>,
    /// The key for Chipp, and whose it is.
    pub(super) key: Secret,
    pub(super) key_owner: KeyOwner,
    /// Whether a stream is wanted.
    pub(super) accept: Accept,
    pub(super) include_usage: IncludeUsage,
    pub(super) cutter: Cutter,
    /// Bytes of text in the whole history.
    pub(super) prompt_bytes: usize,
    /// `None` once it is settled.
    pub(super) turn: Option<Turn>,
    /// The body for Chipp.
    pub(super) body: Bytes,
}

impl Plan {
    /// Reads, routes, admits, translates, and finds the session; what the answer's head will say of that is noted in
    /// `exchange`. The session is taken last: nothing fails after that.
    pub(super) async fn make(
        shared: &Shared,
        caller: &Caller,
        exchange: &mut Exchange,
        hints: &Hints,
        body: &[u8],
    ) -> Result<Self, Error> {
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
        let scope = shared.fingerprinter.scope(ScopeParts {
            credential: &caller.digest,
            user,
            app: route.app.as_str(),
            conversation: hints.conversation.as_deref(),
        });
        let mode = mode(shared.config.sessions.strategy, hints.session);
        let mut turn = Turn::begin(&shared.sessions, mode, &scope, &messages);
        turn.seek(Instant::now()).await;
        exchange.set_outcome(turn.outcome());
        let accept = if request.stream { Accept::Stream } else { Accept::Json };
        let unsent = messages.get(turn.holds()..).unwrap_or(&messages);
        Ok(Self {
            body: request_body(&route, accept, turn.session(), unsent),
            accept,
            include_usage: if request.include_usage { IncludeUsage::Yes } else { IncludeUsage::No },
            cutter: Cutter::new(&request.stop, request.max_tokens),
            prompt_bytes: messages.iter().map(|message| message.content.len()).sum(),
            model: request.model.into_owned(),
            turn: Some(turn),
            route,
            key,
            key_owner,
        })
    }
}

fn mode(strategy: Strategy, wish: SessionWish) -> Mode {
    match (strategy, wish) {
        (Strategy::Off, _) | (_, SessionWish::Off) => Mode::Off,
        (Strategy::Conversation, SessionWish::New) => Mode::Fresh,
        (Strategy::Conversation, SessionWish::Usual) => Mode::Conversation,
    }
}

/// The client's own key where it brings one, else the operator's.
fn key(caller: &Caller, route: &Route) -> Option<(Secret, KeyOwner)> {
    let clients = caller.chipp_key.clone().map(|key| (key, KeyOwner::Client));
    clients.or_else(|| route.key.clone().map(|key| (key, KeyOwner::Operator)))
}

/// The body for Chipp.
pub(super) fn request_body(
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
