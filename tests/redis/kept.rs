//! Conversations that replicas keep together, with one Redis that comes and goes.

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::support::redis::Server;
use crate::support::{Answer, PATIENCE, Proxy};

fn yaml(server: &Server) -> String {
    format!(
        "auth: {{mode: open}}\nresponses: {{store: redis}}\nredis: {{url: '{}', timeout: {PATIENCE:?}}}",
        server.url()
    )
}

fn add(proxy: &Proxy, path: &str, text: &str) -> Answer {
    proxy.post_url(&proxy.url(path), &json!({"items": [{"role": "user", "content": text}]}))
}

fn texts(items: &Answer) -> Vec<&str> {
    assert_eq!(items.status, 200, "{items:?}");
    let data = items.json["data"].as_array().unwrap();
    data.iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn replicas_and_who_comes_after_them_find_the_same() {
    let server = Server::start();
    let proxy = Proxy::with(&yaml(&server), Options::default());
    proxy.until_ready("ok");
    let created = add(&proxy, "conversations", "one");
    assert_eq!(created.status, 200, "{created:?}");
    let path = format!("conversations/{}", created.json["id"].as_str().unwrap());
    let items = format!("{path}/items");
    let replica = proxy.replica(&yaml(&server));
    replica.until_ready("ok");
    assert_eq!(add(&replica, &items, "two").status, 200);
    assert_eq!(add(&proxy, &items, "three").status, 200);
    assert_eq!(texts(&replica.get(&items)), ["three", "two", "one"]);
    assert_eq!(replica.get(&path).text, created.text);
    // Whoever has the same credential finds it, whichever process it asks, and under whichever key for hashes.
    for key in server.keys().iter().filter(|key| key.contains("fingerprint-key")) {
        server.tell(&format!("DEL {key}"));
    }
    let later = proxy.replica(&yaml(&server));
    later.until_ready("ok");
    assert_eq!(texts(&later.get(&items)), ["three", "two", "one"]);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn while_redis_is_away_nothing_is_said_not_to_be_there() {
    let mut server = Server::start();
    let proxy = Proxy::with(&yaml(&server), Options::default());
    proxy.until_ready("ok");
    let created = add(&proxy, "conversations", "one");
    let path = format!("conversations/{}", created.json["id"].as_str().unwrap());
    server.kill();
    let response = format!("responses/resp_{}", "0".repeat(48));
    for answer in [proxy.get(&path), add(&proxy, "conversations", "two"), proxy.get(&response)] {
        assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
    }
    proxy.until_ready("degraded");
    let detail = &proxy.readiness()["detail"]["redis"];
    assert_eq!(detail, "away: stored responses cannot be read");
    let metrics = proxy.metrics();
    for line in ["read\"} 2", "write\"} 1"] {
        let line = format!("chipp_proxy_archive_store_failures_total{{operation=\"{line}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    server.restart();
    proxy.until_ready("ok");
    assert_eq!(proxy.get(&path).status, 404);
    assert_eq!(add(&proxy, "conversations", "three").status, 200);
    let chat: Value = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(proxy.chat(&chat).status, 200);
}

fn ask(proxy: &Proxy, more: &Value) -> Answer {
    let mut body = json!({"model": "gpt-4o"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    proxy.post_url(&proxy.url("responses"), &body)
}

fn said(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["output"][0]["content"][0]["text"].as_str().unwrap()
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_response_is_gone_on_from_on_any_replica_and_in_its_session() {
    let server = Server::start();
    let yaml = format!("{}\nsessions: {{store: redis}}", yaml(&server));
    let proxy = Proxy::with(&yaml, Options::default());
    let replica = proxy.replica(&yaml);
    proxy.until_ready("ok");
    replica.until_ready("ok");
    let first = ask(&proxy, &json!({"input": "I am Ann"}));
    let second = ask(&replica, &json!({"input": "and?", "previous_response_id": first.json["id"]}));
    assert_eq!(second.header("x-chipp-session"), "continued");
    assert!(said(&second).contains("I am Ann"), "{second:?}");
    let id = second.json["id"].as_str().unwrap();
    assert_eq!(proxy.get(&format!("responses/{id}")).text, second.text);
    assert_eq!(proxy.delete(&format!("responses/{id}")).status, 200);
    assert_eq!(replica.get(&format!("responses/{id}")).status, 404);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn while_redis_is_away_responses_are_given_and_cannot_be_gone_on_from() {
    let mut server = Server::start();
    let proxy = Proxy::with(&yaml(&server), Options::default());
    proxy.until_ready("ok");
    let first = ask(&proxy, &json!({"input": "one"}));
    let conversation = add(&proxy, "conversations", "one").json["id"].clone();
    server.kill();
    assert_eq!(said(&ask(&proxy, &json!({"input": "two"}))), "Hello! You said: \"two\".");
    let before = proxy.emulator.requests().len();
    for more in [
        json!({"input": "three", "previous_response_id": first.json["id"]}),
        json!({"input": "three", "conversation": conversation}),
    ] {
        let answer = ask(&proxy, &more);
        assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"), "{answer:?}");
    }
    assert_eq!(proxy.emulator.requests().len(), before);
}
