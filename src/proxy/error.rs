//! What fails on the way, as the errors that a client gets and as the words that it is counted under.

use std::time::Duration;

use crate::archive;
use crate::chipp::{ErrorKind, Failure};
use crate::config::Fault;
use crate::limits::{self, Denied, Refusal, Unit};
use crate::openai::Error;
use crate::openai::error::{Exhausted, Period};
use crate::session::Unavailable;
use crate::upstream::{BodyError, SendError, SendErrorKind};

/// The error for a request that got no answer.
pub(super) fn unsent(failed: SendError) -> Error {
    match failed.kind {
        SendErrorKind::ConnectTimeout | SendErrorKind::HeadTimeout | SendErrorKind::TotalTimeout => {
            Error::upstream_timeout()
        }
        SendErrorKind::Unsendable
        | SendErrorKind::Resolve
        | SendErrorKind::Connect
        | SendErrorKind::Tls
        | SendErrorKind::Disconnected
        | SendErrorKind::Malformed
        | SendErrorKind::Interim
        | SendErrorKind::Mismatched
        | SendErrorKind::UnknownCoding
        | SendErrorKind::Unframed => Error::upstream_error(),
    }
}

/// The error for an answer whose body broke off.
pub(super) fn broken(broken: BodyError) -> Error {
    match broken {
        BodyError::IdleTimeout | BodyError::TotalTimeout => Error::upstream_timeout(),
        BodyError::Cut | BodyError::Malformed | BodyError::TooLarge => Error::upstream_error(),
    }
}

/// The error for a session that cannot be had.
pub(super) fn unavailable(unavailable: Unavailable) -> Error {
    match unavailable {
        Unavailable::Busy => Error::session_busy(Duration::from_secs(1)),
        Unavailable::Unknown => Error::session_not_found(),
    }
}

/// When the store of responses and conversations may be back.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// The error for what was not kept, or could not be looked up.
pub(super) fn unkept(failed: archive::Failed) -> Error {
    match failed {
        archive::Failed::TooLarge => Error::conversation_too_large(),
        archive::Failed::Unavailable => Error::storage_unavailable(STORE_WAIT),
    }
}

/// When somebody who found too many running may try again: nobody knows when one of them ends.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// When somebody may try again whose limits nobody can look up.
const UNKNOWN_WAIT: Duration = Duration::from_secs(1);

/// The error for a request that may not pass.
pub(super) fn refused(refusal: &Refusal, model: &str) -> Error {
    match refusal {
        Refusal::Denied(told) => denied(told, model),
        Refusal::Unknown => Error::limits_unavailable(UNKNOWN_WAIT),
    }
}

/// The error for a request over a limit.
fn denied(denied: &Denied, model: &str) -> Error {
    let period = |unit| match unit {
        Unit::RequestsPerMinute | Unit::TokensPerMinute => Period::Minute,
        Unit::RequestsPerDay | Unit::TokensPerDay => Period::Day,
    };
    match denied.cause {
        limits::Cause::Exhausted { unit, limit, used, requested, wait } => {
            let exhausted =
                Exhausted { period: period(unit), limit: limit.into(), used: used.into(), requested, wait };
            match unit {
                Unit::RequestsPerMinute | Unit::RequestsPerDay => {
                    Error::requests_exhausted(model, &exhausted)
                }
                Unit::TokensPerMinute | Unit::TokensPerDay => Error::tokens_exhausted(model, &exhausted),
            }
        }
        limits::Cause::TooLarge { unit, limit, requested } => {
            Error::request_too_large(model, period(unit), limit.into(), requested)
        }
        limits::Cause::Busy { limit } => Error::too_many_at_once(limit, BUSY_WAIT),
    }
}

/// The word for the metric.
pub(super) fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Connect => "connect",
        Fault::RateLimit => "rate_limit",
        Fault::Unavailable => "unavailable",
        Fault::Timeout => "timeout",
        Fault::ServerError => "server_error",
        Fault::Reset => "reset",
    }
}

/// The word for the metric.
pub(super) fn send_kind(failed: SendError) -> &'static str {
    match failed.kind {
        SendErrorKind::Unsendable => "unsendable",
        SendErrorKind::Resolve => "resolve",
        SendErrorKind::Connect => "connect",
        SendErrorKind::Tls => "tls",
        SendErrorKind::ConnectTimeout => "connect_timeout",
        SendErrorKind::HeadTimeout => "head_timeout",
        SendErrorKind::TotalTimeout => "total_timeout",
        SendErrorKind::Disconnected => "disconnected",
        SendErrorKind::Malformed => "malformed_http",
        SendErrorKind::Interim => "interim_response",
        SendErrorKind::Mismatched => "mismatched_response",
        SendErrorKind::UnknownCoding => "unknown_coding",
        SendErrorKind::Unframed => "unframed",
    }
}

/// The word for the metric.
pub(super) fn body_kind(broken: BodyError) -> &'static str {
    match broken {
        BodyError::Cut => "cut",
        BodyError::Malformed => "malformed_http",
        BodyError::IdleTimeout => "idle_timeout",
        BodyError::TotalTimeout => "total_timeout",
        BodyError::TooLarge => "too_large",
    }
}

/// The word for the metric.
pub(super) fn failure_kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Api(error) => api_kind(&error.kind),
        Failure::Cut => "cut",
        Failure::Html => "html",
        Failure::Empty => "empty",
        Failure::Malformed => "malformed",
        Failure::TooLarge => "too_large",
        Failure::Aborted => "aborted",
        Failure::Interrupted => "interrupted",
        Failure::Takeover => "human_takeover",
        Failure::Unrecognized => "unrecognized",
    }
}

/// The word for the metric.
pub(super) fn api_kind(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidKey => "invalid_key",
        ErrorKind::PlanRequired => "plan_required",
        ErrorKind::QuotaExhausted => "quota",
        ErrorKind::UnknownModel => "unknown_app",
        ErrorKind::UnknownRoute => "unknown_route",
        ErrorKind::UnknownSession => "unknown_session",
        ErrorKind::InvalidRequest { .. } => "invalid_request",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Server => "server",
    }
}
