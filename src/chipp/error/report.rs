//! The body of an error, read for what it says and judged.

use serde_json::Value;

use super::detail::Detail;
use super::words::{
    BAD, INVALID_REQUEST, KEY, PLAN, QUOTA, RATE, REQUEST_FIELDS, ROUTE, SESSION, UNAVAILABLE, UNKNOWN_MODEL,
    UNSUPPORTED_INPUT, words,
};
use super::{ApiError, ErrorKind, MAX_MESSAGE_BYTES};
use crate::chipp::json;

/// What a body turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Empty,
    Page,
    Text,
    Json,
}

/// What an error's body says.
pub(super) struct Report {
    form: Form,
    /// The status that the body names itself.
    status: Option<u16>,
    message: Option<String>,
    /// The first complaint of a validation, if it is one.
    detail: Option<Detail>,
    /// Codes and texts in one, in lower case, for the search of words.
    words: String,
}

impl Report {
    pub(super) fn of_body(body: &[u8]) -> Self {
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

    pub(super) fn of_value(value: &Value) -> Self {
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
        let detail = Detail::first(value);
        let mut texts: Vec<&str> = detail.iter().map(|detail| detail.message.as_str()).collect();
        texts.extend(places.into_iter().filter_map(text));
        if detail.as_ref().is_some_and(Detail::is_of_session) {
            texts.push("session: invalid");
        }
        let mut report = Self { status: own_status(value), ..Self::of_texts(Form::Json, &texts) };
        if let Some(told) = detail.as_ref().and_then(Detail::told) {
            report.message = Some(told);
        }
        Self { detail, ..report }
    }

    /// From texts in the order in which they are fit to be shown.
    fn of_texts(form: Form, texts: &[&str]) -> Self {
        let shown = texts.iter().map(|text| capped(text.trim()));
        let message = shown.clone().find(|text| !text.is_empty() && !text.starts_with('<'));
        let message = message.map(str::to_owned);
        Self { form, status: None, message, detail: None, words: shown.map(words).collect() }
    }

    pub(super) fn judge(self, status: Option<u16>) -> ApiError {
        let status = status.or(self.status);
        let kind = self.kind(status);
        let is_of_the_run =
            status.is_none() && matches!(kind, ErrorKind::InvalidRequest { .. }) && !self.is_of_request();
        ApiError { kind, message: self.message.filter(|_| !is_of_the_run) }
    }

    /// The words first, from the surest to the vaguest, then the status.
    fn kind(&self, status: Option<u16>) -> ErrorKind {
        let own_fault = status.is_none_or(|status| (400..500).contains(&status));
        if status == Some(404) && self.says(ROUTE) {
            ErrorKind::UnknownRoute
        } else if own_fault && self.says(UNKNOWN_MODEL) {
            ErrorKind::UnknownModel
        } else if self.says(UNSUPPORTED_INPUT) {
            self.invalid_request()
        } else if self.says(PLAN) {
            ErrorKind::PlanRequired
        } else if own_fault && self.says(KEY) && self.says(BAD) {
            ErrorKind::InvalidKey
        } else if is_of_session(status) && self.says(SESSION) && self.says(BAD) {
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
            // 409: something upstream is in the way of a request that is in order, say another turn of the same session: it
            // is not the client's to mend, but may pass in a moment. OpenAI's own clients try again on 409, too.
            409 | 503 | 529 => ErrorKind::Unavailable,
            413 => self.invalid_request(),
            403 if !page => ErrorKind::InvalidKey,
            // What the API says of an app has words; what has none, or is no JSON, comes from a router: the base URL
            // leads elsewhere.
            404 if self.form == Form::Json && !self.is_bare() => ErrorKind::UnknownModel,
            404 => ErrorKind::UnknownRoute,
            405 | 408 => ErrorKind::Server,
            400..500 if !page => self.invalid_request(),
            _ => ErrorKind::Server,
        }
    }

    /// Of an error in a stream or under a 200. What an app's run says of its own affairs may have back-ticks in it, too.
    fn kind_without_status(&self) -> ErrorKind {
        if self.says(RATE) {
            ErrorKind::RateLimited
        } else if self.says(UNAVAILABLE) {
            ErrorKind::Unavailable
        } else if self.is_of_request() {
            self.invalid_request()
        } else if self.detail.is_none() && self.says(INVALID_REQUEST) {
            ErrorKind::InvalidRequest { param: None }
        } else {
            ErrorKind::Server
        }
    }

    /// Whether it names a field of the request, or input that the model cannot take: only then its words are Chipp's own
    /// about the request.
    fn is_of_request(&self) -> bool {
        let is_field = |param: String| {
            let field = param.split(['.', '[']).next().unwrap_or_default();
            REQUEST_FIELDS.contains(&field)
        };
        self.says(UNSUPPORTED_INPUT) || self.param().or_else(|| self.quoted_param()).is_some_and(is_field)
    }

    fn invalid_request(&self) -> ErrorKind {
        ErrorKind::InvalidRequest { param: self.param() }
    }

    /// The field that is complained of.
    fn param(&self) -> Option<String> {
        match &self.detail {
            Some(detail) => detail.param.clone(),
            None => self.quoted_param(),
        }
    }

    /// The first word in back-ticks that can be a field's name.
    fn quoted_param(&self) -> Option<String> {
        let is_name = |word: &&str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
            !word.is_empty() && word.bytes().all(fits)
        };
        let quoted = self.message.as_deref()?.split('`').skip(1).step_by(2);
        quoted.into_iter().find(is_name).map(str::to_owned)
    }

    /// Whether nothing but "Not Found" is said.
    fn is_bare(&self) -> bool {
        self.words.split_whitespace().all(|word| matches!(word, "404" | "not" | "found"))
    }

    fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|words| self.words.contains(words))
    }
}

/// Whether an error with this status may be about a session.
fn is_of_session(status: Option<u16>) -> bool {
    status.is_none_or(|status| (400..500).contains(&status) && !matches!(status, 402 | 408 | 409 | 429))
}

/// The text up to [`MAX_MESSAGE_BYTES`].
fn capped(text: &str) -> &str {
    cut(text, MAX_MESSAGE_BYTES)
}

/// The text up to so many bytes, cut between characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let fits = |end: &usize| *end <= most;
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = ends.take_while(fits).last().unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// An error status that a body names itself.
pub(super) fn own_status(value: &Value) -> Option<u16> {
    let places = ["/statusCode", "/status", "/code", "/error/statusCode", "/error/status", "/error/code"];
    let status = places.into_iter().find_map(|place| value.pointer(place)?.as_u64())?;
    u16::try_from(status).ok().filter(|status| (400..600).contains(status))
}
