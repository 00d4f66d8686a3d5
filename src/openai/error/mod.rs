//! OpenAI's error object, and the one table of the cases in which it is given: as named constructors, those for
//! what a request says in `request`, those for who asks, where, and what broke in `service`.
//!
//! Messages are for a person and use OpenAI's wording. They never hold more than [`MAX_ECHO_CHARS`] of what a
//! client sent, and nothing of what the upstream said.

mod request;
mod service;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use service::{Exhausted, Period};

/// Longest piece of a client's text that a message or a `param` repeats, in characters.
pub const MAX_ECHO_CHARS: usize = 64;

/// An error as a client sees it: the status and `{"error":{"message","type","param","code"}}`, always all four keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// `type`.
    pub kind: ErrorType,
    /// `code`, null if `None`.
    pub code: Option<&'static str>,
    /// `param`, null if `None`: the place in the request, `messages[2].role`.
    pub param: Option<Cow<'static, str>>,
    /// `message`: for a person.
    pub message: Cow<'static, str>,
    /// `retry-after`, where waiting helps.
    pub retry_after: Option<Duration>,
    /// `x-should-retry`, which the official SDKs obey; not sent if `None`.
    pub should_retry: Option<bool>,
}

/// OpenAI's values of `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// `invalid_request_error`
    InvalidRequest,
    /// `insufficient_quota`
    InsufficientQuota,
    /// `requests`: a limit counted in requests.
    Requests,
    /// `tokens`: a limit counted in tokens.
    Tokens,
    /// `rate_limit_exceeded`: the upstream's own limit.
    RateLimitExceeded,
    /// `api_error`: the upstream failed.
    Api,
    /// `server_error`: the proxy failed.
    Server,
}

impl ErrorType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::InsufficientQuota => "insufficient_quota",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::Api => "api_error",
            Self::Server => "server_error",
        }
    }
}

impl Error {
    /// A bare error; the named cases below are to be preferred.
    pub fn new(
        status: u16,
        kind: ErrorType,
        code: Option<&'static str>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message: message.into(),
            retry_after: None,
            should_retry: None,
        }
    }

    /// The same, naming the place.
    #[must_use]
    pub fn at(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, with the wait after which a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, telling SDKs whether to try again.
    #[must_use]
    pub fn should_retry(mut self, should: bool) -> Self {
        self.should_retry = Some(should);
        self
    }

    /// The body: `{"error":{…}}`.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Body<'a> {
            error: Inner<'a>,
        }
        #[derive(serde::Serialize)]
        struct Inner<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: Option<&'a str>,
        }
        let inner = Inner {
            message: &self.message,
            r#type: self.kind.as_str(),
            param: self.param.as_deref(),
            code: self.code,
        };
        serde_json::to_vec(&Body { error: inner }).unwrap_or_default()
    }
}

/// A client's text as a message may repeat it: at most [`MAX_ECHO_CHARS`], with `…` for the rest.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_ECHO_CHARS) {
            None => f.write_str(self.0),
            Some((end, _)) => {
                f.write_str(self.0.get(..end).unwrap_or_default())?;
                f.write_str("…")
            }
        }
    }
}
