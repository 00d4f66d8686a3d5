//! The body of a request: its type, its coding, its cap.

use std::io::Read as _;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;

use crate::openai::{Error, ErrorType};

/// How the body is coded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

/// The whole body, decoded, at most `limit` bytes of it.
///
/// # Errors
/// 415 for another type than JSON or an unknown coding; 413 over the limit; 400 if it breaks off or is not what it
/// says that it is.
pub(super) async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Bytes, Error> {
    if !is_json(request) {
        return Err(Error::unsupported_media_type());
    }
    let coding = coding(request)?;
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(Error::body_too_large(limit));
    }
    let body = collect(payload, limit).await?;
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

/// Most bodies come in one piece, which is then taken as it is.
async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Error> {
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

fn broken() -> Error {
    let message =
        "The body of your request could not be read: it broke off, or is not coded as its headers say.";
    Error::new(400, ErrorType::InvalidRequest, None, message)
}
