//! One chat completion: the story of a plain answer, and the door to that of a stream.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::chipp;
use crate::ids::CompletionId;
use crate::openai::Error;
use crate::openai::completion::Completion;
use crate::proxy::call::Call;
use crate::proxy::exchange::{Exchange, Head, Hints, Refused};
use crate::proxy::failed::Failed;
use crate::proxy::stream::{self, Frames};
use crate::proxy::{Caller, Worker};
use crate::translate;
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
pub async fn chat(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    hints: Hints,
    body: Bytes,
) -> Result<Answer, Box<Refused>> {
    let call = Call::prepare(worker, caller, exchange, hints, &body).await?;
    match call.ask.accept {
        // Apart, as a stream's opening is: else the future of every request had to have room for both.
        Accept::Json => Box::pin(call.answer()).await,
        Accept::Stream => stream::start(call).await,
    }
}

impl Call {
    /// The plain answer.
    async fn answer(mut self) -> Result<Answer, Box<Refused>> {
        let shared = Arc::clone(&self.worker.shared);
        let fetched = tokio::select! {
            fetched = self.pursue(Self::fetch) => fetched,
            () = shared.deadline.cancelled() => Err(Error::shutting_down()),
        };
        match fetched {
            Ok(reply) => {
                let body = self.finish(reply).await;
                Ok(Answer::Plain { exchange: self.exchange, body })
            }
            Err(error) => Err(self.refuse(error)),
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
        let mut answer = match chipp::Reply::parse(&body) {
            Ok(answer) => answer,
            Err(failure) if self.is_lost_session(&failure) => {
                self.replay()?;
                return Ok(None);
            }
            Err(failure) => return Err(self.failure(&failure)),
        };
        answer.session = answer.session.or(reply.session);
        if self.is_forgotten(answer.session.as_ref()) {
            self.replay()?;
            return Ok(None);
        }
        if answer.text.trim().is_empty()
            && let Some(text) = self.fill(answer.session.as_ref()).await?
        {
            answer.text = text;
        }
        Ok(Some(answer))
    }

    async fn finish(&mut self, reply: chipp::Reply) -> Vec<u8> {
        let mut content = reply.text;
        if !self.ask.cutter.is_idle() {
            content = self.ask.cutter.push(&content);
            content.push_str(&self.ask.cutter.finish());
        }
        // Before the answer is sent: the client's next request is to find the session.
        self.settle(reply.finish, reply.session, &content).await;
        let usage = self.usage(reply.usage, content.len()).await;
        let completion = Completion {
            id: &CompletionId::mint(),
            created: unix_seconds(),
            model: &self.ask.model,
            content: &content,
            finish_reason: translate::reply::finish_reason(reply.finish, self.ask.cutter.cut()),
            usage,
        };
        completion.to_json()
    }
}

/// Seconds since 1970, for `created`.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
