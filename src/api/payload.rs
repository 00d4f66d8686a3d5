//! The body of a request: its type, its coding, its cap.

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::read::MultiGzDecoder;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Server;
use crate::openai::{Error, ErrorType};

/// How the body is coded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

/// The whole body, decoded, within the limits of `settings`. `deadline` is cancelled when nothing can be waited for.
///
/// # Errors
/// 415 for another type than JSON or an unknown coding; 413 over the limit; 408 if it takes too long; 400 if it breaks
/// off or is not what it says that it is; 503 at the deadline.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    settings: &Server,
    deadline: &CancellationToken,
) -> Result<Bytes, Error> {
    let limit = settings.body_limit;
    if !is_json(request) {
        return Err(Error::unsupported_media_type());
    }
    let coding = coding(request)?;
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(Error::body_too_large(limit));
    }
    let body = in_time(collect(payload, limit), settings.timeouts.body, deadline).await?;
    match coding {
        Coding::Identity => Ok(body),
        Coding::Gzip => unzip(&body, limit),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

fn coding(request: &HttpRequest) -> Result<Coding, Error> {
    let Some(value) = request.headers().get(CONTENT_ENCODING) else {
        return Ok(Coding::Identity);
    };
    let name = value.as_bytes();
    if name.eq_ignore_ascii_case(b"identity") || name.is_empty() {
        Ok(Coding::Identity)
    } else if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
        Ok(Coding::Gzip)
    } else {
        let message = "Unsupported content encoding. A body may be sent as it is, or with gzip.";
        Err(Error::new(415, ErrorType::InvalidRequest, Some("unsupported_media_type"), message))
    }
}

/// A client that sends slowly, or not at all, must not hold its place for ever.
async fn in_time(
    body: impl Future<Output = Result<Bytes, Error>>,
    most: Duration,
    deadline: &CancellationToken,
) -> Result<Bytes, Error> {
    tokio::select! {
        biased;
        body = timeout(most, body) => body.unwrap_or_else(|_| Err(late())),
        () = deadline.cancelled() => Err(Error::shutting_down()),
    }
}

/// Most bodies come in one piece, which is then taken as it is.
async fn collect<E>(
    mut payload: impl Stream<Item = Result<Bytes, E>> + Unpin,
    limit: usize,
) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| broken())?;
        if first.len() + whole.len() + piece.len() > limit {
            return Err(Error::body_too_large(limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn unzip(body: &[u8], limit: usize) -> Result<Bytes, Error> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(most).read_to_end(&mut plain).map_err(|_| broken())?;
    if plain.len() > limit {
        return Err(Error::body_too_large(limit));
    }
    Ok(plain.into())
}

fn late() -> Error {
    let message = "The body of your request did not arrive in time.";
    Error::new(408, ErrorType::InvalidRequest, Some("request_timeout"), message)
}

fn broken() -> Error {
    let message =
        "The body of your request could not be read: it broke off, or is not coded as its headers say.";
    Error::new(400, ErrorType::InvalidRequest, None, message)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn pieces(pieces: &[&'static str]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_any_pieces() {
        for split in [&["abcdef"][..], &["abc", "def"], &["", "a", "", "bcde", "f"]] {
            assert_eq!(collect(pieces(split), 6).await.unwrap(), "abcdef");
            assert_eq!(collect(pieces(split), 5).await.unwrap_err().status, 413);
        }
        assert!(collect(pieces(&[]), 5).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let deadline = CancellationToken::new();
        let most = Duration::from_secs(120);
        let never = || stream::pending::<Result<Bytes, Infallible>>();
        let slow = pieces(&["{"]).chain(never());
        let error = in_time(collect(slow, 10), most, &deadline).await.unwrap_err();
        assert_eq!((error.status, error.code), (408, Some("request_timeout")));
        deadline.cancel();
        let error = in_time(collect(never(), 10), most, &deadline).await.unwrap_err();
        assert_eq!(error.code, Some("shutting_down"));
        assert_eq!(in_time(collect(pieces(&["{}"]), 10), most, &deadline).await.unwrap(), "{}");
    }
}
