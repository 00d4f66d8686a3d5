//! The bytes of an answer, with two clocks, and an end that can be trusted.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::coding::{Corrupt, Decoder};
use super::socket::Eof;

/// What a decoded piece costs of the budget that tokio gives a task for one turn: an eighth, so that a turn ends after a
/// few hundred kilobytes.
const PIECE_COST: usize = 16;

/// The body of an answer. Dropping it closes the connection, which is how a request is cancelled.
pub struct Body {
    payload: Payload,
    framing: Framing,
    idle: Duration,
    deadline: Instant,
    /// awc's payload must not be asked again after its end.
    has_ended: bool,
    /// Since when the next piece is waited for. The time that the reader takes for itself is not idle time.
    waiting: Option<Instant>,
    /// One timer for the whole body. It may ring too early for the piece that is awaited; it is then set anew.
    /// So a piece costs no timer of its own.
    timer: Option<Pin<Box<Sleep>>>,
    /// For a body with a content coding.
    decoder: Option<Box<Decoder>>,
}

/// How a body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`; 0 also where the status forbids a body. Checked: less is [`BodyError::Cut`].
    Length(u64),
    /// Chunks. Checked: an end without the last chunk is [`BodyError::Cut`].
    Chunked,
    /// HTTP/1.0: where the connection ends. A cut looks like an end.
    UntilClose,
    /// An error status over HTTP/1.1 that says nothing: the body, if there was one, is not read.
    Unframed,
}

/// Why a body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection, or what the content coding holds, ended before the body did.
    #[error("the upstream's answer was cut off")]
    Cut,
    /// The chunks are not chunks, or the content coding is not what the head says.
    #[error("the upstream's answer is not HTTP")]
    Malformed,
    /// `timeouts.idle` ran out.
    #[error("the upstream fell silent in the middle of its answer")]
    IdleTimeout,
    /// The deadline of the whole exchange passed.
    #[error("the time for the whole request ran out")]
    TotalTimeout,
    /// The body is longer than the reader wants.
    #[error("the upstream's answer is too large")]
    TooLarge,
}

impl Body {
    pub(super) fn new(payload: Payload, framing: Framing, idle: Duration, deadline: Instant) -> Self {
        Self { payload, framing, idle, deadline, has_ended: false, waiting: None, timer: None, decoder: None }
    }

    /// With the decoder of its content coding.
    pub(super) fn decoded(self, decoder: Option<Decoder>) -> Self {
        Self { decoder: decoder.map(Box::new), ..self }
    }

    /// A chunked body of these pieces, with no deadline worth mentioning.
    #[cfg(test)]
    pub(crate) fn of_pieces(pieces: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Self {
        let hour = Duration::from_secs(3600);
        let payload: Payload = Payload::Stream { payload: Box::pin(pieces) };
        Self::new(payload, Framing::Chunked, hour, Instant::now() + hour)
    }

    /// Without what is in it, which cannot be read. Its connection is not used again.
    pub(super) fn unread(self) -> Self {
        Self { has_ended: true, ..self }
    }

    /// How the body says where it ends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The next piece, decoded, as it came from the network; `None` at the end, and ever after. After an error there is
    /// nothing more either.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.decoder.is_some() { self.poll_decoded(cx) } else { self.poll_piece(cx) }
    }

    /// The next piece as it came from the network.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Poll::Ready(item) = Pin::new(&mut self.payload).poll_next(cx) else {
            return self.poll_clocks(cx).map(|error| Some(Err(error)));
        };
        self.waiting = None;
        self.has_ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(match item {
            Some(Ok(piece)) => Some(Ok(piece)),
            Some(Err(error)) => broken(&error, self.framing).map(Err),
            None => None,
        })
    }

    /// The next piece of a body with a content coding.
    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(decoder) = &mut self.decoder else { return self.poll_piece(cx) };
            // Little input may become much output: others on this thread have their turn between its pieces.
            for _ in 0..PIECE_COST {
                ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
            }
            match decoder.next() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) => {}
                Err(Corrupt) => {
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(BodyError::Malformed)));
                }
            }
            let item = ready!(self.poll_piece(cx));
            let Some(decoder) = &mut self.decoder else { return Poll::Ready(item) };
            match item {
                Some(Ok(piece)) => decoder.feed(piece),
                None if decoder.is_complete() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(BodyError::Cut))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// The whole body. One that is longer than `cap` bytes is [`BodyError::TooLarge`], as soon as that is known.
    pub async fn collect(&mut self, cap: usize) -> Result<Bytes, BodyError> {
        let expected = match self.framing {
            // Of a coded body this says nothing.
            Framing::Length(_) if self.decoder.is_some() => 0,
            Framing::Length(length) => usize::try_from(length).map_err(|_| BodyError::TooLarge)?,
            Framing::Chunked | Framing::UntilClose | Framing::Unframed => 0,
        };
        if expected > cap {
            return Err(BodyError::TooLarge);
        }
        // Most answers come in one piece, which is then handed on as it is.
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        if first.len() > cap {
            return Err(BodyError::TooLarge);
        }
        let Some(mut piece) = self.next().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(expected.max(first.len() + piece.len()).min(cap));
        whole.extend_from_slice(&first);
        loop {
            if piece.len() > cap - whole.len() {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&piece);
            match self.next().await.transpose()? {
                Some(next) => piece = next,
                None => return Ok(whole.freeze()),
            }
        }
    }

    fn poll_clocks(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let silence_ends = since.checked_add(self.idle);
        let due = silence_ends.map_or(self.deadline, |at| at.min(self.deadline));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if timer.deadline() >= due {
                break;
            }
            timer.as_mut().reset(due);
        }
        Poll::Ready(if due == self.deadline { BodyError::TotalTimeout } else { BodyError::IdleTimeout })
    }
}

