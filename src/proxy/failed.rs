//! A call that failed before the first byte of an answer: what the client would be told, and what else may help.

use std::time::Duration;

use crate::chipp::{ErrorKind, Failure};
use crate::config::Fault;
use crate::openai::Error;
use crate::proxy::error;
use crate::translate::failure::KeyOwner;
use crate::upstream::retry::{self, Session};
use crate::upstream::{BodyError, SendError, SendErrorKind};

/// A failed call.
#[derive(Debug)]
pub(super) struct Failed {
    /// What the client is told if nothing else helps.
    pub(super) error: Error,
    /// What else may help.
    pub(super) cause: Cause,
    /// Whether the session is as it was.
    pub(super) session: Session,
    /// Chipp's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

/// Whose fault it is, and so who may do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The request: nobody.
    Request,
    /// There is no time left for anybody.
    OutOfTime,
    /// The app, for longer than a moment (its key, plan, credits or id; a breaker; it has nothing to say): another app.
    App,
    /// Chipp, in this way: the same app a moment later, or another app.
    Fault(Fault),
}

impl Failed {
    /// No answer came.
    pub(super) fn unsent(failed: SendError) -> Self {
        let (cause, session) = match (retry::unsent(failed), failed.kind) {
            (Some((fault, session)), _) => (Cause::Fault(fault), session),
            (None, SendErrorKind::TotalTimeout) => (Cause::OutOfTime, retry::session(failed.sent)),
            (None, _) => (Cause::Request, retry::session(failed.sent)),
        };
        Self { error: error::unsent(failed), cause, session, retry_after: None }
    }

    /// Chipp answered with an error status.
    pub(super) fn reported(kind: &ErrorKind, status: u16, owner: KeyOwner, error: Error) -> Self {
        // What is refused with these has not become part of a conversation.
        let is_untouched = matches!(status, 400 | 401 | 402 | 403 | 404 | 413 | 422 | 429);
        let session = if is_untouched { Session::Same } else { Session::Fresh };
        Self { error, cause: Cause::of(kind, owner), session, retry_after: None }
    }

    /// The reply failed after its head. Whatever it says of rates and loads, the app may have begun its work.
    pub(super) fn in_reply(failure: &Failure, owner: KeyOwner, error: Error) -> Self {
        let cause = match failure {
            Failure::Api(reported) => match Cause::of(&reported.kind, owner) {
                Cause::Fault(_) => Cause::Fault(Fault::ServerError),
                cause => cause,
            },
            Failure::Cut => Cause::Fault(Fault::Reset),
            // The message has been delivered: neither the app again nor another one.
            Failure::Takeover => Cause::Request,
            Failure::Html
            | Failure::Empty
            | Failure::Malformed
            | Failure::TooLarge
            | Failure::Aborted
            | Failure::Interrupted
            | Failure::Unrecognized => Cause::Fault(Fault::ServerError),
        };
        Self { error, cause, session: Session::Fresh, retry_after: None }
    }

    /// The reply's body broke off.
    pub(super) fn broken(broken: BodyError) -> Self {
        let cause = match broken {
            BodyError::Cut => Cause::Fault(Fault::Reset),
            BodyError::IdleTimeout => Cause::Fault(Fault::Timeout),
            BodyError::TotalTimeout => Cause::OutOfTime,
            BodyError::Malformed | BodyError::TooLarge => Cause::Fault(Fault::ServerError),
        };
        Self { error: error::broken(broken), cause, session: Session::Fresh, retry_after: None }
    }

    /// The app ended its turn without a word.
    pub(super) fn said_nothing(error: Error) -> Self {
        Self { error, cause: Cause::App, session: Session::Fresh, retry_after: None }
    }

    /// The app is left alone for so long.
    pub(super) fn left_alone(wait: Duration) -> Self {
        let error = Error::overloaded(wait);
        Self { error, cause: Cause::App, session: Session::Same, retry_after: Some(wait) }
    }
}

impl From<Error> for Failed {
    /// An error of the request's own.
    fn from(error: Error) -> Self {
        Self { error, cause: Cause::Request, session: Session::Same, retry_after: None }
    }
}

