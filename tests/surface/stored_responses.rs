//! `/v1/responses/{id}` and what is below.

use std::time::Instant;

use chipp_proxy::archive::{Item, Owner, Record};
use chipp_proxy::ids::ResponseId;
use serde_json::json;

use crate::raw::ask;
use crate::support::Proxy;
use crate::{proxy_of, schema, sha256};

const NOT_FOUND: (u16, &str, Option<&str>, Option<&str>) = (404, "invalid_request_error", None, None);

/// Keeps a response that was given so many messages.
fn keep(proxy: &Proxy, owner: Owner, inputs: usize) -> String {
    let id = ResponseId::mint();
    let item = |number: usize| {
        let id = format!("msg_{number}");
        let content = json!([{"type": "input_text", "text": number.to_string()}]);
        let json =
            json!({"id": id, "type": "message", "role": "user", "status": "completed", "content": content});
        Item::new(id, json.to_string())
    };
    let response = format!(r#"{{"id":"{}","object":"response"}}"#, id.as_str());
    let input = (1..=inputs).map(item).collect();
    let record = Record { id: id.clone(), response, past: vec![item(0)], input, output: vec![item(99)] };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(proxy.shared.archive.keep(owner, record, Instant::now())).unwrap();
    id.as_str().to_owned()
}

fn anybody() -> Owner {
    Owner::of("anybody", b"")
}

#[test]
fn a_response_is_read_as_it_was_kept_and_then_deleted() {
    let proxy = Proxy::start();
    let id = keep(&proxy, anybody(), 1);
    for path in [
        format!("/v1/responses/{id}"),
        format!("/responses/{id}/"),
        format!("/v1/responses/{id}?include[]=x"),
    ] {
        let answer = ask(proxy.listen, "GET", &path, &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json, json!({"id": id, "object": "response"}));
    }
    let path = format!("/v1/responses/{id}");
    for (query, field) in [("stream=1", "stream"), ("stream=true&starting_after=x", "starting_after")] {
        let answer = ask(proxy.listen, "GET", &format!("{path}?{query}"), &[], b"");
        answer.is_error((400, "invalid_request_error", Some("invalid_type"), Some(field)));
    }
    assert_eq!(ask(proxy.listen, "GET", &format!("{path}?stream=false"), &[], b"").status, 200);
    let deleted = ask(proxy.listen, "DELETE", &path, &[], b"");
    assert_eq!(deleted.status, 200);
    assert_eq!(deleted.json, json!({"id": id, "object": "response", "deleted": true}));
    for (method, path) in [
        ("GET", path.clone()),
        ("DELETE", path.clone()),
        ("GET", format!("{path}/input_items")),
        ("POST", format!("{path}/cancel")),
        ("GET", "/v1/responses/resp_1".to_owned()),
    ] {
        let answer = ask(proxy.listen, method, &path, &[], b"");
        answer.is_error(NOT_FOUND);
        let told = answer.json["error"]["message"].as_str().unwrap();
        assert!(told.starts_with("Response with id 'resp_") && told.ends_with("' not found."), "{told}");
    }
}

#[test]
fn its_input_comes_in_pages() {
    let proxy = Proxy::start();
    let id = keep(&proxy, anybody(), 25);
    let path = format!("/v1/responses/{id}/input_items");
    let list = |query: &str| {
        let answer = ask(proxy.listen, "GET", &format!("{path}{query}"), &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        schema::is("ResponseItemList", &answer.json);
        let data = answer.json["data"].as_array().unwrap();
        let texts: Vec<u32> =
            data.iter().map(|item| item["content"][0]["text"].as_str().unwrap().parse().unwrap()).collect();
        (texts, answer.json["has_more"].as_bool().unwrap())
    };
    assert_eq!(list(""), ((6..=25).rev().collect(), true));
    assert_eq!(list("?after=msg_6"), ((1..=5).rev().collect(), false));
    assert_eq!(list("?order=asc&limit=100"), ((1..=25).collect(), false));
    assert_eq!(list("?order=asc&limit=2&after=msg_3&include[]=x"), (vec![4, 5], true));
    for (query, param, code) in [
        ("?limit=0", "limit", "integer_below_min_value"),
        ("?limit=101", "limit", "integer_above_max_value"),
        ("?limit=few", "limit", "invalid_type"),
        ("?order=up", "order", "invalid_value"),
        ("?after=msg_99", "after", "invalid_value"),
    ] {
        let answer = ask(proxy.listen, "GET", &format!("{path}{query}"), &[], b"");
        answer.is_error((400, "invalid_request_error", Some(code), Some(param)));
    }
}

#[test]
fn none_can_be_cancelled() {
    let proxy = Proxy::start();
    let id = keep(&proxy, anybody(), 1);
    let answer = ask(proxy.listen, "POST", &format!("/v1/responses/{id}/cancel"), &[], b"");
    answer.is_error((400, "invalid_request_error", None, None));
    assert_eq!(answer.json["error"]["message"], "Cannot cancel a synchronous response.");
    assert_eq!(ask(proxy.listen, "GET", &format!("/v1/responses/{id}"), &[], b"").status, 200);
}

#[test]
fn what_is_anothers_is_not_there_and_without_a_key_nothing_is() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{gpt-4o: emu-gpt-4o-1}}\n\
         auth: {{mode: keys, keys: [{{name: a, sha256: ['{}']}}, {{name: b, sha256: ['{}']}}]}}",
        sha256("key-of-a-0123456789"),
        sha256("key-of-b-0123456789")
    ));
    let id = keep(&proxy, Owner::of("key", b"a"), 1);
    let path = format!("/v1/responses/{id}");
    let (items, cancel) = (format!("{path}/input_items"), format!("{path}/cancel"));
    for (method, path) in [("GET", &path), ("GET", &items), ("POST", &cancel), ("DELETE", &path)] {
        let other = [("authorization", "Bearer key-of-b-0123456789")];
        ask(proxy.listen, method, path, &other, b"").is_error(NOT_FOUND);
        assert_eq!(ask(proxy.listen, method, path, &[], b"").status, 401, "{method} {path}");
    }
    let own = [("authorization", "Bearer key-of-a-0123456789")];
    assert_eq!(ask(proxy.listen, "GET", &path, &own, b"").status, 200);
}

#[test]
fn other_methods_are_told_which_there_are() {
    let proxy = Proxy::start();
    for (method, path, allowed) in [
        ("POST", "/v1/responses/resp_1", "GET, HEAD, DELETE"),
        ("DELETE", "/responses/resp_1/input_items", "GET, HEAD"),
        ("GET", "/v1/responses/resp_1/cancel", "POST"),
    ] {
        let answer = ask(proxy.listen, method, path, &[], b"");
        answer.is_error((405, "invalid_request_error", Some("method_not_supported"), None));
        assert_eq!(answer.header("allow"), allowed);
    }
}
