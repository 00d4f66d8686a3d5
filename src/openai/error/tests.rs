use super::*;

/// An error, and its status, type, param and code.
type Row = (Error, u16, &'static str, Option<&'static str>, Option<&'static str>);

/// Every case of the table in which a request did not get as far as its fields, or got further.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    const INVALID: &str = "invalid_request_error";
    let limit = Exhausted {
        period: Period::Minute,
        limit: 60,
        used: 60,
        requested: 1,
        wait: Duration::from_millis(1200),
    };
    let second = Duration::from_secs(1);
    vec![
        (Error::no_api_key(), 401, INVALID, None, None),
        (Error::wrong_api_key("sk-x"), 401, INVALID, None, Some("invalid_api_key")),
        (Error::plan_required(), 403, "insufficient_quota", None, Some("plan_required")),
        (Error::model_not_found("x"), 404, INVALID, Some("model"), Some("model_not_found")),
        (Error::unparseable_body("x"), 400, INVALID, None, None),
        (Error::missing_parameter("messages"), 400, INVALID, Some("messages"), Some("missing_required_parameter")),
        (Error::unknown_parameter("foo"), 400, INVALID, Some("foo"), Some("unknown_parameter")),
        (Error::unsupported_parameter("seed", "Leave it out."), 400, INVALID, Some("seed"), Some("unsupported_parameter")),
        (Error::unsupported_value("n", "2", "Use 1."), 400, INVALID, Some("n"), Some("unsupported_value")),
        (Error::unknown_url("POST", "/v1/foo"), 404, INVALID, None, Some("unknown_url")),
        (Error::unsupported_endpoint("POST", "/v1/files", "files", "Ask."), 404, INVALID, None, Some("unsupported_endpoint")),
        (Error::method_not_supported("GET", "/v1/x"), 405, INVALID, None, Some("method_not_supported")),
        (Error::session_not_found(), 404, INVALID, None, Some("session_not_found")),
        (Error::session_busy(second), 409, INVALID, None, Some("session_busy")),
        (Error::body_too_large(10), 413, INVALID, None, Some("request_too_large")),
        (Error::unsupported_media_type(), 415, INVALID, None, Some("unsupported_media_type")),
        (Error::requests_exhausted("m", &limit), 429, "requests", None, Some("rate_limit_exceeded")),
        (Error::tokens_exhausted("m", &limit), 429, "tokens", None, Some("rate_limit_exceeded")),
        (Error::request_too_large("m", Period::Day, 5, 6), 429, "tokens", None, Some("rate_limit_exceeded")),
        (Error::too_many_at_once(5, second), 429, "requests", None, Some("rate_limit_exceeded")),
        (Error::upstream_rate_limited(None), 429, "rate_limit_exceeded", None, Some("rate_limit_exceeded")),
        (Error::insufficient_quota(), 429, "insufficient_quota", None, Some("insufficient_quota")),
        (Error::internal(), 500, "server_error", None, Some("internal_error")),
        (Error::upstream_error(), 502, "api_error", None, Some("upstream_error")),
        (Error::invalid_answer(), 502, "api_error", None, Some("invalid_answer")),
        (Error::empty_reply(), 502, "api_error", None, Some("empty_reply")),
        (Error::upstream_auth_failed(), 502, "api_error", None, Some("upstream_auth_failed")),
        (Error::overloaded(second), 503, "server_error", None, Some("overloaded")),
        (Error::limits_unavailable(second), 503, "server_error", None, Some("limits_unavailable")),
        (Error::shutting_down(), 503, "server_error", None, Some("shutting_down")),
        (Error::upstream_timeout(), 504, "api_error", None, Some("upstream_timeout")),
    ]
}

#[test]
fn the_table_is_as_published_and_all_four_keys_are_written() {
    for (error, status, kind, param, code) in table() {
        let told = (error.status, error.kind.as_str(), error.param.as_deref(), error.code);
        assert_eq!(told, (status, kind, param, code), "{error:?}");
        let json: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
        let expected = serde_json::json!({
            "error": {"message": error.message, "type": kind, "param": param, "code": code}
        });
        assert_eq!(json, expected);
    }
}

#[test]
fn the_words_are_openais() {
    let limit = Exhausted {
        period: Period::Minute,
        limit: 60,
        used: 60,
        requested: 1,
        wait: Duration::from_millis(17),
    };
    let cases = [
        (Error::model_not_found("x"), "The model `x` does not exist or you do not have access to it."),
        (Error::unknown_url("POST", "/v1/foo"), "Invalid URL (POST /v1/foo)"),
        (
            Error::requests_exhausted("gpt-4o", &limit),
            "Rate limit reached for gpt-4o on requests per min (RPM): Limit 60, Used 60, Requested 1. Please try again in 17ms.",
        ),
        (
            Error::tokens_exhausted("gpt-4o", &Exhausted { period: Period::Day, ..limit }),
            "Rate limit reached for gpt-4o on tokens per day (TPD): Limit 60, Used 60, Requested 1. Please try again in 17ms.",
        ),
        (
            Error::request_too_large("gpt-4o", Period::Minute, 60, 61),
            "Request too large for gpt-4o on tokens per min (TPM): Limit 60, Requested 61. The input or output tokens must be reduced in order to run successfully.",
        ),
        (Error::unknown_parameter("foo"), "Unknown parameter: 'foo'."),
        (
            Error::unsupported_value("n", "2", "Only the default (1) is supported."),
            "Unsupported value: 'n' does not support 2 with this model. Only the default (1) is supported.",
        ),
    ];
    for (error, message) in cases {
        assert_eq!(error.message, message);
    }
}

#[test]
fn waits_are_rounded_up_and_sent_along() {
    let message = |wait| {
        let limit = Exhausted { period: Period::Minute, limit: 1, used: 1, requested: 1, wait };
        let error = Error::tokens_exhausted("m", &limit);
        assert_eq!(error.retry_after, Some(wait));
        error.message.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(message(Duration::from_nanos(1)), "1ms.");
    assert_eq!(message(Duration::from_millis(1001)), "2s.");
    assert_eq!(message(Duration::from_millis(59_001)), "1m0s.");
    assert_eq!(message(Duration::from_secs(360)), "6m0s.");
    assert_eq!(message(Duration::from_secs(7260)), "2h1m0s.");
}

#[test]
fn a_wrong_key_shows_its_ends_only_and_a_short_or_odd_one_nothing() {
    let message = |key| Error::wrong_api_key(key).message;
    assert_eq!(message("sk-proj-abcdefghijklmnop"), "Incorrect API key provided: sk-p***mnop.");
    assert_eq!(message("sk-short"), "Incorrect API key provided: ***.");
    assert_eq!(message("ключ-ключ-ключ-ключ"), "Incorrect API key provided: ***.");
    assert_eq!(message("sk-0000\r\n00000000000000"), "Incorrect API key provided: ***.");
}

#[test]
fn long_names_are_cut() {
    let long = "x".repeat(1000);
    for error in [
        Error::model_not_found(&long),
        Error::unknown_url("GET", &long),
        Error::unsupported_endpoint("GET", &long, "files", "Use something else."),
        Error::unknown_parameter(&long),
        Error::unsupported_value("n", &long, "No."),
    ] {
        assert!(error.message.contains('…') && error.message.len() < 200, "{}", error.message);
    }
}
