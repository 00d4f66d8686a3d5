//! What can be wrong with who asks, where and how much; and what breaks behind it.

use std::fmt;
use std::time::Duration;

use super::{Error, ErrorType, Excerpt};

/// The time that a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A minute.
    Minute,
    /// A day.
    Day,
}

/// A limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The time that it is for.
    pub period: Period,
    /// How much that may have.
    pub limit: u64,
    /// How much of it was used.
    pub used: u64,
    /// How much this request asked for.
    pub requested: u64,
    /// After which time the same request would pass.
    pub wait: Duration,
}

impl Error {
    /// 401: no key at all.
    pub fn no_api_key() -> Self {
        Self::new(
            401,
            ErrorType::InvalidRequest,
            None,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    }

    /// 401: a key that is not known, or not any more. Only its first and last characters are shown.
    pub fn wrong_api_key(key: &str) -> Self {
        let message = format!("Incorrect API key provided: {}.", Masked(key));
        Self::new(401, ErrorType::InvalidRequest, Some("invalid_api_key"), message)
    }

    /// 403: the app behind the alias is not on a plan that lets it be called.
    pub fn plan_required() -> Self {
        Self::new(
            403,
            ErrorType::InsufficientQuota,
            Some("plan_required"),
            "The application behind this model is not on a plan that allows API access.",
        )
    }

    /// 404: no such alias, or the key may not use it; the same for both, so that nobody can search for names.
    pub fn model_not_found(model: &str) -> Self {
        let model = Excerpt(model);
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(404, ErrorType::InvalidRequest, Some("model_not_found"), message).at("model")
    }

    /// 404: no such route.
    pub fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({} {})", Excerpt(method), Excerpt(path));
        Self::new(404, ErrorType::InvalidRequest, Some("unknown_url"), message)
    }

    /// 404: a route of OpenAI's that this service has nothing for; `what` as in "Chipp has no …", `instead` a full
    /// sentence for the client's developer.
    pub fn unsupported_endpoint(method: &str, path: &str, what: &str, instead: &str) -> Self {
        let (method, path) = (Excerpt(method), Excerpt(path));
        let message = format!("Unsupported endpoint ({method} {path}): Chipp has no {what}. {instead}");
        Self::new(404, ErrorType::InvalidRequest, Some("unsupported_endpoint"), message)
    }

    /// 405: the route exists for other methods (which belong into `Allow`).
    pub fn method_not_supported(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {} on {}.", Excerpt(method), Excerpt(path));
        Self::new(405, ErrorType::InvalidRequest, Some("method_not_supported"), message)
    }

    /// 404: no session of this id, or none that this caller may go on with.
    pub fn session_not_found() -> Self {
        let message =
            "The session named by 'X-Chat-Session-ID' does not exist or you do not have access to it.";
        Self::new(404, ErrorType::InvalidRequest, Some("session_not_found"), message)
    }

    /// 404: no response of this id is kept, or it is another owner's.
    pub fn response_not_found(id: &str) -> Self {
        Self::not_found("Response", id)
    }

    /// 404: no conversation of this id is kept, or it is another owner's.
    pub fn conversation_not_found(id: &str) -> Self {
        Self::not_found("Conversation", id)
    }

    /// 404: the conversation has no such item.
    pub fn item_not_found(id: &str) -> Self {
        Self::not_found("Item", id)
    }

    fn not_found(what: &str, id: &str) -> Self {
        let message = format!("{what} with id '{}' not found.", Excerpt(id));
        Self::new(404, ErrorType::InvalidRequest, None, message)
    }

    /// 400: every response is complete by the time at which its id is known.
    pub fn not_in_background() -> Self {
        Self::new(400, ErrorType::InvalidRequest, None, "Cannot cancel a synchronous response.")
    }

    /// 400: more would have to be kept than one conversation may have.
    pub fn conversation_too_large() -> Self {
        let message = "The conversation is too large to be stored.";
        Self::new(400, ErrorType::InvalidRequest, Some("conversation_too_large"), message)
    }

    /// 404: no response of this id is kept, or it is another owner's.
    pub fn previous_response_not_found(id: &str) -> Self {
        let message = format!("Previous response with id '{}' not found.", Excerpt(id));
        Self::new(404, ErrorType::InvalidRequest, Some("previous_response_not_found"), message)
            .at("previous_response_id")
    }

