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
    /// It did, so that Chipp may not have stored the answer: leaving aborts what has not ended.
    pub(super) ended_in_silence: bool,
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
            ended_in_silence: false,
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
            // All has been said.
            Some(Some(Err(broken))) if self.closes.is_some() && self.decoder.has_end_mark() => {
                self.decoder.finish(&mut self.fresh);
                self.ended_in_silence = matches!(broken, BodyError::IdleTimeout | BodyError::TotalTimeout);
            }
            Some(Some(Err(broken))) => return Read::Broken(broken),
            None if self.closes.is_some_and(|at| at <= Instant::now()) => {
                self.decoder.finish_early(&mut self.fresh);
                self.ended_in_silence = true;
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

#[cfg(test)]
mod tests {
    use actix_http::error::PayloadError;
    use bytes::Bytes;
    use futures_util::stream::unfold;
    use tokio::time::sleep;

    use super::*;
    use crate::chipp::FinishReason;

    const SECOND: Duration = Duration::from_secs(1);
    const TEXT: &str = "data: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\n";
    const CALL: &str = "data: {\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}\n\n";
    const RESULT: &str = "data: {\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}\n\n";
    const FINISH: &str = "data: {\"type\":\"finish\"}\n\n";
    const TOOLS: &str = "data: {\"type\":\"finish\",\"finishReason\":\"tool_calls\"}\n\n";
    const METADATA: &str = "data: {\"type\":\"message-metadata\",\"messageMetadata\":{}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    /// Pieces, each after so many seconds of silence; then nothing more for ever.
    fn source(pieces: &'static [(u64, &'static str)]) -> Source {
        let stream = unfold(pieces.iter(), |mut pieces| async move {
            let Some((after, piece)) = pieces.next() else { return std::future::pending().await };
            sleep(SECOND * u32::try_from(*after).unwrap()).await;
            Some((Ok::<_, PayloadError>(Bytes::from_static(piece.as_bytes())), pieces))
        });
        Source::of(Some(Body::of_pieces(Box::pin(stream))), None)
    }

    /// The end, after how many seconds it came, how many comments were due before it, and whether it was a silence.
    async fn end(pieces: &'static [(u64, &'static str)]) -> (Event, u64, usize, bool) {
        let mut source = source(pieces);
        source.comment_every = Some(15 * SECOND);
        let (started, mut events, mut comments) = (Instant::now(), VecDeque::new(), 0);
        loop {
            match source.read(&mut events).await {
                Read::Events => {}
                Read::Silence => {
                    comments += 1;
                    source.signed();
                }
                Read::Broken(broken) => panic!("{broken}"),
            }
            let is_end = |event: &&Event| matches!(event, Event::Finish(_) | Event::Failure(_));
            if let Some(end) = events.iter().find(is_end) {
                return (end.clone(), started.elapsed().as_secs(), comments, source.ended_in_silence);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_the_end_only_when_nothing_is_at_work() {
        let stop = Event::Finish(FinishReason::Stop);
        for (pieces, seconds, comments, in_silence) in [
            // The end comes by itself.
            (&[(0, TEXT), (0, FINISH), (4, DONE)][..], 4, 0, false),
            // It does not come.
            (&[(0, TEXT), (0, FINISH)], 5, 0, true),
            // It has come, and the body does not end.
            (&[(0, "0:\"a\"\nd:{\"finishReason\":\"stop\"}\n")], 5, 0, true),
            // Metadata shows that the stream lives.
            (&[(0, TEXT), (0, FINISH), (4, METADATA), (4, METADATA)], 13, 0, true),
            (&[(0, TEXT), (0, FINISH), (4, ": keep-alive\n\n")], 9, 0, true),
            // A tool runs for a minute, whatever the word says.
            (
                &[(0, TEXT), (0, CALL), (0, TOOLS), (60, RESULT), (1, TEXT), (0, FINISH), (0, DONE)],
                61,
                4,
                false,
            ),
            (
                &[(0, TEXT), (0, CALL), (0, FINISH), (60, RESULT), (1, TEXT), (0, FINISH), (0, DONE)],
                61,
                4,
                false,
            ),
            // The next round thinks for long.
            (&[(0, CALL), (0, FINISH), (0, RESULT), (20, TEXT), (0, FINISH)], 25, 1, true),
            // A round whose call does not show: its word does.
            (&[(0, TEXT), (0, TOOLS), (30, TEXT), (0, FINISH)], 35, 2, true),
        ] {
            let expected = (stop.clone(), seconds, comments, in_silence);
            assert_eq!(end(pieces).await, expected, "{pieces:?}");
        }
    }
}
