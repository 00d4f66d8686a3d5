//! OpenAI's paths that Chipp has nothing for.

use std::io::{Read as _, Write as _};

use chipp_proxy::emulator::Options;

use crate::raw::{ask, connect, parse};
use crate::support::Proxy;
use crate::{proxy_of, sha256};

const ERROR: (u16, &str, Option<&str>, Option<&str>) =
    (404, "invalid_request_error", Some("unsupported_endpoint"), None);

/// Paths below `/v1`, and what each message has to name.
const PATHS: &[(&str, &str)] = &[
    ("assistants", "assistants"),
    ("audio/speech", "audio"),
    ("audio/transcriptions", "audio"),
    ("batches", "batches"),
    ("chat/completions/chatcmpl-1", "stored chat completions"),
    ("chatkit/sessions", "ChatKit"),
    ("containers/c_1/files", "containers"),
    ("embeddings", "embeddings"),
    ("embeddings/", "embeddings"),
    ("evals", "evals"),
    ("files/file-1/content", "files"),
    ("fine_tuning/jobs", "fine-tuning"),
    ("images/generations", "image generation"),
    ("moderations", "moderations"),
    ("organization/usage/completions", "organization API"),
    ("projects/p_1", "projects API"),
    ("realtime/sessions", "realtime API"),
    ("responses/compact", "compaction of responses"),
    ("responses/input_tokens", "counting of input tokens"),
    ("skills", "skills"),
    ("threads/t_1/runs", "threads"),
    ("uploads", "uploads"),
    ("vector_stores/vs_1/search?limit=2", "vector stores"),
    ("videos", "videos"),
];

#[test]
fn it_is_said_in_words_whatever_the_method_and_with_and_without_v1() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    for (below, what) in PATHS {
        for (method, start) in
            [("GET", "/v1/"), ("POST", "/v1/"), ("POST", "/"), ("DELETE", "/"), ("OPTIONS", "/v1/")]
        {
            let path = format!("{start}{below}");
            let answer = ask(proxy.listen, method, &path, &[], b"");
            answer.is_error(ERROR);
            let bare = path.split('?').next().unwrap();
            let expected = format!("Unsupported endpoint ({method} {bare}): Chipp has no {what}. ");
            let message = answer.json["error"]["message"].as_str().unwrap();
            let instead = message.strip_prefix(&expected).unwrap_or_else(|| panic!("{message}"));
            assert!(instead.contains("POST /v1/chat/completions"), "{message}");
        }
        let head = ask(proxy.listen, "HEAD", &format!("/v1/{below}"), &[], b"");
        assert_eq!((head.status, head.body.len()), (404, 0));
    }
    assert!(proxy.emulator.requests().is_empty());
}

#[test]
fn no_key_is_needed_to_hear_it_and_no_body_is_read() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{gpt-4o: emu-gpt-4o-1}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: ['{}']}}]}}",
        sha256("good-key-0123456789")
    ));
    for key in [None, Some("Bearer wrong"), Some("Bearer good-key-0123456789")] {
        let headers: Vec<_> = key.map(|key| ("authorization", key)).into_iter().collect();
        ask(proxy.listen, "POST", "/v1/embeddings", &headers, b"{").is_error(ERROR);
    }
}

#[test]
fn a_websocket_is_answered_and_not_upgraded() {
    let proxy = Proxy::start();
    for path in ["/v1/realtime?model=gpt-4o", "/realtime"] {
        let mut socket = connect(proxy.listen);
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: proxy\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: realtime\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        // The answer has to end by itself: such a client does not.
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        let answer = parse(&bytes);
        answer.is_error(ERROR);
        assert_eq!(answer.header("upgrade"), "");
        assert!(answer.json["error"]["message"].as_str().unwrap().contains("realtime API"));
    }
}
