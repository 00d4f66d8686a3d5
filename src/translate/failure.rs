//! Chipp's errors and broken replies as the errors that a client gets.
//!
//! Chipp's own words stay here: they may name the app, the model behind it, or worse. The exception is a
//! complaint about the request itself, which is of use to the client; it is scrubbed first.

use std::time::Duration;

use crate::chipp::{ApiError, ErrorKind, Failure};
use crate::openai::{Error, ErrorType};

/// Whose key Chipp refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The operator's: the client can do nothing about it.
    Operator,
    /// The client's own (`auth.mode: passthrough`).
    Client,
}

/// What the message of an error may have to name or to hide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The alias, as the client asked for it.
    pub model: &'a str,
    /// Text that must not go out: the app's id, the session's id, the key.
    pub secrets: [Option<&'a str>; 3],
    /// Whose key was sent.
    pub key_owner: KeyOwner,
    /// Chipp's `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// The error for a reply that failed.
pub fn failure(failure: &Failure, facts: Facts<'_>) -> Error {
    match failure {
        Failure::Api(error) => api_error(error, facts),
        Failure::Takeover => Error::human_takeover(),
        Failure::Unrecognized => Error::unrecognized_answer(),
        Failure::Cut
        | Failure::Interrupted
        | Failure::Aborted
        | Failure::Html
        | Failure::Malformed
        | Failure::Empty
        | Failure::TooLarge => Error::upstream_error(),
    }
}

/// The error for what Chipp reported.
pub fn api_error(error: &ApiError, facts: Facts<'_>) -> Error {
    match &error.kind {
        ErrorKind::InvalidKey => match facts.key_owner {
            KeyOwner::Client => {
                let message = "Incorrect API key provided. Send the Chipp key of the app behind this model.";
                Error::new(401, ErrorType::InvalidRequest, Some("invalid_api_key"), message)
            }
            KeyOwner::Operator => Error::upstream_auth_failed(),
        },
        ErrorKind::PlanRequired => Error::plan_required(),
        ErrorKind::QuotaExhausted => Error::insufficient_quota(),
        ErrorKind::UnknownModel => Error::model_not_found(facts.model),
        ErrorKind::InvalidRequest { param } => {
            let said = error.message.as_deref().map(|message| scrub(message, facts));
            let message = match said {
                Some(said) if !said.is_empty() => format!("The app refused the request: {said}"),
                _ => "The app refused the request.".to_owned(),
            };
            let error = Error::new(400, ErrorType::InvalidRequest, None, message);
            match param {
                Some(param) => error.at(scrub(param, facts)),
                None => error,
            }
        }
        ErrorKind::RateLimited => Error::upstream_rate_limited(facts.retry_after),
        ErrorKind::Unavailable => Error { retry_after: facts.retry_after, ..Error::upstream_error() },
        // The operator's fault: no retry helps.
        ErrorKind::UnknownRoute => Error::upstream_error().should_retry(false),
        ErrorKind::UnknownSession | ErrorKind::Server => Error::upstream_error(),
    }
}

/// Chipp's words without what must not go out.
fn scrub(text: &str, facts: Facts<'_>) -> String {
    let mut text = text.to_owned();
    let [app, others @ ..] = facts.secrets;
    if let Some(app) = app.filter(|app| !app.is_empty()) {
        text = text.replace(app, facts.model);
    }
    for secret in others.into_iter().flatten().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    without_uuids(&text)
}

/// A text without UUIDs: any of them may be a session's id, also one that has not been learned.
fn without_uuids(text: &str) -> String {
    const FORM: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    let is_uuid = |candidate: &str| {
        let fits =
            |(byte, form): (u8, &u8)| if *form == b'x' { byte.is_ascii_hexdigit() } else { byte == b'-' };
        candidate.bytes().zip(FORM).all(fits)
    };
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let uuid = rest.get(..FORM.len()).filter(|candidate| is_uuid(candidate));
        let taken = uuid.map_or(letter.len_utf8(), str::len);
        match uuid {
            Some(_) => kept.push_str("***"),
            None => kept.push(letter),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        model: "gpt-4o",
        secrets: [Some("myapp-123"), Some("session-9"), Some("live_key")],
        key_owner: KeyOwner::Operator,
        retry_after: Some(Duration::from_secs(7)),
    };

    fn of(kind: ErrorKind, facts: Facts<'_>) -> Error {
        let message = Some("myapp-123 with live_key in session-9 said `messages` no".to_owned());
        api_error(&ApiError { kind, message }, facts)
    }

    #[test]
    fn the_table_of_errors() {
        let client = Facts { key_owner: KeyOwner::Client, ..FACTS };
        let invalid = || ErrorKind::InvalidRequest { param: Some("messages".into()) };
        let table = [
            (ErrorKind::InvalidKey, FACTS, 502, "api_error", Some("upstream_auth_failed"), None),
            (ErrorKind::InvalidKey, client, 401, "invalid_request_error", Some("invalid_api_key"), None),
            (ErrorKind::PlanRequired, FACTS, 403, "insufficient_quota", Some("plan_required"), None),
            (ErrorKind::QuotaExhausted, FACTS, 429, "insufficient_quota", Some("insufficient_quota"), None),
            (
                ErrorKind::UnknownModel,
                FACTS,
                404,
                "invalid_request_error",
                Some("model_not_found"),
                Some("model"),
            ),
            (invalid(), FACTS, 400, "invalid_request_error", None, Some("messages")),
            (ErrorKind::RateLimited, FACTS, 429, "rate_limit_exceeded", Some("rate_limit_exceeded"), None),
            (ErrorKind::Unavailable, FACTS, 502, "api_error", Some("upstream_error"), None),
            (ErrorKind::Server, FACTS, 502, "api_error", Some("upstream_error"), None),
            (ErrorKind::UnknownRoute, FACTS, 502, "api_error", Some("upstream_error"), None),
            (ErrorKind::UnknownSession, FACTS, 502, "api_error", Some("upstream_error"), None),
        ];
        for (kind, facts, status, r#type, code, param) in table {
            let error = of(kind.clone(), facts);
            let got = (error.status, error.kind.as_str(), error.code, error.param.as_deref());
            assert_eq!(got, (status, r#type, code, param), "{kind:?}");
        }
    }

    #[test]
    fn waits_are_passed_on_and_hopeless_retries_discouraged() {
        assert_eq!(of(ErrorKind::RateLimited, FACTS).retry_after, Some(Duration::from_secs(7)));
        assert_eq!(of(ErrorKind::QuotaExhausted, FACTS).should_retry, Some(false));
        assert_eq!(of(ErrorKind::UnknownRoute, FACTS).should_retry, Some(false));
    }

    #[test]
    fn no_uuid_gets_out() {
        let id = "e86bc4d9-089f-4de8-9f29-327c178fbd6b";
        for (text, kept) in [
            (format!("chat {id} of 42"), "chat *** of 42"),
            (format!("é{id}{id}"), "é******"),
            (id[1..].to_owned(), "86bc4d9-089f-4de8-9f29-327c178fbd6b"),
            (String::new(), ""),
        ] {
            assert_eq!(without_uuids(&text), kept);
        }
    }

    #[test]
    fn no_secret_gets_out() {
        let error = of(ErrorKind::InvalidRequest { param: None }, FACTS);
        assert_eq!(error.message, "The app refused the request: gpt-4o with *** in *** said `messages` no");
        let param = Some("apps[0].myapp-123.live_key".to_owned());
        let error = of(ErrorKind::InvalidRequest { param }, FACTS);
        assert_eq!(error.param.as_deref(), Some("apps[0].gpt-4o.***"));
        for kind in [
            ErrorKind::Server,
            ErrorKind::UnknownModel,
            ErrorKind::UnknownRoute,
            ErrorKind::InvalidKey,
            ErrorKind::RateLimited,
        ] {
            let text = String::from_utf8(of(kind, FACTS).to_json()).unwrap();
            assert!(!text.contains("myapp") && !text.contains("session-9") && !text.contains("live_key"));
        }
    }
}
