//! Bodies of errors and what they mean.

use super::*;

fn invalid(param: Option<&str>) -> ErrorKind {
    ErrorKind::InvalidRequest { param: param.map(str::to_owned) }
}

fn assert_kinds(table: &[(u16, &str, ErrorKind)]) {
    for (status, body, kind) in table {
        assert_eq!(classify(*status, body.as_bytes()).kind, *kind, "{status} {body}");
    }
}

#[test]
fn documented_errors() {
    assert_kinds(&[
        (400, r#"{"error":"`model` is required and must be a string"}"#, invalid(Some("model"))),
        (400, r#"{"error":"`messages` must be a non-empty array"}"#, invalid(Some("messages"))),
        (401, r#"{"error":"Missing API key"}"#, ErrorKind::InvalidKey),
        (401, r#"{"error":"Invalid API key"}"#, ErrorKind::InvalidKey),
        (
            401,
            r#"{"error":"This API is only available on a paid plan.  Visit your dashboard to upgrade."}"#,
            ErrorKind::PlanRequired,
        ),
        (404, r#"{"error":"Unknown model \"invalidapp-999\""}"#, ErrorKind::UnknownModel),
        (500, r#"{"error":"Internal Server Error"}"#, ErrorKind::Server),
    ]);
}

#[test]
fn other_forms_and_statuses() {
    assert_kinds(&[
        (402, r#"{"error":"Payment required"}"#, ErrorKind::QuotaExhausted),
        (402, "", ErrorKind::QuotaExhausted),
        (400, r#"{"error":"INSUFFICIENT_CREDITS","message":"Buy more"}"#, ErrorKind::QuotaExhausted),
        (429, r#"{"error":{"code":"insufficient_quota","message":"No"}}"#, ErrorKind::QuotaExhausted),
        (429, r#"{"error":"Rate limit exceeded"}"#, ErrorKind::RateLimited),
        (429, r#"{"error":"Quota of 10 requests per minute exceeded"}"#, ErrorKind::RateLimited),
        (429, "", ErrorKind::RateLimited),
        (429, "<html>429</html>", ErrorKind::RateLimited),
        (
            400,
            r#"{"error":"IMAGE_INPUT_UNSUPPORTED_BY_MODEL","message":"This model cannot see"}"#,
            invalid(None),
        ),
        (500, r#"{"error":{"code":"IMAGE_INPUT_UNSUPPORTED_BY_MODEL"}}"#, invalid(None)),
        (
            400,
            r#"{"error":{"code":"BAD","message":"`messages[0].role` is odd"}}"#,
            invalid(Some("messages[0].role")),
        ),
        (
            400,
            r#"{"statusCode":400,"error":"Bad Request","message":"`stream` is odd"}"#,
            invalid(Some("stream")),
        ),
        (422, r#"{"detail":"no"}"#, invalid(None)),
        (413, "<html>too large</html>", invalid(None)),
        (400, "", invalid(None)),
        (400, "<html>bad gateway config</html>", ErrorKind::Server),
        (401, "<html>401</html>", ErrorKind::InvalidKey),
        (403, r#"{"error":"Forbidden"}"#, ErrorKind::InvalidKey),
        (403, "<html>blocked</html>", ErrorKind::Server),
        (408, "", ErrorKind::Server),
        (503, "upstream connect error", ErrorKind::Unavailable),
        (529, r#"{"error":"Overloaded"}"#, ErrorKind::Unavailable),
        (502, "<html><h1>502</h1></html>", ErrorKind::Server),
        (524, "error code: 524", ErrorKind::Server),
        (500, "", ErrorKind::Server),
        (500, r#"{"error":"Invalid session"}"#, ErrorKind::Server),
        (302, "", ErrorKind::Server),
        (400, "{\"error\":\"`mod", invalid(None)),
        (400, "[]", invalid(None)),
    ]);
}

/// What the error middleware of Chipp's backend writes.
#[test]
fn error_classes_of_the_backend() {
    let kinds = [
        (400, "ValidationError", "Bad input", "VALIDATION_ERROR", invalid(None)),
        (
            402,
            "InsufficientCreditsError",
            "Please add some",
            "INSUFFICIENT_CREDITS",
            ErrorKind::QuotaExhausted,
        ),
        (403, "ForbiddenError", "You may not do this", "FORBIDDEN", ErrorKind::InvalidKey),
        (
            403,
            "ForbiddenError",
            "Session does not belong to this application",
            "FORBIDDEN",
            ErrorKind::UnknownSession,
        ),
        (404, "NotFoundError", "Application with ID '12' not found", "NOT_FOUND", ErrorKind::UnknownModel),
        (
            404,
            "NotFoundError",
            "Chat session with ID '0192-a' not found",
            "NOT_FOUND",
            ErrorKind::UnknownSession,
        ),
        (
            404,
            "NotFoundError",
            "Chat session with ID 'unknown model' not found",
            "NOT_FOUND",
            ErrorKind::UnknownSession,
        ),
        (409, "ConflictError", "The resource was changed meanwhile", "CONFLICT", ErrorKind::Unavailable),
        (429, "RateLimitError", "Slow down", "RATE_LIMITED", ErrorKind::RateLimited),
        (502, "ExternalServiceError", "The provider failed", "EXTERNAL_SERVICE_ERROR", ErrorKind::Server),
    ];
    for (status, class, message, code, kind) in kinds {
        let body =
            format!(r#"{{"error":"{class}","message":"{message}","code":"{code}","requestId":"r-1"}}"#);
        let error = classify(status, body.as_bytes());
        assert_eq!((error.kind, error.message.as_deref()), (kind, Some(message)), "{body}");
        let nested = format!(r#"{{"error":{{"name":"{class}","message":"{message}","code":"{code}"}}}}"#);
        assert_eq!(classify(status, nested.as_bytes()).message.as_deref(), Some(message), "{nested}");
    }
}

#[test]
fn a_404_of_a_route_is_not_one_of_an_app() {
    let route = || ErrorKind::UnknownRoute;
    assert_kinds(&[
        (404, r#"{"error":"Not Found","message":"Route POST /api/v2/chat/completions not found"}"#, route()),
        (404, r#"{"error":"Not Found","message":"Route GET /session/api-key/x not found"}"#, route()),
        (404, r#"{"message":"Cannot POST /chat/completions","error":"Not Found","statusCode":404}"#, route()),
        (404, r#"{"message":"no Route matched with those values"}"#, route()),
        (404, r#"{"error":"Not Found"}"#, route()),
        (404, r#"{"error":"Not found"}"#, route()),
        (404, r#"{"message":"Not Found"}"#, route()),
        (404, r#"{"detail":"Not Found"}"#, route()),
        (404, r#"{"error":{"code":404,"message":"Not Found"}}"#, route()),
        (404, "{}", route()),
        (404, "<html>404</html>", route()),
        (404, "404 page not found", route()),
        (404, "", route()),
        (404, r#"{"error":"Unknown model \"route-1\""}"#, ErrorKind::UnknownModel),
        (404, "Unknown model", ErrorKind::UnknownModel),
        (404, r#"{"error":"This app was deleted"}"#, ErrorKind::UnknownModel),
        // Only a 404 is one: a tool of the app's may have met the words elsewhere.
        (500, r#"{"error":"Not Found","message":"Route POST /x not found"}"#, ErrorKind::Server),
    ]);
    assert_eq!(classify_text("Route POST /x not found").kind, ErrorKind::Server);
}

#[test]
fn details_of_a_validation() {
    let content = || Some("messages[0].content");
    let required = Some("Required");
    let issues = r#"[{"code":"invalid_type","path":["messages",0,"content"],"message":"Required"}]"#;
    let zod = format!(r#"{{"success":false,"error":{{"issues":{issues},"name":"ZodError"}}}}"#);
    let quoted = |text: &str| Value::from(text).to_string();
    let deep = format!(r#"{{"name":"ZodError","message":{}}}"#, quoted(issues));
    let cases = [
        (
            r#"{"error":"Validation Error","message":"Invalid","details":[{"path":"messages.0.content","message":"Required"}]}"#,
            content(),
            required,
        ),
        (
            r#"{"error":"Validation Error","details":[{"path":["messages",0,"content"],"message":"Required"}]}"#,
            content(),
            required,
        ),
        (
            r#"{"error":"E","details":[{"path":"messages[0].content","message":"Required"},{},{}]}"#,
            content(),
            Some("Required (and 2 more)"),
        ),
        (&zod, content(), required),
        (&format!(r#"{{"error":{}}}"#, quoted(&zod)), content(), required),
        (&format!(r#"{{"error":{}}}"#, quoted(issues)), content(), required),
        (&format!(r#"{{"error":{{"name":"ZodError","message":{}}}}}"#, quoted(issues)), content(), required),
        (&format!(r#"{{"error":{}}}"#, quoted(&deep)), content(), required),
        (issues, content(), required),
        (r#"{"error":"E","details":[{"path":[],"message":"No `model`"}]}"#, None, Some("No `model`")),
        (r#"{"error":"E","details":[{"path":["messages",1]}]}"#, Some("messages[1]"), Some("E")),
        (r#"{"error":"E","details":[{"path":"stream","message":" "}]}"#, Some("stream"), Some("E")),
    ];
    for (body, param, message) in cases {
        for error in [classify(400, body.as_bytes()), classify_text(body)] {
            assert_eq!((error.kind, error.message.as_deref()), (invalid(param), message), "{body}");
        }
    }
    let under_200 = serde_json::from_str(&zod).unwrap();
    assert_eq!(reported(&under_200).map(|error| error.kind), Some(invalid(content())));
}

#[test]
fn details_do_not_outweigh_the_status_and_a_session_is_a_session() {
    let of = |path: &str| {
        format!(r#"{{"error":"Validation Error","details":[{{"path":"{path}","message":"Odd"}}]}}"#)
    };
    assert_kinds(&[
        (400, &of("chatSessionId"), ErrorKind::UnknownSession),
        (401, &of("model"), ErrorKind::InvalidKey),
        (429, &of("model"), ErrorKind::RateLimited),
        (500, &of("model"), ErrorKind::Server),
        (422, &of("model"), invalid(Some("model"))),
        (400, &of(&"x".repeat(200)), invalid(None)),
        (400, r#"{"error":"odd","details":"`model`"}"#, invalid(None)),
        (400, r#"{"error":"`model` is odd","details":[]}"#, invalid(Some("model"))),
        (400, r#"{"error":"`model` is odd","details":["x"]}"#, invalid(Some("model"))),
    ]);
    let long = format!(r#"{{"details":[{{"message":"{}"}},{{}}]}}"#, "ä".repeat(MAX_MESSAGE_BYTES));
    let message = classify(400, long.as_bytes()).message.unwrap();
    assert!(message.len() <= MAX_MESSAGE_BYTES && message.ends_with("ä (and 1 more)"), "{message}");
}

#[test]
fn lost_sessions_under_any_client_error() {
    for words in [
        "Session not found",
        "Unknown session",
        "chatSessionId is invalid",
        "`chatSessionId` must be a valid UUID",
        "The chat session has expired",
        "SESSION_EXPIRED",
        "No such session",
        "session does not belong to this app",
        r#"\"chatSessionId\" must be a valid GUID"#,
    ] {
        for status in [400, 401, 403, 404, 410, 422] {
            let body = format!(r#"{{"error":"{words}"}}"#);
            assert_kinds(&[(status, &body, ErrorKind::UnknownSession)]);
        }
    }
}

#[test]
fn names_in_quotes_are_not_words() {
    assert_kinds(&[
        (404, r#"{"error":"Unknown model \"session-expired-1\""}"#, ErrorKind::UnknownModel),
        (404, r#"{"error":"Unknown model \"quota-9\""}"#, ErrorKind::UnknownModel),
        (401, r#"{"error":"Invalid API key for \"session-quota-9\""}"#, ErrorKind::InvalidKey),
        (400, r#"{"error":"`model` \"unknown model\" is odd"}"#, invalid(Some("model"))),
    ]);
}

#[test]
fn errors_without_a_status() {
    for (text, kind) in [
        ("An error occurred.", ErrorKind::Server),
        ("", ErrorKind::Server),
        ("Rate limit reached", ErrorKind::RateLimited),
        ("The model is overloaded", ErrorKind::Unavailable),
        ("You are out of credits", ErrorKind::QuotaExhausted),
        ("Invalid API key", ErrorKind::InvalidKey),
        ("Session not found", ErrorKind::UnknownSession),
        (r#"{"error":"ValidationError","code":"VALIDATION_ERROR"}"#, invalid(None)),
        (r#"Unknown model "a-1""#, ErrorKind::UnknownModel),
        ("`messages` must be a non-empty array", invalid(Some("messages"))),
        (r#"{"error":{"code":429,"message":"slow down"}}"#, ErrorKind::RateLimited),
        (r#""{\"statusCode\":503,\"message\":\"later\"}""#, ErrorKind::Unavailable),
    ] {
        assert_eq!(classify_text(text).kind, kind, "{text}");
    }
}

#[test]
fn messages_are_the_readable_part_and_capped() {
    let long = "ä".repeat(MAX_MESSAGE_BYTES);
    let cut = "ä".repeat(MAX_MESSAGE_BYTES / 2);
    for (body, message) in [
        (r#"{"error":"text"}"#, Some("text")),
        (r#"{"error":"SOME_CODE","message":"text"}"#, Some("text")),
        (r#"{"error":{"code":"X","message":"text"}}"#, Some("text")),
        (r#"{"error":"SOME_CODE"}"#, Some("SOME_CODE")),
        (r#"{"error":true,"message":"text"}"#, Some("text")),
        ("\u{feff} {\"error\":\"text\"}\n", Some("text")),
        ("\"text\"", Some("text")),
        ("  text\n", Some("text")),
        ("<!doctype html><p>text", None),
        (r#"{"error":"<html>text</html>"}"#, None),
        (r#"{"error":"cut"#, None),
        ("{}", None),
        ("", None),
        (&long, Some(cut.as_str())),
    ] {
        assert_eq!(classify(500, body.as_bytes()).message.as_deref(), message, "{body}");
    }
}

#[test]
fn replies_are_not_errors() {
    for (reply, is_error) in [
        (r#"{"error":null,"choices":[]}"#, false),
        (r#"{"error":false}"#, false),
        (r#"{"error":""}"#, false),
        (r#"{"message":"hello"}"#, false),
        (r#"{"choices":[],"success":false}"#, false),
        (r#"{"success":false,"message":"no"}"#, true),
        (r#"{"statusCode":404,"message":"no"}"#, true),
        (r#"{"status":200,"message":"yes"}"#, false),
        (r#"{"error":{}}"#, true),
        (r#"{"error":"no"}"#, true),
    ] {
        let value = serde_json::from_str(reply).unwrap();
        assert_eq!(reported(&value).is_some(), is_error, "{reply}");
    }
}

#[test]
fn a_rate_or_a_conflict_is_none_of_a_lost_session_whatever_it_says() {
    let body = br#"{"error":"Too many requests, session is no longer served"}"#;
    assert_eq!(classify(429, body).kind, ErrorKind::RateLimited);
    let body = br#"{"error":"This session is no longer accepting messages: a run is active"}"#;
    assert_eq!(classify(409, body).kind, ErrorKind::Unavailable);
}

#[test]
fn what_an_apps_run_says_is_no_complaint_of_the_request() {
    for text in [
        "The model `gpt-4.1-mini-2025` does not exist or you do not have access to it.",
        r#"{"error":"Validation Error","details":[{"path":["customer","ssn"],"message":"123-45"}]}"#,
        "Tool `lookup_customer` failed: {\"ssn\":\"123-45\"}",
    ] {
        assert_eq!(classify_text(text).kind, ErrorKind::Server, "{text}");
    }
    let told = classify_text("Bad request: chat 42 of a customer");
    assert_eq!(told, ApiError { kind: ErrorKind::InvalidRequest { param: None }, message: None });
    let own = classify_text("`messages` must be a non-empty array");
    assert_eq!(own.kind, ErrorKind::InvalidRequest { param: Some("messages".into()) });
    assert!(own.message.is_some());
}
