//! What went wrong, in Chipp's terms: its error bodies and broken replies, classified.
//!
//! The documented body is `{"error":"text"}`. Everything else that a service, its gateway or a library in it may
//! answer is read too: the status decides, except where the words know better.

use serde_json::Value;

use crate::chipp::json;

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
    /// A session id was sent that Chipp does not know (any more).
    #[error("the session is not known")]
    UnknownSession,
    /// 400 and its like; `param` is the word in back-ticks, if there is one.
    #[error("the request was not accepted")]
    InvalidRequest {
        /// The field that Chipp complains of.
        param: Option<String>,
    },
    /// 429.
    #[error("too many requests")]
    RateLimited,
    /// 503, 529: try later.
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

/// What a body turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Empty,
    Page,
    Text,
    Json,
}

/// What an error's body says.
struct Report {
    form: Form,
    /// The status that the body names itself.
    status: Option<u16>,
    message: Option<String>,
    /// Codes and texts in one, in lower case, for the search of words.
    words: String,
}

impl Report {
    fn of_body(body: &[u8]) -> Self {
        let body = json::trimmed(body);
        match body.first() {
            None => Self::of_texts(Form::Empty, &[]),
            Some(b'<') => Self::of_texts(Form::Page, &[]),
            Some(b'{' | b'[' | b'"') => match json::value(body) {
                Some(value) => Self::of_value(&value),
                // A fragment of JSON says nothing that a person could read.
                None => Self::of_texts(Form::Text, &[]),
            },
            Some(_) => {
                let head = body.get(..MAX_MESSAGE_BYTES).unwrap_or(body);
                Self::of_texts(Form::Text, &[&String::from_utf8_lossy(head)])
            }
        }
    }

    fn of_value(value: &Value) -> Self {
        if let Value::String(text) = value {
            // An error in a string may be a whole body again, serialised once more.
            let nested = json::value(text.as_bytes()).filter(Value::is_object);
            return match nested {
                Some(value) => Self::of_value(&value),
                None if text.trim_start().starts_with('<') => Self::of_texts(Form::Page, &[]),
                None => Self::of_texts(Form::Text, &[text]),
            };
        }
        let text = |place: &str| value.pointer(place).and_then(Value::as_str);
        // Where `error` is a code or a status line, `message` is what says more.
        let places = [
            "/error/message",
            "/message",
            "/errorText",
            "/error/errorText",
            "/detail",
            "/error/error",
            "/error",
            "/error/code",
            "/error/type",
            "/code",
        ];
        let texts: Vec<&str> = places.into_iter().filter_map(text).collect();
        Self { status: own_status(value), ..Self::of_texts(Form::Json, &texts) }
    }

    /// From texts in the order in which they are fit to be shown.
    fn of_texts(form: Form, texts: &[&str]) -> Self {
        let shown = texts.iter().map(|text| capped(text.trim()));
        let message = shown.clone().find(|text| !text.is_empty() && !text.starts_with('<'));
        Self { form, status: None, message: message.map(str::to_owned), words: shown.map(words).collect() }
    }

    fn judge(self, status: Option<u16>) -> ApiError {
        ApiError { kind: self.kind(status.or(self.status)), message: self.message }
    }

    /// The words first, from the surest to the vaguest, then the status.
    fn kind(&self, status: Option<u16>) -> ErrorKind {
        let own_fault = status.is_none_or(|status| (400..500).contains(&status));
        if own_fault && self.says(UNKNOWN_MODEL) {
            ErrorKind::UnknownModel
        } else if self.says(UNSUPPORTED_INPUT) {
            self.invalid_request()
        } else if self.says(PLAN) {
            ErrorKind::PlanRequired
        } else if own_fault && self.says(KEY) && self.says(BAD) {
            ErrorKind::InvalidKey
        } else if own_fault && self.says(SESSION) && self.says(BAD) {
            ErrorKind::UnknownSession
        } else if self.says(QUOTA) && !self.says(RATE) {
            ErrorKind::QuotaExhausted
        } else {
            match status {
                Some(status) => self.kind_of_status(status),
                None => self.kind_without_status(),
            }
        }
    }

