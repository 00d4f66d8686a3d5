//! What a client asks for, and what one app is to be asked for it.
//!
//! An [`Ask`] stays the same whatever happens. An [`Attempt`] is made from it for one app and one session; a replay
//! and a fallback make another one, from the client's own body.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::catalog::Route;
use crate::chipp;
use crate::config::{LearnSession, Strategy};
use crate::ids::ChatSessionId;
use crate::openai::Error;
use crate::openai::chat::{ChatRequest, Message};
use crate::openai::chunk::IncludeUsage;
use crate::proxy::admission::{Applicant, admit};
use crate::proxy::exchange::{Exchange, Hints, SessionWish};
use crate::proxy::question::{Asked, Question};
use crate::proxy::{Caller, Worker, error};
use crate::secret::Secret;
use crate::session::{Mode, Outcome, Scope, ScopeParts, Turn};
use crate::telemetry::content;
use crate::translate;
use crate::translate::cut::Cutter;
use crate::translate::failure::KeyOwner;
use crate::translate::terms::Terms;
use crate::upstream::Accept;

/// What the client wants, and who it is.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// `model`, as the client asked for it.
    pub(super) model: String,
    /// Whether a stream is wanted.
    pub(super) accept: Accept,
    pub(super) include_usage: IncludeUsage,
    /// Cuts each answer anew.
    pub(super) cutter: Cutter,
    /// What an answer has to be; none if any text will do.
    pub(super) terms: Option<Terms>,
    /// How many answers are wanted, and to how many prompts.
    pub(super) choices: u32,
    pub(super) prompts: u32,
    pub(super) question: Question,
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
    /// The session in which the app is to put its answer right.
    pub(super) repaired_in: Option<ChatSessionId>,
    /// Which choice it is for.
    pub(super) choice: u32,
    /// What stands before the answer in what the client gets.
    pub(super) echo: String,
    /// Bytes of text in the whole history.
    pub(super) prompt_bytes: usize,
    /// The body for Chipp.
    pub(super) body: Bytes,
}

/// Reads, routes, translates, admits, and finds the session; what the answer's head will say of that is noted in
/// `exchange`. The session is taken last: nothing fails after that.
pub(super) async fn make(
    worker: &Worker,
    caller: &Caller,
    exchange: &mut Exchange,
    hints: Hints,
    question: &Question,
) -> Result<(Ask, Attempt), Error> {
    if worker.snapshot.config.telemetry.content {
        content::question(&exchange.record.request_id, question.body());
    }
    let Asked { mut request, prompts, prompt_bytes, echo } = question.read(0)?;
    exchange.record.is_stream = request.stream;
    let route =
        worker.snapshot.config.models.resolve(&request.model).filter(|_| caller.may_use(&request.model));
    let route = Arc::clone(route.ok_or_else(|| Error::model_not_found(&request.model))?);
    exchange.record.alias = Some(Arc::clone(&route.alias));
    let user = hints.user.as_deref().or(request.user.as_deref());
    let ignored = translate::request::parameters(&request, &route, worker.snapshot.config.parameters)?;
    exchange.ignored = ignored.join(",");
    let terms = Terms::of(&request, &route)?;
    let messages = messages(std::mem::take(&mut request.messages), &route, terms.as_ref())?;
    let (key, key_owner) = key(caller, &route).ok_or_else(Error::internal)?;
    let applicant = Applicant {
        caller,
        user,
        model: &request.model,
        route: &route,
        prompt_bytes: prompt_bytes.unwrap_or_else(|| bytes_in(&messages)),
        max_tokens: request.max_tokens,
        choices: request.n,
    };
    admit(worker, applicant, exchange).await?;
    let scope = scope(worker, &caller.digest, user, &hints, &route);
    let has_name = user.is_some() || hints.conversation.is_some();
    let mode = match mode(worker.snapshot.config.sessions.strategy, &hints, has_name) {
        mode if question.is_conversation() => mode,
        _ => Mode::Off,
    };
    let mut turn = begin(worker, mode.clone(), &scope, &messages);
    turn.seek(Instant::now()).await.map_err(error::unavailable)?;
    let ask = Ask {
        accept: if request.stream { Accept::Stream } else { Accept::Json },
        include_usage: if request.include_usage { IncludeUsage::Yes } else { IncludeUsage::No },
        cutter: Cutter::new(&request.stop, request.max_tokens),
        terms,
        choices: request.n,
        prompts,
        model: request.model.into_owned(),
        credential: caller.digest,
        mode,
        question: question.clone(),
        hints,
    };
    let key = (key, key_owner);
    let posed = Posed { messages, choice: 0, echo };
    let (attempt, outcome) = ask.attempt(worker, &route, key, turn, posed);
    exchange.set_outcome(outcome);
    Ok((ask, attempt))
}

