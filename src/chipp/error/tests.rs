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
        (404, r#"{"error":"Not found"}"#, ErrorKind::UnknownModel),
        (404, "<html>404</html>", ErrorKind::Server),
        (404, "", ErrorKind::Server),
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
        for status in [400, 401, 403, 404, 409, 410, 422] {
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
