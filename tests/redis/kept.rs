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
