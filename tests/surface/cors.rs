//! Pages of other origins: what a browser asks before, and what it must find in every answer.

use serde_json::{Value, json};

use crate::raw::{Answer, ask, post};
use crate::support::Proxy;
use crate::{proxy_of, question, question_with, sha256};

const PAGE: &str = "https://chat.example.com";

/// A proxy that takes one key, `good`, and one request a minute of the alias `once`.
fn proxy(origins: &str) -> Proxy {
    let hash = sha256("good");
    let base = proxy_of_sections(origins);
    proxy_of(&format!("{base}auth: {{mode: keys, keys: [{{name: web, sha256: {hash}}}]}}\n"))
}

fn proxy_of_sections(origins: &str) -> String {
    format!(
        "  cors: {{origins: {origins}}}\n\
         upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{gpt-4o: emu-gpt-4o-1, once: {{app: emu-gpt-4o-1, limits: {{requests_per_minute: 1}}}}}}\n"
    )
}

fn preflight(proxy: &Proxy, path: &str, origin: &str, headers: &str) -> Answer {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", headers),
    ];
    ask(proxy.listen, "OPTIONS", path, &asked, b"")
}

/// What a browser looks for before a page may read the answer.
#[track_caller]
fn is_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{answer:?}");
    assert_eq!(answer.header("access-control-expose-headers"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("vary"), if origin == "*" { "" } else { "origin" });
}

#[track_caller]
fn is_not_readable(answer: &Answer) {
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "{answer:?}");
}

#[test]
fn a_browser_may_ask_without_a_key() {
    let proxy = proxy(&format!("['{PAGE}', 'http://localhost:3000']"));
    let headers = "authorization,content-type,openai-organization,x-chipp-session,x-stainless-retry-count";
    for path in ["/v1/chat/completions", "/chat/completions", "/v1/models", "/v1/models/gpt-4o"] {
        for origin in [PAGE, "http://localhost:3000"] {
            let answer = preflight(&proxy, path, origin, headers);
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            is_readable(&answer, origin);
            assert_eq!(answer.header("access-control-allow-headers"), headers);
            assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, POST, DELETE");
            assert_eq!(answer.header("access-control-max-age"), "7200");
        }
    }
}

#[test]
fn other_pages_are_not_let_in() {
    let proxy = proxy(&format!("['{PAGE}']"));
    let port = format!("{PAGE}:8443");
    let suffix = format!("{PAGE}.evil.example");
    for origin in ["https://evil.example", "http://chat.example.com", &port, &suffix, "null", ""] {
        let answer = preflight(&proxy, "/v1/chat/completions", origin, "authorization");
        answer.is_error((405, "invalid_request_error", Some("method_not_supported"), None));
        is_not_readable(&answer);
        assert_eq!(answer.header("vary"), "origin");
        // The server does not refuse what is asked outright: a browser keeps the answer from the page.
        let answer = ask(proxy.listen, "GET", "/v1/models", &[("origin", origin), ("api-key", "good")], b"");
        assert_eq!(answer.status, 200);
        is_not_readable(&answer);
        assert_eq!(answer.header("vary"), "origin");
    }
    let no_page = ask(proxy.listen, "GET", "/v1/models", &[("api-key", "good")], b"");
    assert_eq!((no_page.status, no_page.header("vary")), (200, "origin"));
    is_not_readable(&no_page);
    // No question of a browser's.
    let answer = ask(proxy.listen, "OPTIONS", "/v1/chat/completions", &[("origin", PAGE)], b"");
    assert_eq!(answer.status, 405);
}

#[test]
fn every_answer_can_be_read_errors_and_streams_too() {
    let proxy = proxy(&format!("['{PAGE}']"));
    let (page, key) = (("origin", PAGE), ("authorization", "Bearer good"));
    let body = |model: &str, more: Value| question_with(model, &more).to_string().into_bytes();
    let plain = body("gpt-4o", json!({}));
    let streamed = body("gpt-4o", json!({"stream": true}));
    let once = body("once", json!({}));
    for (status, answer) in [
        (200, post(proxy.listen, &[page, key], &plain)),
        (200, post(proxy.listen, &[page, key], &streamed)),
        (401, post(proxy.listen, &[page], &plain)),
        (401, post(proxy.listen, &[page, ("authorization", "Bearer bad")], &plain)),
        (400, post(proxy.listen, &[page, key], b"{")),
        (404, post(proxy.listen, &[page, key], &body("nobody", json!({})))),
        (404, ask(proxy.listen, "GET", "/v1/nothing", &[page, key], b"")),
        (405, ask(proxy.listen, "GET", "/v1/chat/completions", &[page, key], b"")),
        (200, post(proxy.listen, &[page, key], &once)),
        (429, post(proxy.listen, &[page, key], &once)),
        (200, ask(proxy.listen, "GET", "/v1/models", &[page, key], b"")),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        is_readable(&answer, PAGE);
    }
    proxy.emulator.stop();
    let answer = post(proxy.listen, &[page, key], &plain);
    assert_eq!(answer.status, 502);
    is_readable(&answer, PAGE);
}

#[test]
fn any_page_can_be_let_in() {
    let proxy = proxy("'*'");
    for origin in [PAGE, "null", "app://obsidian.md"] {
        is_readable(&preflight(&proxy, "/v1/models", origin, "authorization"), "*");
        is_readable(&ask(proxy.listen, "GET", "/v1/models", &[("origin", origin)], b""), "*");
    }
}

#[test]
fn without_a_setting_there_is_none_of_it() {
    let proxy = Proxy::start();
    is_not_readable(&preflight(&proxy, "/v1/models", PAGE, "authorization"));
    let answer = post(proxy.listen, &[("origin", PAGE)], question("gpt-4o").to_string().as_bytes());
    assert_eq!((answer.status, answer.header("vary")), (200, ""));
    is_not_readable(&answer);
}