impl Ask {
    /// Gives the session of an attempt up: the whole history goes into a new one.
    pub(super) fn replay(&self, worker: &Worker, attempt: &mut Attempt) -> Result<(), Error> {
        if let Some(turn) = &mut attempt.turn {
            turn.forget();
            attempt.repaired_in = None;
            attempt.accept = accept(worker, self.accept, turn);
        }
        let messages = self.messages(&attempt.route, attempt.choice)?;
        attempt.body = request_body(&attempt.route, attempt.accept, None, &messages);
        Ok(())
    }

    /// The whole history.
    pub(super) fn messages(&self, route: &Route, choice: u32) -> Result<Vec<chipp::Message<'_>>, Error> {
        messages(self.question.read(choice)?.request.messages, route, self.terms.as_ref())
    }

    /// The turn in which the app is to put right what it has got wrong: in the session that holds it, else in a new one
    /// that is told it. Whatever comes of it, nobody will go on with that.
    pub(super) fn repair(
        &self,
        attempt: &mut Attempt,
        named: Option<ChatSessionId>,
        said: &str,
        instruction: &str,
    ) -> Result<(), Error> {
        let session = named.or_else(|| attempt.session().cloned());
        if let Some(turn) = &mut attempt.turn {
            turn.forget();
        }
        let of = |role, text| chipp::Message { role, content: Cow::Borrowed(text) };
        let asked = of(chipp::Role::User, instruction);
        let messages = if session.is_some() {
            vec![asked]
        } else {
            let mut messages = self.messages(&attempt.route, attempt.choice)?;
            messages.extend([of(chipp::Role::Assistant, said), asked]);
            messages
        };
        attempt.body = request_body(&attempt.route, attempt.accept, session.as_ref(), &messages);
        attempt.repaired_in = session;
        Ok(())
    }

    /// The same for another choice: in a session of its own, be it one that is kept and holds as much, or a new one.
    pub(super) async fn beside(
        &self,
        worker: &Worker,
        first: &Attempt,
        choice: u32,
    ) -> Result<(Attempt, Outcome), Error> {
        let Asked { request, echo, .. } = self.question.read(choice)?;
        let route = &first.route;
        let (messages, mut turn) = self.begin(worker, request, route)?;
        turn.seek(Instant::now()).await.map_err(error::unavailable)?;
        let key = (first.key.clone(), first.key_owner);
        Ok(self.attempt(worker, route, key, turn, Posed { messages, choice, echo }))
    }

    /// The same for another app, in a new session, and what is to be said of that. A key that the client brought is
    /// used for it too.
    pub(super) fn elsewhere(
        &self,
        worker: &Worker,
        route: &Arc<Route>,
        failed: &Attempt,
    ) -> Result<(Attempt, Outcome), Error> {
        let Asked { request, echo, .. } = self.question.read(failed.choice)?;
        translate::request::parameters(&request, route, worker.snapshot.config.parameters)?;
        if request.offer.is_some() && route.tools != failed.route.tools {
            return Err(Error::internal());
        }
        let (messages, turn) = self.begin(worker, request, route)?;
        let key = match failed.key_owner {
            KeyOwner::Client => failed.key.clone(),
            KeyOwner::Operator => route.key.clone().ok_or_else(Error::internal)?,
        };
        let posed = Posed { messages, choice: failed.choice, echo };
        Ok(self.attempt(worker, route, (key, failed.key_owner), turn, posed))
    }

    /// A turn that has no claim to the session that the request is about.
    fn begin<'a>(
        &self,
        worker: &Worker,
        request: ChatRequest<'a>,
        route: &Route,
    ) -> Result<(Vec<chipp::Message<'a>>, Turn), Error> {
        let user = self.hints.user.as_deref().or(request.user.as_deref());
        let scope = scope(worker, &self.credential, user, &self.hints, route);
        let messages = messages(request.messages, route, self.terms.as_ref())?;
        let mode = match &self.mode {
            Mode::Conversation | Mode::Fresh => self.mode.clone(),
            // There is one such session, and it is another's: what is said here is not gone on with.
            Mode::Off | Mode::Sticky | Mode::StickyAnew | Mode::Named(_) => Mode::Off,
        };
        let turn = begin(worker, mode, &scope, &messages);
        Ok((messages, turn))
    }

    fn attempt(
        &self,
        worker: &Worker,
        route: &Arc<Route>,
        (key, key_owner): (Secret, KeyOwner),
        turn: Turn,
        Posed { messages, choice, echo }: Posed<'_>,
    ) -> (Attempt, Outcome) {
        let outcome = turn.outcome();
        let accept = accept(worker, self.accept, &turn);
        let unsent = messages.get(turn.holds()..).unwrap_or(&messages);
        let body = request_body(route, accept, turn.session(), unsent);
        let turn = Some(Box::new(turn));
        let (route, prompt_bytes) = (Arc::clone(route), bytes_in(&messages));
        let echo = echo.into_owned();
        let repaired_in = None;
        let attempt =
            Attempt { route, key, key_owner, accept, turn, repaired_in, choice, echo, prompt_bytes, body };
        (attempt, outcome)
    }
}