    /// 409: another turn of the same session is running.
    pub fn session_busy(wait: Duration) -> Self {
        let message =
            "Another request of the same conversation is still being answered. Please try again later.";
        Self::new(409, ErrorType::InvalidRequest, Some("session_busy"), message).retry_after(wait)
    }

    /// 413: more than `limit` bytes.
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("The request body is too large. The limit is {limit} bytes.");
        Self::new(413, ErrorType::InvalidRequest, Some("request_too_large"), message)
    }

    /// 415: the body is not declared as JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            415,
            ErrorType::InvalidRequest,
            Some("unsupported_media_type"),
            "Unsupported content type. This API method only accepts 'application/json' requests, but you did not specify the header 'Content-Type: application/json'.",
        )
    }

    /// 429: too many requests.
    pub fn requests_exhausted(model: &str, limit: &Exhausted) -> Self {
        let unit = match limit.period {
            Period::Minute => "requests per min (RPM)",
            Period::Day => "requests per day (RPD)",
        };
        rate_limit(ErrorType::Requests, unit, model, limit)
    }

    /// 429: too many tokens.
    pub fn tokens_exhausted(model: &str, limit: &Exhausted) -> Self {
        rate_limit(ErrorType::Tokens, tokens_per(limit.period), model, limit)
    }

    /// 429 that no retry helps: more tokens than a whole minute or day has.
    pub fn request_too_large(model: &str, period: Period, limit: u64, requested: u64) -> Self {
        let message = format!(
            "Request too large for {} on {}: Limit {limit}, Requested {requested}. The input or output tokens must be reduced in order to run successfully.",
            Excerpt(model),
            tokens_per(period),
        );
        Self::new(429, ErrorType::Tokens, Some("rate_limit_exceeded"), message).should_retry(false)
    }

    /// 429: too many requests at once.
    pub fn too_many_at_once(limit: u32, wait: Duration) -> Self {
        let message = format!(
            "Rate limit reached for concurrent requests: Limit {limit}. Please try again when one of them has ended."
        );
        let code = Some("rate_limit_exceeded");
        Self::new(429, ErrorType::Requests, code, message).retry_after(wait)
    }

    /// 429: the upstream's own limit, with its wait if it named one.
    pub fn upstream_rate_limited(wait: Option<Duration>) -> Self {
        let mut error = Self::new(
            429,
            ErrorType::RateLimitExceeded,
            Some("rate_limit_exceeded"),
            "The model is receiving too many requests. Please try again later.",
        );
        error.retry_after = wait;
        error
    }

    /// 429 that no retry helps: the app's credits are used up.
    pub fn insufficient_quota() -> Self {
        Self::new(
            429,
            ErrorType::InsufficientQuota,
            Some("insufficient_quota"),
            "The quota of the application behind this model is used up.",
        )
        .should_retry(false)
    }

    /// 409: a person has taken the conversation over. The message was delivered to them: a repeat would deliver it twice.
    pub fn human_takeover() -> Self {
        Self::new(
            409,
            ErrorType::InvalidRequest,
            Some("human_takeover"),
            "A person has taken over this conversation. Your message was delivered to them, and the model does not answer it. Please do not send it again.",
        )
        .should_retry(false)
    }

    /// 500: a defect of the proxy. How far the request had come is not known.
    pub fn internal() -> Self {
        Self::new(
            500,
            ErrorType::Server,
            Some("internal_error"),
            "The server had an error while processing your request. Sorry about that!",
        )
        .should_retry(false)
    }

    /// 502: the upstream failed, or its answer cannot be read.
    pub fn upstream_error() -> Self {
        Self::new(
            502,
            ErrorType::Api,
            Some("upstream_error"),
            "The model could not answer: the upstream service failed.",
        )
    }

    /// 502: a stream of nothing but events of types that nobody knows.
    pub fn unrecognized_answer() -> Self {
        Self::new(
            502,
            ErrorType::Api,
            Some("upstream_error"),
            "The model could not answer: the upstream sent a stream without any event that this server knows.",
        )
    }

    /// 502: the upstream took back what it had said, and that had gone out already.
    pub fn answer_withdrawn() -> Self {
        Self::new(
            502,
            ErrorType::Api,
            Some("answer_withdrawn"),
            "The model withdrew what it had said so far and began again: the answer up to here is void.",
        )
    }

    /// 502: the upstream said nothing. What it did instead may have had effects, so it is not to be asked again.
    pub fn empty_reply() -> Self {
        Self::new(502, ErrorType::Api, Some("empty_reply"), "The model ended its turn without an answer.")
            .should_retry(false)
    }

    /// 502: the upstream answered, twice, but not with the calls or the JSON that were asked for.
    pub fn invalid_answer() -> Self {
        let message = "The model did not answer in the form that was asked for, not even when it was told what was wrong.";
        Self::new(502, ErrorType::Api, Some("invalid_answer"), message).should_retry(false)
    }

    /// 502: the upstream refuses the proxy's own key; the client can do nothing about it.
    pub fn upstream_auth_failed() -> Self {
        Self::new(
            502,
            ErrorType::Api,
            Some("upstream_auth_failed"),
            "The model could not answer: the server is not set up correctly. Please tell its operator.",
        )
        .should_retry(false)
    }

    /// 503: more work than the proxy takes on, or an upstream that is known to be down.
    pub fn overloaded(wait: Duration) -> Self {
        Self::new(
            503,
            ErrorType::Server,
            Some("overloaded"),
            "The server is currently overloaded. Please try again later.",
        )
        .retry_after(wait)
    }

    /// 503: whether a limit lets the request through cannot be found out now.
    pub fn limits_unavailable(wait: Duration) -> Self {
        Self::new(
            503,
            ErrorType::Server,
            Some("limits_unavailable"),
            "The server cannot look up your limits at the moment. Please try again later.",
        )
        .retry_after(wait)
    }

    /// 503: what was stored cannot be read, or nothing can be stored, for now.
    pub fn storage_unavailable(wait: Duration) -> Self {
        Self::new(
            503,
            ErrorType::Server,
            Some("storage_unavailable"),
            "The server cannot reach what it has stored at the moment. Please try again later.",
        )
        .retry_after(wait)
    }

    /// 503: the proxy is about to stop.
    pub fn shutting_down() -> Self {
        Self::new(
            503,
            ErrorType::Server,
            Some("shutting_down"),
            "The server is about to restart. Please try again.",
        )
        .retry_after(Duration::from_secs(1))
    }

    /// 504: the upstream did not answer in time.
    pub fn upstream_timeout() -> Self {
        Self::new(504, ErrorType::Api, Some("upstream_timeout"), "The model did not answer in time.")
    }
}