impl Cause {
    fn of(kind: &ErrorKind, owner: KeyOwner) -> Self {
        match (kind, owner) {
            // It is told, so that it is not looked for in a fallback.
            (ErrorKind::InvalidKey, KeyOwner::Client) | (ErrorKind::InvalidRequest { .. }, _) => {
                Self::Request
            }
            (ErrorKind::InvalidKey, KeyOwner::Operator)
            | (
                ErrorKind::PlanRequired
                | ErrorKind::QuotaExhausted
                | ErrorKind::UnknownModel
                | ErrorKind::UnknownRoute,
                _,
            ) => Self::App,
            (ErrorKind::RateLimited, _) => Self::Fault(Fault::RateLimit),
            (ErrorKind::Unavailable, _) => Self::Fault(Fault::Unavailable),
            (ErrorKind::UnknownSession | ErrorKind::Server, _) => Self::Fault(Fault::ServerError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chipp::ApiError;

    fn invalid() -> ErrorKind {
        ErrorKind::InvalidRequest { param: None }
    }

    #[test]
    fn every_error_that_chipp_reports() {
        let table = [
            (ErrorKind::InvalidKey, 401, Cause::App, Session::Same),
            (ErrorKind::InvalidKey, 403, Cause::App, Session::Same),
            (ErrorKind::PlanRequired, 401, Cause::App, Session::Same),
            (ErrorKind::QuotaExhausted, 402, Cause::App, Session::Same),
            (ErrorKind::UnknownModel, 404, Cause::App, Session::Same),
            (ErrorKind::UnknownRoute, 404, Cause::App, Session::Same),
            (invalid(), 400, Cause::Request, Session::Same),
            (invalid(), 413, Cause::Request, Session::Same),
            (invalid(), 422, Cause::Request, Session::Same),
            (ErrorKind::RateLimited, 429, Cause::Fault(Fault::RateLimit), Session::Same),
            (ErrorKind::Unavailable, 503, Cause::Fault(Fault::Unavailable), Session::Fresh),
            (ErrorKind::Unavailable, 409, Cause::Fault(Fault::Unavailable), Session::Fresh),
            (ErrorKind::Unavailable, 529, Cause::Fault(Fault::Unavailable), Session::Fresh),
            (ErrorKind::Server, 302, Cause::Fault(Fault::ServerError), Session::Fresh),
            (ErrorKind::Server, 408, Cause::Fault(Fault::ServerError), Session::Fresh),
            (ErrorKind::Server, 500, Cause::Fault(Fault::ServerError), Session::Fresh),
            (ErrorKind::Server, 502, Cause::Fault(Fault::ServerError), Session::Fresh),
            (ErrorKind::Server, 504, Cause::Fault(Fault::ServerError), Session::Fresh),
            (ErrorKind::UnknownSession, 404, Cause::Fault(Fault::ServerError), Session::Same),
        ];
        for (kind, status, cause, session) in table {
            let failed = Failed::reported(&kind, status, KeyOwner::Operator, Error::upstream_error());
            assert_eq!((failed.cause, failed.session), (cause, session), "{kind:?} {status}");
        }
        let own = Failed::reported(&ErrorKind::InvalidKey, 401, KeyOwner::Client, Error::upstream_error());
        assert_eq!(own.cause, Cause::Request);
    }

    #[test]
    fn a_reply_that_has_begun_may_have_been_acted_on() {
        let said = |kind| Failure::Api(ApiError { kind, message: None });
        let server_error = Cause::Fault(Fault::ServerError);
        let table = [
            (said(ErrorKind::RateLimited), server_error),
            (said(ErrorKind::Unavailable), server_error),
            (said(ErrorKind::Server), server_error),
            (said(ErrorKind::QuotaExhausted), Cause::App),
            (said(invalid()), Cause::Request),
            (Failure::Cut, Cause::Fault(Fault::Reset)),
            (Failure::Html, server_error),
            (Failure::Empty, server_error),
            (Failure::Malformed, server_error),
            (Failure::TooLarge, server_error),
            (Failure::Aborted, server_error),
            (Failure::Interrupted, server_error),
            (Failure::Unrecognized, server_error),
            (Failure::Takeover, Cause::Request),
        ];
        for (failure, cause) in table {
            let failed = Failed::in_reply(&failure, KeyOwner::Operator, Error::upstream_error());
            assert_eq!((failed.cause, failed.session), (cause, Session::Fresh), "{failure:?}");
        }
        for (broken, cause) in [
            (BodyError::Cut, Cause::Fault(Fault::Reset)),
            (BodyError::Malformed, server_error),
            (BodyError::IdleTimeout, Cause::Fault(Fault::Timeout)),
            (BodyError::TotalTimeout, Cause::OutOfTime),
            (BodyError::TooLarge, server_error),
        ] {
            let failed = Failed::broken(broken);
            assert_eq!((failed.cause, failed.session), (cause, Session::Fresh), "{broken:?}");
        }
    }
}