/// The part of a question that one attempt is for, as its app is to have it.
struct Posed<'a> {
    messages: Vec<chipp::Message<'a>>,
    choice: u32,
    echo: Cow<'a, str>,
}

impl Attempt {
    /// The session that is gone on with.
    pub(super) fn session(&self) -> Option<&ChatSessionId> {
        self.repaired_in.as_ref().or_else(|| self.turn.as_ref().and_then(|turn| turn.session()))
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

/// The history as the app is to have it, with what its answer has to be.
fn messages<'a>(
    history: Vec<Message<'a>>,
    route: &Route,
    terms: Option<&Terms>,
) -> Result<Vec<chipp::Message<'a>>, Error> {
    let mut messages = translate::request::messages(history, route)?;
    if let Some(terms) = terms {
        terms.tell(&mut messages);
    }
    Ok(messages)
}

fn bytes_in(messages: &[chipp::Message<'_>]) -> usize {
    messages.iter().map(|message| message.content.len()).sum()
}

fn begin(worker: &Worker, mode: Mode, scope: &Scope, messages: &[chipp::Message<'_>]) -> Turn {
    let turn = Turn::begin(&worker.shared.sessions, mode, scope, messages);
    if worker.snapshot.config.sessions.expose { turn.exposed(scope) } else { turn }
}

/// How the session is to be found. `has_name`: the request names a user or a conversation.
fn mode(strategy: Strategy, hints: &Hints, has_name: bool) -> Mode {
    match (strategy, hints.session, &hints.chat_session) {
        (Strategy::Off, ..) | (_, SessionWish::Off, _) => Mode::Off,
        (Strategy::Conversation, SessionWish::Usual, Some(session)) => Mode::Named(session.clone()),
        (Strategy::Sticky, SessionWish::New, _) if has_name => Mode::StickyAnew,
        (Strategy::Sticky, SessionWish::Usual, _) if has_name => Mode::Sticky,
        (Strategy::Conversation | Strategy::Sticky, SessionWish::New, _) => Mode::Fresh,
        (Strategy::Conversation | Strategy::Sticky, SessionWish::Usual, _) => Mode::Conversation,
    }
}

fn scope(worker: &Worker, credential: &[u8; 16], user: Option<&str>, hints: &Hints, route: &Route) -> Scope {
    let conversation = hints.conversation.as_deref();
    worker.shared.fingerprinter.scope(ScopeParts { credential, user, app: route.app.as_str(), conversation })
}

/// The client's own key where it brings one, else the operator's.
fn key(caller: &Caller, route: &Route) -> Option<(Secret, KeyOwner)> {
    let clients = caller.chipp_key.clone().map(|key| (key, KeyOwner::Client));
    clients.or_else(|| route.key.clone().map(|key| (key, KeyOwner::Operator)))
}

/// What Chipp is to be asked for: the stream of a new session may not name it, a plain reply does.
fn accept(worker: &Worker, wanted: Accept, turn: &Turn) -> Accept {
    match worker.snapshot.config.upstream.learn_session {
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