fn tokens_per(period: Period) -> &'static str {
    match period {
        Period::Minute => "tokens per min (TPM)",
        Period::Day => "tokens per day (TPD)",
    }
}

fn rate_limit(kind: ErrorType, unit: &str, model: &str, limit: &Exhausted) -> Error {
    let message = format!(
        "Rate limit reached for {} on {unit}: Limit {}, Used {}, Requested {}. Please try again in {}.",
        Excerpt(model),
        limit.limit,
        limit.used,
        limit.requested,
        Wait(limit.wait),
    );
    Error::new(429, kind, Some("rate_limit_exceeded"), message).retry_after(limit.wait)
}

/// A wait as OpenAI's messages have it, rounded up: `17ms`, `2s`, `6m0s`.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_nanos().div_ceil(1_000_000);
        let seconds = millis.div_ceil(1000);
        match (millis, seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (..1000, ..) => write!(f, "{millis}ms"),
            (_, 0, 0, seconds) => write!(f, "{seconds}s"),
            (_, 0, minutes, seconds) => write!(f, "{minutes}m{seconds}s"),
            (_, hours, minutes, seconds) => write!(f, "{hours}h{minutes}m{seconds}s"),
        }
    }
}

/// A key of which only the ends show; nothing of one so short that the ends would be most of it.
struct Masked<'a>(&'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        let plain = self.0.is_ascii() && self.0.bytes().all(|byte| byte.is_ascii_graphic());
        let ends = (self.0.get(..SHOWN), self.0.get(self.0.len().saturating_sub(SHOWN)..));
        match ends {
            (Some(first), Some(last)) if plain && self.0.len() >= 4 * SHOWN => write!(f, "{first}***{last}"),
            _ => f.write_str("***"),
        }
    }
}
