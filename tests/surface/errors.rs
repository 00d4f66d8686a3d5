//! The table of errors that a request can meet before it reaches Chipp.

use serde_json::json;

use crate::raw::{ask, post};
use crate::support::Proxy;
use crate::{proxy_of, question, question_with, sha256};

const INVALID: &str = "invalid_request_error";

fn strict() -> Proxy {
    Proxy::with(
        "auth: {mode: open}\nparameters: {unsupported: reject, unknown: reject}",
        chipp_proxy::emulator::Options::default(),
    )
}

/// What is put into a good body; the place, the code, and a piece of the message.
#[rustfmt::skip] // A table is read by its columns.
const WRONG: &[(&str, &str, &str, &str)] = &[
    (r#"{"model": "ABSENT"}"#, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
    (r#"{"messages": "ABSENT"}"#, "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
    (r#"{"messages": [{"content": "x"}]}"#, "messages[0].role", "missing_required_parameter", "messages[0].role"),
    (r#"{"messages": "hi"}"#, "messages", "invalid_type",
        "Invalid type for 'messages': expected an array of objects, but got a string instead."),
    (r#"{"messages": null}"#, "messages", "invalid_type", "null"),
    (r#"{"model": 4}"#, "model", "invalid_type", "an integer"),
    (r#"{"stream": "yes"}"#, "stream", "invalid_type", "a boolean"),
    (r#"{"messages": []}"#, "messages", "empty_array", "minimum length 1"),
    (r#"{"messages": [{"role": "boss", "content": "x"}]}"#, "messages[0].role", "invalid_value", "'boss'"),
    (r#"{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "video"}]}]}"#,
        "messages[1].content[0].type", "invalid_value", "'video'"),
    (r#"{"temperature": 2.5}"#, "temperature", "decimal_above_max_value", "<= 2"),
    (r#"{"temperature": -1}"#, "temperature", "decimal_below_min_value", ">= 0"),
    (r#"{"n": 200}"#, "n", "integer_above_max_value", "<= 128"),
    (r#"{"max_tokens": 0}"#, "max_tokens", "integer_below_min_value", ">= 1"),
    (r#"{"stop": ["a", "b", "c", "d", "e"]}"#, "stop", "array_above_max_length", "maximum length 4"),
    (r#"{"foo": 1}"#, "foo", "unknown_parameter", "Unknown parameter: 'foo'."),
    (r#"{"seed": 1}"#, "seed", "unsupported_parameter", "'seed' is not supported with this model"),
    (r#"{"max_tokens": 1, "max_completion_tokens": 2}"#, "max_tokens", "invalid_parameter_combination", "same time"),
];

#[test]
fn bodies_that_are_wrong() {
    let proxy = strict();
    for (more, param, code, says) in WRONG {
        let mut body = question_with("gpt-4o", &serde_json::from_str(more).unwrap());
        // Nothing in its place.
        body.as_object_mut().unwrap().retain(|_, value| value != "ABSENT");
        let answer = post(proxy.listen, &[], body.to_string().as_bytes());
        answer.is_error((400, INVALID, Some(code), Some(param)));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
    let options_without_stream = question_with("gpt-4o", &json!({"stream_options": {"include_usage": true}}));
    let answer = post(proxy.listen, &[], options_without_stream.to_string().as_bytes());
    answer.is_error((400, INVALID, None, Some("stream_options")));
    assert!(proxy.emulator.requests().is_empty());
}

#[test]
fn bodies_that_are_no_json() {
    let proxy = strict();
    let table: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"{\"model\": \"gpt-4o\",}",
        b"{\"model\": \"gpt-4o\"} {}",
        b"\xff\xfe{\0}\0",
    ];
    for body in table {
        let answer = post(proxy.listen, &[], body);
        answer.is_error((400, INVALID, None, None));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains("could not parse the JSON body"), "{message}");
    }
}

#[test]
fn careless_bodies_that_are_good() {
    let proxy = strict();
    let body = question("gpt-4o").to_string();
    let with_mark = format!("\u{feff}{body}");
    let with_line = format!("{body}\r\n\n");
    let with_nulls =
        question_with("gpt-4o", &json!({"temperature": null, "stop": null, "tools": null, "n": null}));
    for body in [with_mark, with_line, with_nulls.to_string()] {
        assert_eq!(post(proxy.listen, &[], body.as_bytes()).status, 200, "{body}");
    }
}

#[test]
fn content_types() {
    let proxy = strict();
    let body = question("gpt-4o").to_string();
    let ask =
        |kind: &[(&str, &str)]| ask(proxy.listen, "POST", "/v1/chat/completions", kind, body.as_bytes());
    for good in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        " application/json ; charset=\"utf-8\"",
    ] {
        assert_eq!(ask(&[("content-type", good)]).status, 200, "{good}");
    }
    let wrong = (415, INVALID, Some("unsupported_media_type"), None);
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"] {
        ask(&[("content-type", bad)]).is_error(wrong);
    }
    ask(&[]).is_error(wrong);
}

#[test]
fn paths_and_methods() {
    let proxy = strict();
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/chat/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/gpt-4o", "GET, HEAD"),
        ("OPTIONS", "/v1/models", "GET, HEAD"),
    ] {
        let answer = ask(proxy.listen, method, path, &[], b"");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        if method == "HEAD" {
            assert_eq!((answer.status, answer.body.len()), (405, 0));
        } else {
            answer.is_error((405, INVALID, Some("method_not_supported"), None));
            let message = answer.json["error"]["message"].as_str().unwrap();
            assert_eq!(message, format!("Not allowed to {method} on {path}."));
        }
    }
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1"),
        ("POST", "/v1/foo"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v2/chat/completions"),
        ("GET", "/v1/chat/completions/chatcmpl-1"),
        ("GET", "/metrics"),
        ("OPTIONS", "*"),
    ] {
        let answer = ask(proxy.listen, method, path, &[], b"");
        answer.is_error((404, INVALID, Some("unknown_url"), None));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert_eq!(message, format!("Invalid URL ({method} {path})"));
    }
}

#[test]
fn paths_are_known_without_v1_and_with_a_slash_and_a_query() {
    let proxy = strict();
    let body = question("gpt-4o").to_string();
    for path in ["/chat/completions", "/v1/chat/completions/", "/v1/chat/completions?api-version=2024-10-21"]
    {
        let answer =
            ask(proxy.listen, "POST", path, &[("content-type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[test]
fn bodies_that_are_too_large() {
    let proxy = Proxy::with_sections(
        "body_limit: 64KiB, ",
        "",
        "auth: {mode: open}",
        chipp_proxy::emulator::Options::default(),
    );
    let too_large = (413, INVALID, Some("request_too_large"), None);
    let fitting = question_with("gpt-4o", &json!({"user": "u".repeat(500)})).to_string();
    assert_eq!(post(proxy.listen, &[], fitting.as_bytes()).status, 200);
    // A little too much, and so much that it cannot all be under way when the answer is given.
    for size in [64 * 1024 + 1, 8 << 20] {
        let mut body = question("gpt-4o").to_string().into_bytes();
        body.resize(size, b' ');
        post(proxy.listen, &[], &body).is_error(too_large);
        crate::wire::post_chunked(proxy.listen, &body).is_error(too_large);
    }
    let answer = post(proxy.listen, &[], &vec![b' '; 64 * 1024 + 1]);
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("65536 bytes"));
}

#[test]
fn the_key_is_judged_before_the_body() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{gpt-4o: emu-gpt-4o-1}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: ['{}']}}]}}",
        sha256("good-key-0123456789")
    ));
    let large = vec![b' '; 11 << 20];
    let bodies: [&[u8]; 3] = [b"{", b"", &large];
    for body in bodies {
        post(proxy.listen, &[("authorization", "Bearer wrong-key-0123456789")], body).is_error((
            401,
            INVALID,
            Some("invalid_api_key"),
            None,
        ));
        post(proxy.listen, &[], body).is_error((401, INVALID, None, None));
    }
    let good = [("authorization", "Bearer good-key-0123456789")];
    post(proxy.listen, &good, b"{").is_error((400, INVALID, None, None));
}
