//! The id of a request: the client's own if it sent a sane one.

use actix_web::HttpRequest;

use crate::api::headers::X_REQUEST_ID;
use crate::ids::RequestId;

/// The id that the client sent, else a new one.
pub(super) fn of(request: &HttpRequest) -> RequestId {
    let sent = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    sent.and_then(RequestId::parse).unwrap_or_else(RequestId::mint)
}
