//! The head of an answer.

use std::io::Write as _;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode, Version};

use crate::api::{error, headers};
use crate::ids::RequestId;
use crate::openai::Error;
use crate::proxy::{Exchange, Head, Refused};
use crate::telemetry::End;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The version of OpenAI's API that the answers follow.
const OPENAI_VERSION: HeaderValue = HeaderValue::from_static("2020-10-01");

/// A 200 with a JSON body. Settles the exchange.
pub(super) fn json(mut exchange: Exchange, body: Vec<u8>) -> HttpResponse {
    exchange.record.status = 200;
    exchange.record.end = End::Complete;
    let mut response = HttpResponse::new(StatusCode::OK).set_body(BoxBody::new(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    add(response.headers_mut(), &exchange.head());
    response
}

/// A 200 whose events are to come. A client of HTTP/1.0 knows no chunks: for it the connection's end is the end.
pub(super) fn event_stream(version: Version, head: &Head, body: BoxBody) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::OK).set_body(body);
    if version < Version::HTTP_11 {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx and its like would gather the events otherwise.
    headers.insert(headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    add(headers, head);
    response
}

/// An error. Settles the exchange.
pub(super) fn refused(refused: Box<Refused>) -> HttpResponse {
    let Refused { error, mut exchange } = *refused;
    exchange.record.status = error.status;
    let mut response = error::to_http(&error);
    add(response.headers_mut(), &exchange.head());
    response
}

/// An error of which nothing else is known.
pub(super) fn bare_error(error: &Error, id: &RequestId) -> HttpResponse {
    let mut response = error::to_http(error);
    response.headers_mut().insert(headers::OPENAI_VERSION, OPENAI_VERSION);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(headers::X_REQUEST_ID, id);
    }
    response
}

fn add(to: &mut HeaderMap, head: &Head) {
    // A request id is checked where it is made.
    if let Ok(id) = HeaderValue::from_str(head.request_id.as_str()) {
        to.insert(headers::X_REQUEST_ID, id);
    }
    to.insert(headers::OPENAI_VERSION, OPENAI_VERSION);
    to.insert(headers::OPENAI_PROCESSING_MS, HeaderValue::from(millis(head.elapsed)));
    to.insert(headers::SERVER_TIMING, server_timing(head));
    if let Some(outcome) = head.outcome {
        to.insert(headers::X_CHIPP_SESSION, HeaderValue::from_static(outcome.as_str()));
    }
    if let Some(session) = &head.chat_session
        && let Ok(session) = HeaderValue::from_str(session.as_str())
    {
        to.insert(headers::X_CHAT_SESSION_ID, session);
    }
    if let Some(usage) = head.usage {
        to.insert(headers::X_CHIPP_USAGE, HeaderValue::from_static(usage.as_str()));
    }
    if !head.ignored.is_empty()
        && let Ok(ignored) = HeaderValue::from_str(&headers::names(&head.ignored))
    {
        to.insert(headers::X_CHIPP_IGNORED_PARAMS, ignored);
    }
    for (names, standing) in [
        (headers::X_RATELIMIT_REQUESTS, head.standings.requests),
        (headers::X_RATELIMIT_TOKENS, head.standings.tokens),
    ] {
        let Some(standing) = standing else { continue };
        let [limit, remaining, until_reset] = names;
        to.insert(limit, HeaderValue::from(standing.limit));
        to.insert(remaining, HeaderValue::from(standing.remaining));
        if let Ok(reset) = HeaderValue::from_str(&headers::reset(standing.reset)) {
            to.insert(until_reset, reset);
        }
    }
}

/// `upstream;dur=12.345, proxy;dur=0.123`, in milliseconds.
fn server_timing(head: &Head) -> HeaderValue {
    let proxy = head.elapsed.saturating_sub(head.upstream);
    let mut text = Vec::with_capacity(48);
    // Writing into a Vec does not fail.
    let _ = write!(
        text,
        "upstream;dur={}.{:03}, proxy;dur={}.{:03}",
        millis(head.upstream),
        head.upstream.subsec_micros() % 1000,
        millis(proxy),
        proxy.subsec_micros() % 1000
    );
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("upstream"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_error_has_the_request_id_all_the_same() {
        let response = bare_error(&Error::internal(), &RequestId::parse("abc").unwrap());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(CONTENT_TYPE), Some(&JSON));
        assert_eq!(response.headers().get(headers::X_REQUEST_ID).unwrap(), &HeaderValue::from_static("abc"));
        assert_eq!(response.headers().get(headers::OPENAI_VERSION), Some(&OPENAI_VERSION));
    }
}
