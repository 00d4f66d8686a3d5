//! What went wrong, in Chipp's terms: its error bodies and broken replies, classified.
//!
//! The documented body is `{"error":"text"}`. Everything else that a service, its gateway or a library in it may
//! answer is read too: the status decides, except where the words know better.

mod detail;
mod report;
mod words;

use serde_json::Value;

use report::{Report, own_status};

/// Longest message kept of an error, in bytes of UTF-8.
pub const MAX_MESSAGE_BYTES: usize = 512;

/// An error that Chipp reported: with a status, under a 200, or in mid-stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ApiError {
    /// What it means.
    pub kind: ErrorKind,
    /// Chipp's own words, capped; for logs at debug level and, scrubbed, for 400s. Not for other clients' eyes.
    pub message: Option<String>,
}

/// The classes of errors that are treated differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// 401: the key is missing, wrong, or another app's.
    #[error("the key was not accepted")]
    InvalidKey,
    /// 401 "paid plan": the app's owner has to upgrade.
    #[error("the app's plan does not include the API")]
    PlanRequired,
    /// 402, or words for used-up credits or quota.
    #[error("the app's credits or quota are used up")]
    QuotaExhausted,
    /// 404 `Unknown model`: the app does not exist.
    #[error("the app does not exist")]
    UnknownModel,
    /// 404 of a route: `upstream.base_url` leads elsewhere. The operator's fault, not the app's.
    #[error("the upstream has no such route")]
    UnknownRoute,
    /// A session id was sent that Chipp does not know (any more).
    #[error("the session is not known")]
    UnknownSession,
    /// 400 and its like; `param` is the path of the first detail or the word in back-ticks, if there is one.
    #[error("the request was not accepted")]
    InvalidRequest {
        /// The field that Chipp complains of.
        param: Option<String>,
    },
    /// 429.
    #[error("too many requests")]
    RateLimited,
    /// 503, 529 and 409: try later.
    #[error("not available at the moment")]
    Unavailable,
    /// 5xx, an unreadable page, or an error without a known class.
    #[error("the service failed")]
    Server,
}

/// How a reply can fail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Chipp said so.
    #[error(transparent)]
    Api(ApiError),
    /// The bytes ended without the dialect's end.
    #[error("the reply was cut off")]
    Cut,
    /// A web page came in the reply's place.
    #[error("a web page came in the reply's place")]
    Html,
    /// No byte at all, or white space only.
    #[error("the reply was empty")]
    Empty,
    /// It cannot be read as any known form of reply.
    #[error("the reply could not be read")]
    Malformed,
    /// A line, an event or the whole exceeded its cap.
    #[error("the reply was too large")]
    TooLarge,
    /// The app gave up (`abort` in a stream).
    #[error("the app gave up")]
    Aborted,
    /// The model provider's run broke off: its finish word says so.
    #[error("the model's run was interrupted")]
    Interrupted,
    /// A person has taken the session over: the message was delivered to them, and no answer will come.
    #[error("a person has taken the session over")]
    Takeover,
    /// A stream of nothing but event types that nobody knows.
    #[error("the stream held no known event")]
    Unrecognized,
}

/// Reads the body of an answer whose status is an error.
pub fn classify(status: u16, body: &[u8]) -> ApiError {
    Report::of_body(body).judge(Some(status))
}

/// Reads an error that came without a status: the text of an error in a stream.
pub fn classify_text(text: &str) -> ApiError {
    Report::of_body(text.as_bytes()).judge(None)
}

/// Reads an error that came without a status: an error object under a 200 or in a stream.
pub(super) fn classify_value(value: &Value) -> ApiError {
    Report::of_value(value).judge(None)
}

/// The error that a JSON object reports, if it does: `error`, `{"success":false}`, or a status of its own.
pub(super) fn reported(value: &Value) -> Option<ApiError> {
    let given = |error: &Value| !matches!(error, Value::Null | Value::Bool(false)) && *error != "";
    let failed = || value.get("success") == Some(&Value::Bool(false)) || own_status(value).is_some();
    let is_error = value.get("error").is_some_and(given) || (value.get("choices").is_none() && failed());
    is_error.then(|| classify_value(value))
}

#[cfg(test)]
mod tests;
