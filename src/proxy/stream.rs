//! A stream to the client: from the first proof of success, or from the moment when silence has lasted too long.
//!
//! The head is held back until Chipp has shown that it answers, so that a failure before that is a real HTTP
//! status. Only if Chipp stays silent for `server.keep_alive_comment` the head goes out before, with comments to
//! keep the connection alive; then a failure is an error event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::openai::Error;
use crate::openai::chunk::KEEP_ALIVE;
use crate::proxy::answer::Answer;
use crate::proxy::call::Call;
use crate::proxy::choices::Choices;
use crate::proxy::exchange::{Exchange, Refused};
use crate::proxy::live::Live;
use crate::proxy::question::Question;
use crate::proxy::writer::{self, Writer};

type Opening = Pin<Box<dyn Future<Output = Result<Voices, Box<Refused>>>>>;

/// Who speaks in a stream.
enum Voices {
    One(Box<Live>),
    Many(Box<Choices>),
}

/// The server-sent events of one answer. Dropping it before its end cancels the request to Chipp.
pub struct Frames(State);

enum State {
    /// The head is out, and Chipp has not shown yet that it answers.
    Opening {
        opening: Opening,
        comment_every: Duration,
        question: Question,
    },
    Live(Voices),
    Ended,
}

/// Waits for the proof that the answer begins.
pub(super) async fn start(call: Call) -> Result<Answer, Box<Refused>> {
    let comment_every = call.worker.snapshot.config.server.keep_alive_comment;
    let early = call.exchange.head();
    let question = call.ask.question.clone();
    let mut opening: Opening = Box::pin(Voices::open(call));
    let voices = match comment_every {
        None => opening.await?,
        Some(comment_every) => match timeout(comment_every, &mut opening).await {
            Ok(opened) => opened?,
            Err(_silence) => {
                let frames = Frames(State::Opening { opening, comment_every, question });
                return Ok(Answer::Stream { head: early, frames });
            }
        },
    };
    let head = voices.exchange().head();
    Ok(Answer::Stream { head, frames: Frames(State::Live(voices)) })
}

impl Voices {
    async fn open(call: Call) -> Result<Self, Box<Refused>> {
        if call.ask.choices > 1 {
            return Box::pin(Choices::open(call)).await.map(|choices| Self::Many(Box::new(choices)));
        }
        let writer = Writer::of(&call);
        Live::open(call, writer).await.map(|live| Self::One(Box::new(live)))
    }

    fn exchange(&self) -> &Exchange {
        match self {
            Self::One(live) => &live.call.exchange,
            Self::Many(choices) => &choices.exchange,
        }
    }

    fn panicked(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::One(live) => live.panicked(out),
            Self::Many(choices) => choices.panicked(out),
        }
    }

    /// The next events for the client; `None` at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::One(live) => {
                let mut out = live.next().await?;
                if let Some(end) = live.take_end() {
                    live.close(end, &mut out).await;
                }
                Some(out)
            }
            Self::Many(choices) => choices.next().await,
        }
    }
}

impl Frames {
    /// The next events, whole ones; `None` at the end. It must not be asked again after that, but may be dropped
    /// at any time.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            match &mut self.0 {
                State::Ended => return None,
                State::Live(voices) => {
                    let events = voices.next().await;
                    if events.is_none() {
                        self.0 = State::Ended;
                    }
                    return events.map(Bytes::from);
                }
                State::Opening { opening, comment_every, question } => {
                    match timeout(*comment_every, opening).await {
                        Ok(Ok(voices)) => self.0 = State::Live(voices),
                        Ok(Err(mut refused)) => {
                            refused.exchange.record.status = 200;
                            refused.exchange.broke(&refused.error);
                            let mut out = Vec::new();
                            writer::fail(question, &refused.error, &mut out);
                            self.0 = State::Ended;
                            return Some(out.into());
                        }
                        Err(_silence) => return Some(Bytes::from_static(KEEP_ALIVE)),
                    }
                }
            }
        }
    }

    /// Notes that [`next`](Self::next) panicked, and gives the last events; all that may follow is the drop.
    pub fn panicked(&mut self) -> Bytes {
        let mut out = Vec::new();
        match &mut self.0 {
            State::Live(voices) => voices.panicked(&mut out),
            State::Opening { question, .. } => writer::fail(question, &Error::internal(), &mut out),
            State::Ended => {}
        }
        out.into()
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Opening { .. } => "Frames(opening)",
            State::Live(_) => "Frames(live)",
            State::Ended => "Frames(ended)",
        })
    }
}
