//! Chipp's side of a stream: bytes, and the clocks that run while there are none.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::chipp::Event;
use crate::chipp::stream::Decoder;
use crate::ids::ChatSessionId;
use crate::upstream::{self, Body, BodyError};

/// How long a stream may be silent after a `finish` and before its dialect's end, when no tool is at work, until the
/// silence stands for the end. Chipp writes metadata and `[DONE]` at once, but stores the answer in between, and a `finish`
/// whose tool calls are not in the stream is followed by more: several seconds. Leaving early would abort the app's run.
const END_OF_SILENCE: Duration = Duration::from_secs(5);

/// Chipp's side: bytes, and the clocks that run while there are none.
pub(super) struct Source {
    /// `None` if all has been read before.
    body: Option<Body>,
    pub(super) decoder: Decoder,
    /// The session that the head named.
    pub(super) named: Option<ChatSessionId>,
    /// Reused between reads.
    fresh: Vec<Event>,
    pub(super) comment_every: Option<Duration>,
    /// When the client last got something.
    last_sign: Instant,
    /// When the silence stands for the end, while it may.
    closes: Option<Instant>,
    /// One timer for the whole stream. It may ring too early, and is then set anew: a chunk costs no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a read brought.
pub(super) enum Read {
    Events,
    /// Nothing for so long that the client should get a sign of life.
    Silence,
    Broken(BodyError),
}

impl Source {
    /// The reply is still to be read.
    pub(super) fn new(reply: upstream::Reply) -> Self {
        Self::of(Some(reply.body), reply.session)
    }

    /// Nothing is to be read any more.
    pub(super) fn read_already(named: Option<ChatSessionId>) -> Self {
        Self::of(None, named)
    }

    fn of(body: Option<Body>, named: Option<ChatSessionId>) -> Self {
        Self {
            body,
            decoder: Decoder::knowing(named.as_ref()),
            named,
            fresh: Vec::new(),
            comment_every: None,
            last_sign: Instant::now(),
            closes: None,
            timer: None,
        }
    }

    /// The client has got something.
    pub(super) fn signed(&mut self) {
        self.last_sign = Instant::now();
    }

    /// Reads once, and adds what that brings.
    pub(super) async fn read(&mut self, events: &mut VecDeque<Event>) -> Read {
        let piece = poll_fn(|cx| match self.body.as_mut().map(|body| body.poll_next(cx)) {
            None => Poll::Ready(Some(None)),
            Some(Poll::Ready(piece)) => Poll::Ready(Some(piece)),
            Some(Poll::Pending) => self.poll_timer(cx).map(|()| None),
        });
        match piece.await {
            Some(Some(Ok(bytes))) => {
                self.decoder.push(&bytes, &mut self.fresh);
                self.closes = self.decoder.is_finishing().then(|| Instant::now() + END_OF_SILENCE);
            }
            Some(None) => self.decoder.finish(&mut self.fresh),
            // An answer that said that it is complete may be: its dialect decides.
            Some(Some(Err(_))) if self.closes.is_some() => self.decoder.finish(&mut self.fresh),
            Some(Some(Err(broken))) => return Read::Broken(broken),
            None if self.closes.is_some_and(|at| at <= Instant::now()) => {
                self.decoder.finish_early(&mut self.fresh);
            }
            None => return Read::Silence,
        }
        events.extend(self.fresh.drain(..));
        Read::Events
    }

    /// Reads what is left and drops it.
    pub(super) async fn drain(&mut self) {
        if let Some(body) = &mut self.body {
            while let Some(Ok(_)) = body.next().await {}
        }
    }

    /// Ready when the silence stands for the end, or when the client has got nothing for too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silence_ends = self.comment_every.map(|every| self.last_sign + every);
        let Some(due) = self.closes.into_iter().chain(silence_ends).min() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // Which of the two comes first may have changed.
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