/// What an error of awc's means; `None` if it is the end.
fn broken(error: &PayloadError, framing: Framing) -> Option<BodyError> {
    let (PayloadError::Incomplete(Some(io)) | PayloadError::Io(io)) = error else {
        return Some(BodyError::Cut);
    };
    match io.kind() {
        io::ErrorKind::UnexpectedEof if framing == Framing::UntilClose && Eof::caused(io) => None,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Some(BodyError::Malformed),
        _ => Some(BodyError::Cut),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn payload(stream: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Payload {
        Payload::Stream { payload: Box::pin(stream) }
    }

    fn body(pieces: Vec<Result<Bytes, PayloadError>>, framing: Framing) -> Body {
        let payload = payload(stream::iter(pieces));
        Body::new(payload, framing, Duration::from_secs(1), Instant::now() + Duration::from_secs(60))
    }

    fn pieces(texts: &[&'static str]) -> Vec<Result<Bytes, PayloadError>> {
        texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect()
    }

    #[tokio::test]
    async fn a_body_is_collected_up_to_its_cap() {
        let cases: [(&[&str], usize, Result<&str, BodyError>); 8] = [
            (&[], 0, Ok("")),
            (&["abc"], 3, Ok("abc")),
            (&["abc"], 2, Err(BodyError::TooLarge)),
            (&["abc", "de"], 5, Ok("abcde")),
            (&["abc", "de"], 4, Err(BodyError::TooLarge)),
            (&["a", "b", "c", "d"], 4, Ok("abcd")),
            (&["a", "b", "c", "d"], 3, Err(BodyError::TooLarge)),
            (&["a", "", ""], 1, Ok("a")),
        ];
        for (texts, cap, expected) in cases {
            let whole = body(pieces(texts), Framing::Chunked).collect(cap).await;
            assert_eq!(whole, expected.map(Bytes::from), "{texts:?}, {cap}");
        }
        let announced = body(Vec::new(), Framing::Length(10)).collect(9).await;
        assert_eq!(announced, Err(BodyError::TooLarge), "nothing is read for it");
    }

    #[tokio::test]
    async fn the_single_piece_is_not_copied() {
        let text = Bytes::from_static(b"abc");
        let whole = body(vec![Ok(text.clone())], Framing::Length(3)).collect(3).await.unwrap();
        assert_eq!(whole.as_ptr(), text.as_ptr());
    }

    #[tokio::test]
    async fn only_until_close_may_end_with_the_connection() {
        let eof = || PayloadError::Incomplete(Some(io::Error::new(io::ErrorKind::UnexpectedEof, Eof)));
        let tls_break = || PayloadError::Incomplete(Some(io::ErrorKind::UnexpectedEof.into()));
        let reset = || PayloadError::Incomplete(Some(io::ErrorKind::ConnectionReset.into()));
        let nonsense = || PayloadError::Incomplete(Some(io::ErrorKind::InvalidInput.into()));
        let cases = [
            (eof(), Framing::UntilClose, None),
            (tls_break(), Framing::UntilClose, Some(BodyError::Cut)),
            (reset(), Framing::UntilClose, Some(BodyError::Cut)),
            (eof(), Framing::Chunked, Some(BodyError::Cut)),
            (eof(), Framing::Length(3), Some(BodyError::Cut)),
            (nonsense(), Framing::Chunked, Some(BodyError::Malformed)),
        ];
        for (error, framing, expected) in cases {
            let what = format!("{error:?} {framing:?}");
            let mut body = body(vec![Err(error)], framing);
            assert_eq!(body.next().await.map(Result::unwrap_err), expected, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_readers_own_time_is_not_idle_time() {
        let mut turn = 0;
        let stream = stream::poll_fn(move |cx| {
            // The second piece is there only when asked for a second time.
            turn += 1;
            match turn {
                1 | 3 => Poll::Ready(Some(Ok(Bytes::from_static(b"x")))),
                2 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Pending,
            }
        });
        let idle = Duration::from_secs(10);
        let mut body =
            Body::new(payload(stream), Framing::Chunked, idle, Instant::now() + Duration::from_secs(60));
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::advance(idle * 2).await;
        assert!(body.next().await.unwrap().is_ok(), "the reader was slow, not the upstream");
        tokio::time::advance(idle / 2).await;
        let start = Instant::now();
        assert_eq!(body.next().await, Some(Err(BodyError::IdleTimeout)));
        assert_eq!(start.elapsed(), idle, "the early timer was set anew");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_comes_before_the_idle_time() {
        let start = Instant::now();
        let total = Duration::from_secs(5);
        let mut body = Body::new(payload(stream::pending()), Framing::Chunked, Duration::MAX, start + total);
        assert_eq!(body.next().await, Some(Err(BodyError::TotalTimeout)));
        assert_eq!(start.elapsed(), total);
    }
}