    fn kind_of_status(&self, status: u16) -> ErrorKind {
        let page = self.form == Form::Page;
        match status {
            401 => ErrorKind::InvalidKey,
            402 => ErrorKind::QuotaExhausted,
            429 => ErrorKind::RateLimited,
            503 | 529 => ErrorKind::Unavailable,
            413 => self.invalid_request(),
            403 if !page => ErrorKind::InvalidKey,
            // A 404 that the API did not write itself means that the base URL leads elsewhere.
            404 if self.form == Form::Json => ErrorKind::UnknownModel,
            404 | 405 | 408 => ErrorKind::Server,
            400..500 if !page => self.invalid_request(),
            _ => ErrorKind::Server,
        }
    }

    fn kind_without_status(&self) -> ErrorKind {
        if self.says(RATE) {
            ErrorKind::RateLimited
        } else if self.says(UNAVAILABLE) {
            ErrorKind::Unavailable
        } else if self.param().is_some() || self.says(INVALID_REQUEST) {
            self.invalid_request()
        } else {
            ErrorKind::Server
        }
    }

    fn invalid_request(&self) -> ErrorKind {
        ErrorKind::InvalidRequest { param: self.param() }
    }

    /// The first word in back-ticks that can be a field's name.
    fn param(&self) -> Option<String> {
        let is_name = |word: &&str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
            !word.is_empty() && word.bytes().all(fits)
        };
        let quoted = self.message.as_deref()?.split('`').skip(1).step_by(2);
        quoted.into_iter().find(is_name).map(str::to_owned)
    }

    fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|words| self.words.contains(words))
    }
}

const UNKNOWN_MODEL: &[&str] = &["unknown model", "model not found", "unknown app", "app not found"];
const UNSUPPORTED_INPUT: &[&str] = &["input unsupported by model"];
const PLAN: &[&str] = &["paid plan", "plan required", "upgrade your plan"];
const KEY: &[&str] = &["api key", "apikey"];
const SESSION: &[&str] = &["session"];
/// What is said of a key or a session that is of no use.
const BAD: &[&str] = &[
    "invalid",
    "missing",
    "incorrect",
    "unknown",
    "expired",
    "revoked",
    "not found",
    "not valid",
    "not exist",
    "n't exist",
    "no such",
    "no longer",
    "not belong",
    "cannot find",
    "not find",
    "must be",
];
const QUOTA: &[&str] = &[
    "quota",
    "credits",
    "insufficient credit",
    "out of credit",
    "credit limit",
    "credit balance",
    "insufficient balance",
    "usage limit",
    "spending limit",
];
/// A quota of so many requests a minute is a rate.
const RATE: &[&str] = &["rate limit", "ratelimit", "too many requests", "per minute"];
const UNAVAILABLE: &[&str] = &["overloaded", "unavailable", "try again later"];
const INVALID_REQUEST: &[&str] = &["invalid request", "bad request"];

/// In lower case, codes taken apart, and without what stands in quotes: an app may be called `quota-expired-1`.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 1);
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 0 || matches!(part, "chatSessionId" | "sessionId") {
            words.extend(part.chars().map(|letter| match letter {
                '_' | '-' => ' ',
                letter => letter.to_ascii_lowercase(),
            }));
        }
    }
    words.push(' ');
    words
}

/// The text up to [`MAX_MESSAGE_BYTES`], cut between characters.
fn capped(text: &str) -> &str {
    let fits = |end: &usize| *end <= MAX_MESSAGE_BYTES;
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = ends.take_while(fits).last().unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// An error status that a body names itself.
fn own_status(value: &Value) -> Option<u16> {
    let places = ["/statusCode", "/status", "/code", "/error/statusCode", "/error/status", "/error/code"];
    let status = places.into_iter().find_map(|place| value.pointer(place)?.as_u64())?;
    u16::try_from(status).ok().filter(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests;
