//! `GET /v1/models`, `GET /v1/models/{id}`

use crate::proxy_of;
use crate::raw::ask;
use crate::shape::keys;
use crate::support::Proxy;

fn catalog() -> Proxy {
    proxy_of(
        "upstream: {base_url: '{base_url}', api_key: live_test}\n\
         models:\n  \
           z-first: emu-gpt-4o-1\n  \
           meta/llama-3.1:8b: emu-dialect-a-1\n  \
           secret: {app: emu-dialect-b-1, hidden: true}\n  \
           'gpt-*': emu-gpt-4o-1\n  \
           a-last: emu-gpt-4o-1\n\
         auth: {mode: open}",
    )
}

#[test]
fn the_list_has_the_names_that_are_to_be_seen_in_the_files_order() {
    let proxy = catalog();
    for path in ["/v1/models", "/models", "/v1/models/", "/v1/models?limit=2"] {
        let answer = ask(proxy.listen, "GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        keys(&answer.json, &["object", "data"]);
        assert_eq!(answer.json["object"], "list");
        let data = answer.json["data"].as_array().unwrap();
        for model in data {
            keys(model, &["id", "object", "created", "owned_by"]);
            assert_eq!(model["object"], "model");
            assert!(model["created"].as_u64().unwrap() > 0);
            assert!(!model["owned_by"].as_str().unwrap().is_empty());
        }
        let ids: Vec<_> = data.iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["z-first", "meta/llama-3.1:8b", "a-last"]);
        assert!(!answer.whole.contains("emu-"));
        assert_eq!(ask(proxy.listen, "GET", path, &[], b"").body, answer.body);
    }
}

#[test]
fn every_name_that_may_be_asked_for_can_be_retrieved() {
    let proxy = catalog();
    for (path, id) in [
        ("/v1/models/z-first", "z-first"),
        ("/models/z-first", "z-first"),
        ("/v1/models/meta/llama-3.1:8b", "meta/llama-3.1:8b"),
        ("/v1/models/meta%2Fllama-3.1%3A8b", "meta/llama-3.1:8b"),
        ("/v1/models/secret", "secret"),
        ("/v1/models/gpt-5-turbo", "gpt-5-turbo"),
        ("/v1/models/gpt-%C3%A4", "gpt-ä"),
    ] {
        let answer = ask(proxy.listen, "GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        keys(&answer.json, &["id", "object", "created", "owned_by"]);
        assert_eq!(answer.json["id"], id);
    }
    for path in [
        "/v1/models/nobody",
        "/v1/models/Z-FIRST",
        "/v1/models/meta",
        "/v1/models/emu-gpt-4o-1",
        "/v1/models/%00",
        "/v1/models/%ff%fe",
        "/v1/models/z-first/more",
    ] {
        ask(proxy.listen, "GET", path, &[], b"").is_error((
            404,
            "invalid_request_error",
            Some("model_not_found"),
            Some("model"),
        ));
    }
}

#[test]
fn head_is_get_without_the_body() {
    let proxy = catalog();
    for path in ["/v1/models", "/v1/models/secret"] {
        let get = ask(proxy.listen, "GET", path, &[], b"");
        let head = ask(proxy.listen, "HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
}
