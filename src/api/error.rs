//! Errors on the wire: the one place where an [`Error`] becomes HTTP.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use crate::api::headers::{RETRY_AFTER_MS, X_SHOULD_RETRY};
use crate::openai::Error;

/// Longest wait that an SDK is left to sleep through by itself. That of OpenAI's for Node sleeps for as long as it is
/// told to, be it hours, before its caller hears of the error.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The status, the body, and the headers that say whether and when to try again.
pub(super) fn to_http(error: &Error) -> HttpResponse {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::new(status).set_body(actix_web::body::BoxBody::new(error.to_json()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = error.retry_after {
        // Rounded up: who waits that long gets through.
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
    }
    let is_long = error.retry_after.is_some_and(|wait| wait > LONGEST_WAIT);
    if let Some(should) = error.should_retry.or(is_long.then_some(false)) {
        headers.insert(X_SHOULD_RETRY, HeaderValue::from_static(if should { "true" } else { "false" }));
    }
    response
}
