//! One request: the story of a plain answer, and the door to that of a stream.

use std::sync::Arc;
use std::time::Instant;

use crate::chipp;
use crate::chipp::stream::Dialect;
use crate::openai::Error;
use crate::openai::completion::{Choice, FinishReason, ToolCall};
use crate::openai::responses::Whole;
use crate::openai::usage::Usage;
use crate::proxy::call::Call;
use crate::proxy::choices;
use crate::proxy::exchange::{Exchange, Head, Hints, Refused};
use crate::proxy::failed::Failed;
use crate::proxy::question::Question;
use crate::proxy::stream::{self, Frames};
use crate::proxy::writer;
use crate::proxy::{Caller, Worker};
use crate::translate::reply::UsageSource;
use crate::upstream::{self, Accept};

/// Largest plain reply that is taken, in bytes.
const MAX_REPLY_BYTES: usize = 16 << 20;

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
pub async fn answer(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    hints: Hints,
    question: Question,
) -> Result<Answer, Box<Refused>> {
    let call = match Call::prepare(worker, caller, exchange, hints, &question).await {
        Ok(call) => call,
        Err(mut refused) => {
            refused.error = question.spelled(refused.error);
            return Err(refused);
        }
    };
    match (call.ask.accept, call.ask.choices) {
        // Apart, as a stream's opening is: else the future of every request had to have room for both.
        (Accept::Json, 1) => Box::pin(call.answer()).await,
        (Accept::Json, _) => Box::pin(choices::answer(call)).await,
        (Accept::Stream, _) => stream::start(call).await,
    }
}

impl Call {
    /// The plain answer.
    async fn answer(mut self) -> Result<Answer, Box<Refused>> {
        match self.judged().await {
            Ok(judged) => {
                let concluded = self.conclude(judged).await;
                let (usage, source) = concluded.usage;
                let (body, kept) = writer::whole(&self.ask, &[concluded], &[&self.attempt.echo], usage);
                if let Err(error) = self.keep(kept).await {
                    return Err(self.refuse(error));
                }
                self.exchange.complete(usage, source, usage.total_tokens()).await;
                Ok(Answer::Plain { exchange: self.exchange, body })
            }
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Keeps what is to be kept of an answer: before it is told, since the client's next request may refer to it.
    pub(super) async fn keep(&self, whole: Option<Whole>) -> Result<(), Error> {
        match (whole, &self.ask.question) {
            (Some(whole), Question::Response(posed)) => {
                Box::pin(posed.keep(&self.worker.shared.archive, &whole)).await
            }
            _ => Ok(()),
        }
    }

    /// A whole reply, from whichever app gives one.
    pub(super) async fn fetched(&mut self) -> Result<chipp::Reply, Error> {
        let shared = Arc::clone(&self.worker.shared);
        tokio::select! {
            fetched = self.pursue(Self::fetch) => fetched,
            () = shared.deadline.cancelled() => Err(Error::shutting_down()),
        }
    }

    /// One call of one app; another one if that app has forgotten the session.
    async fn fetch(&mut self) -> Result<chipp::Reply, Failed> {
        loop {
            let reply = self.connect().await?;
            if let Some(answer) = self.read(reply).await? {
                return Ok(answer);
            }
        }
    }

    /// Reads a plain reply to its end. `None` if it shows that Chipp has forgotten the session: the request has been
    /// made anew, to be sent again.
    pub(super) async fn read(&mut self, mut reply: upstream::Reply) -> Result<Option<chipp::Reply>, Failed> {
        let started = Instant::now();
        let body = reply.body.collect(MAX_REPLY_BYTES).await;
        self.exchange.waited(started.elapsed());
        let body = body.map_err(|broken| self.broken(broken))?;
        let mut answer = match chipp::stream::whole(&body) {
            Ok(answer) => answer,
            Err(failure) if self.is_lost_session(&failure) => {
                self.replay()?;
                return Ok(None);
            }
            Err(failure) => return Err(self.failure(&failure)),
        };
        self.note_unknown_words(Some(Dialect::Json), &answer.unknown_words);
        // The header is the better place.
        answer.session = reply.session.or(answer.session);
        if self.is_forgotten(answer.session.as_ref()) {
            if !answer.has_acted {
                self.replay()?;
                return Ok(None);
            }
            // A tool has run for it, so that nobody may send it again: the answer was given without the history.
            self.attempt.doubt();
        }
        if answer.text.trim().is_empty()
            && let Some(text) = self.fill(answer.session.as_ref()).await?
        {
            answer.text = text;
        }
        Ok(Some(answer))
    }
}

/// An answer as the client gets it.
#[derive(Debug)]
pub(super) struct Concluded {
    pub(super) content: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) finish_reason: FinishReason,
    pub(super) usage: (Usage, UsageSource),
}

impl Concluded {
    pub(super) fn as_choice(&self) -> Choice<'_> {
        Choice { content: &self.content, calls: &self.calls, finish_reason: self.finish_reason }
    }
}
