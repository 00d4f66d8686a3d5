//! `/v1/conversations`

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::raw::{Answer, ask};
use crate::shape::keys;
use crate::support::Proxy;
use crate::{proxy_of, schema, sha256};

const JSON: (&str, &str) = ("content-type", "application/json");

fn send(proxy: &Proxy, method: &str, path: &str, body: &Value) -> Answer {
    ask(proxy.listen, method, path, &[JSON], body.to_string().as_bytes())
}

fn get(proxy: &Proxy, path: &str) -> Answer {
    ask(proxy.listen, "GET", path, &[], b"")
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

#[track_caller]
fn conversation(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    keys(&answer.json, &["id", "object", "created_at", "metadata"]);
    assert_eq!(answer.json["object"], "conversation");
    assert!(answer.json["created_at"].as_u64().unwrap() > 1_700_000_000);
    let id = answer.json["id"].as_str().unwrap();
    assert!(id.starts_with("conv_") && id.len() == 53, "{id}");
    id.to_owned()
}

/// The texts of a list of items, once its shape was found right.
#[track_caller]
fn texts(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    schema::is("ResponseItemList", &answer.json);
    let data = answer.json["data"].as_array().unwrap();
    let id = |item: Option<&Value>| item.map_or_else(|| json!(""), |item| item["id"].clone());
    assert_eq!(answer.json["first_id"], id(data.first()));
    assert_eq!(answer.json["last_id"], id(data.last()));
    data.iter().map(|item| item["content"][0]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_conversation_lives_through_all_that_can_be_done_with_it() {
    let proxy = Proxy::start();
    let body = json!({"items": [user("one"), {"type": "message", "role": "assistant", "content": "two"}], "metadata": {"topic": "x", "a": "b"}});
    let created = send(&proxy, "POST", "/v1/conversations", &body);
    let id = conversation(&created);
    let path = format!("/v1/conversations/{id}");
    assert_eq!(get(&proxy, &path).body, created.body);
    assert_eq!(get(&proxy, &format!("/conversations/{id}/")).body, created.body);

    let items = format!("{path}/items");
    assert_eq!(texts(&get(&proxy, &items)), ["two", "one"]);
    let added = send(&proxy, "POST", &items, &json!({"items": [user("three"), user("four")]}));
    assert_eq!(texts(&added), ["three", "four"]);
    assert_eq!(added.json["has_more"], false);
    let first = get(&proxy, &format!("{items}?order=asc&limit=3"));
    assert_eq!(texts(&first), ["one", "two", "three"]);
    assert_eq!(first.json["has_more"], true);
    let after = first.json["last_id"].as_str().unwrap();
    let rest = get(
        &proxy,
        &format!("{items}?order=asc&limit=3&after={after}&include[]=message.output_text.logprobs"),
    );
    assert_eq!((texts(&rest), &rest.json["has_more"]), (vec!["four".to_owned()], &json!(false)));

    let item = get(&proxy, &format!("{items}/{after}"));
    schema::is("ItemResource", &item.json);
    assert_eq!(item.json, first.json["data"][2]);
    let deleted = ask(proxy.listen, "DELETE", &format!("{items}/{after}"), &[], b"");
    assert_eq!(conversation(&deleted), id);
    get(&proxy, &format!("{items}/{after}")).is_error((404, "invalid_request_error", None, None));
    assert_eq!(texts(&get(&proxy, &items)), ["four", "two", "one"]);

    let updated = send(&proxy, "POST", &path, &json!({"metadata": {"c": "d"}}));
    assert_eq!((conversation(&updated), &updated.json["metadata"]), (id.clone(), &json!({"c": "d"})));
    assert_eq!(updated.json["created_at"], created.json["created_at"]);
    assert_eq!(get(&proxy, &path).body, updated.body);

    let deleted = ask(proxy.listen, "DELETE", &path, &[], b"");
    assert_eq!(deleted.json, json!({"id": id, "object": "conversation.deleted", "deleted": true}));
    let not_found = (404, "invalid_request_error", None, None);
    let gone = get(&proxy, &path);
    gone.is_error(not_found);
    assert_eq!(gone.json["error"]["message"], format!("Conversation with id '{id}' not found."));
    get(&proxy, &items).is_error(not_found);
    ask(proxy.listen, "DELETE", &path, &[], b"").is_error(not_found);
    send(&proxy, "POST", &items, &json!({"items": [user("five")]})).is_error(not_found);
    send(&proxy, "POST", &path, &json!({"metadata": {}})).is_error(not_found);
    assert!(proxy.emulator.requests().is_empty());
}

#[test]
fn items_of_every_kind_come_back_in_openais_form() {
    let proxy = Proxy::start();
    let given = json!([
        {"role": "developer", "content": [{"type": "input_text", "text": "be brief"}, {"type": "input_image", "image_url": "https://a/b.png"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "f_1", "filename": null}], "id": null, "status": null},
        {"role": "assistant", "id": "msg_own", "status": "incomplete", "content": [{"type": "output_text", "text": "so", "annotations": [{"type": "x"}]}, {"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "content": [{"type": "input_text", "text": "said before"}]},
        {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "2"},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "2"}]},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "x", "id": "ctc_1"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": ""},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "abc", "id": "rs_1"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
    ]);
    let created = send(&proxy, "POST", "/v1/conversations", &json!({"items": given}));
    let items = format!("/v1/conversations/{}/items?order=asc", conversation(&created));
    let listed = get(&proxy, &items);
    texts(&listed);
    let data = listed.json["data"].as_array().unwrap();
    let prefixes =
        ["msg_", "msg_", "msg_own", "msg_", "fc_", "fco_", "fco_", "ctc_1", "ctco_", "rs_1", "rs_"];
    assert_eq!(data.len(), prefixes.len());
    for (item, prefix) in data.iter().zip(prefixes) {
        assert!(item["id"].as_str().unwrap().starts_with(prefix), "{item}");
    }
    assert_eq!(
        data[0]["content"][1],
        json!({"type": "input_image", "image_url": "https://a/b.png", "file_id": null, "detail": "auto"})
    );
    assert_eq!(data[2]["status"], "incomplete");
    assert_eq!(
        data[2]["content"][0],
        json!({"type": "output_text", "text": "so", "annotations": [], "logprobs": []})
    );
    assert_eq!(data[3]["content"][0]["type"], "output_text");
    assert_eq!(data[4]["arguments"], "{\"a\":1}");
    assert_eq!(data[9]["encrypted_content"], "abc");
    // What came out can be put in again, and is the same.
    let again = send(&proxy, "POST", "/v1/conversations", &json!({"items": data}));
    let items = format!("/v1/conversations/{}/items?order=asc", conversation(&again));
    assert_eq!(get(&proxy, &items).body, listed.body);
}

#[test]
fn items_that_are_wrong_are_refused_with_their_place() {
    let proxy = Proxy::start();
    for (item, code, param) in [
        (json!({"content": "hi"}), "missing_required_parameter", "items[1].role"),
        (json!({"role": "user"}), "missing_required_parameter", "items[1].content"),
        (json!({"role": "tool", "content": "hi"}), "invalid_value", "items[1].role"),
        (json!({"role": "user", "content": 1}), "invalid_type", "items[1].content"),
        (json!({"role": "user", "content": ["hi"]}), "invalid_type", "items[1].content[0]"),
        (
            json!({"role": "user", "content": [{"type": "output_text", "text": "hi"}]}),
            "invalid_value",
            "items[1].content[0].type",
        ),
        (
            json!({"role": "user", "content": [{"type": "input_text"}]}),
            "missing_required_parameter",
            "items[1].content[0].text",
        ),
        (
            json!({"role": "user", "content": [{"type": "input_image", "detail": "x"}]}),
            "invalid_value",
            "items[1].content[0].detail",
        ),
        (json!({"role": "user", "content": "hi", "status": "done"}), "invalid_value", "items[1].status"),
        (json!({"role": "user", "content": "hi", "id": "a b"}), "invalid_value", "items[1].id"),
        (json!({"role": "user", "content": "hi", "id": ""}), "empty_string", "items[1].id"),
        (json!({"type": "computer_call"}), "invalid_value", "items[1].type"),
        (json!({"type": "item_reference", "id": "msg_1"}), "invalid_value", "items[1].type"),
        (
            json!({"type": "function_call", "name": "f", "arguments": ""}),
            "missing_required_parameter",
            "items[1].call_id",
        ),
        (
            json!({"type": "function_call", "call_id": "", "name": "f", "arguments": ""}),
            "empty_string",
            "items[1].call_id",
        ),
        (
            json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}),
            "invalid_type",
            "items[1].arguments",
        ),
        (
            json!({"type": "function_call_output", "call_id": "c", "output": {}}),
            "invalid_type",
            "items[1].output",
        ),
        (
            json!({"type": "custom_tool_call", "call_id": "c", "name": "f"}),
            "missing_required_parameter",
            "items[1].input",
        ),
        (json!({"type": "reasoning"}), "missing_required_parameter", "items[1].summary"),
    ] {
        let body = json!({"items": [user("hi"), item]});
        let error = (400, "invalid_request_error", Some(code), Some(param));
        send(&proxy, "POST", "/v1/conversations", &body).is_error(error);
    }
}

#[test]
fn an_empty_conversation_is_one() {
    let proxy = Proxy::start();
    for body in [json!({}), json!({"items": null, "metadata": null}), json!({"items": [], "metadata": {}})] {
        let created = send(&proxy, "POST", "/v1/conversations", &body);
        let id = conversation(&created);
        assert_eq!(created.json["metadata"], json!({}));
        let items = get(&proxy, &format!("/v1/conversations/{id}/items"));
        assert_eq!((texts(&items), &items.json["has_more"]), (Vec::new(), &json!(false)));
    }
}

#[test]
fn what_is_wrong_with_a_body_is_told_with_its_place() {
    let proxy = Proxy::start();
    let id = conversation(&send(&proxy, "POST", "/v1/conversations", &json!({})));
    let (path, items) = (format!("/v1/conversations/{id}"), format!("/v1/conversations/{id}/items"));
    let many: Vec<Value> = (0..21).map(|_| user("hi")).collect();
    let pairs: Value =
        (0..17).map(|number| (number.to_string(), json!(""))).collect::<serde_json::Map<_, _>>().into();
    let create = "/v1/conversations";
    for (path, body, code, param) in [
        (create, json!({"items": {}}), "invalid_type", "items"),
        (create, json!({"items": ["hi"]}), "invalid_type", "items[0]"),
        (create, json!({"items": many}), "array_above_max_length", "items"),
        (create, json!({"metadata": []}), "invalid_type", "metadata"),
        (create, json!({"metadata": {"a": 1}}), "invalid_type", "metadata.a"),
        (create, json!({"metadata": pairs}), "object_above_max_properties", "metadata"),
        (&path, json!({}), "missing_required_parameter", "metadata"),
        (&path, json!({"metadata": "x"}), "invalid_type", "metadata"),
        (&items, json!({}), "missing_required_parameter", "items"),
        (&items, json!({"items": []}), "empty_array", "items"),
        (&items, json!({"items": null}), "invalid_type", "items"),
        (&items, json!({"items": many}), "array_above_max_length", "items"),
    ] {
        let error = (400, "invalid_request_error", Some(code), Some(param));
        send(&proxy, "POST", path, &body).is_error(error);
    }
    for path in [create, &path, &items] {
        ask(proxy.listen, "POST", path, &[JSON], b"{").is_error((400, "invalid_request_error", None, None));
        let error = (415, "invalid_request_error", Some("unsupported_media_type"), None);
        ask(proxy.listen, "POST", path, &[], b"{}").is_error(error);
    }
    let error = |param| (400, "invalid_request_error", Some("invalid_type"), Some(param));
    get(&proxy, &format!("{items}?limit=x")).is_error(error("limit"));
    assert!(texts(&get(&proxy, &items)).is_empty());
}

#[test]
fn fields_that_nobody_knows_are_named_or_refused() {
    let body = json!({"metadata": {}, "more": 1});
    let proxy = Proxy::start();
    let answer = send(&proxy, "POST", "/v1/conversations", &body);
    let id = conversation(&answer);
    assert_eq!(answer.header("x-chipp-ignored-params"), "more");
    let answer =
        send(&proxy, "POST", &format!("/v1/conversations/{id}"), &json!({"metadata": {}, "items": []}));
    assert_eq!(answer.header("x-chipp-ignored-params"), "items");
    let proxy = Proxy::with("auth: {mode: open}\nparameters: {unknown: reject}", Options::default());
    let error = (400, "invalid_request_error", Some("unknown_parameter"), Some("more"));
    send(&proxy, "POST", "/v1/conversations", &body).is_error(error);
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
    let a = [JSON, ("authorization", "Bearer key-of-a-0123456789")];
    let b = [JSON, ("authorization", "Bearer key-of-b-0123456789")];
    let body = json!({"items": [user("one")]}).to_string();
    let created = ask(proxy.listen, "POST", "/v1/conversations", &a, body.as_bytes());
    let path = format!("/v1/conversations/{}", conversation(&created));
    let items = ask(proxy.listen, "GET", &format!("{path}/items"), &a, b"");
    let item = format!("{path}/items/{}", items.json["first_id"].as_str().unwrap());
    let unknown = format!("/v1/conversations/conv_{}", "0".repeat(48));
    let add = format!("{path}/items");
    let update = json!({"metadata": {}}).to_string();
    for (method, path, body) in [
        ("GET", path.as_str(), ""),
        ("POST", &path, &update),
        ("GET", &add, ""),
        ("POST", &add, &body),
        ("GET", &item, ""),
        ("DELETE", &item, ""),
        ("DELETE", &path, ""),
        ("GET", &unknown, ""),
        ("GET", "/v1/conversations/x", ""),
        ("POST", "/v1/conversations/x/items", &body),
    ] {
        let answer = ask(proxy.listen, method, path, &b, body.as_bytes());
        answer.is_error((404, "invalid_request_error", None, None));
        assert!(
            answer.json["error"]["message"].as_str().unwrap().starts_with("Conversation with id '"),
            "{answer:?}"
        );
        assert_eq!(ask(proxy.listen, method, path, &[JSON], body.as_bytes()).status, 401, "{method} {path}");
    }
    assert_eq!(ask(proxy.listen, "GET", &path, &a, b"").body, created.body);
}

#[test]
fn a_conversation_that_grows_too_large_is_told_so() {
    let proxy = Proxy::with("auth: {mode: open}\nresponses: {max_entry: 2KiB}", Options::default());
    let id = conversation(&send(&proxy, "POST", "/v1/conversations", &json!({"items": [user("one")]})));
    let items = format!("/v1/conversations/{id}/items");
    let large = json!({"items": [user(&"x".repeat(2048))]});
    let error = (400, "invalid_request_error", Some("conversation_too_large"), None);
    send(&proxy, "POST", &items, &large).is_error(error);
    send(&proxy, "POST", "/v1/conversations", &large).is_error(error);
    assert_eq!(texts(&get(&proxy, &items)), ["one"]);
}

#[test]
fn other_methods_are_told_which_there_are() {
    let proxy = Proxy::start();
    for (method, path, allowed) in [
        ("GET", "/v1/conversations", "POST"),
        ("PUT", "/v1/conversations/conv_1", "GET, HEAD, POST, DELETE"),
        ("DELETE", "/conversations/conv_1/items", "GET, HEAD, POST"),
        ("POST", "/v1/conversations/conv_1/items/msg_1", "GET, HEAD, DELETE"),
    ] {
        let answer = ask(proxy.listen, method, path, &[], b"");
        answer.is_error((405, "invalid_request_error", Some("method_not_supported"), None));
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[test]
fn what_is_kept_is_counted() {
    let proxy = Proxy::start();
    send(&proxy, "POST", "/v1/conversations", &json!({"items": [user("one")]}));
    let metrics = ask(proxy.admin, "GET", "/metrics", &[], b"").whole;
    assert!(metrics.contains("chipp_proxy_archive_entries 1\n"), "{metrics}");
    let bytes = metrics.lines().find_map(|line| line.strip_prefix("chipp_proxy_archive_bytes "));
    assert!((500..2000).contains(&bytes.unwrap().parse().unwrap()), "{bytes:?}");
}
