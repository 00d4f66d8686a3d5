//! Proxies that count together, with one Redis that comes and goes. Their sessions are in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::redis::Server;
use crate::support::{Answer, PATIENCE, Proxy, dialogue};

const CLIENTS: usize = 64;

fn yaml(server: &Server, timeout: Duration, limits: &str) -> String {
    format!(
        "auth: {{mode: open}}\nlimits: {{store: redis, {limits}}}\nredis: {{url: '{}', timeout: {timeout:?}}}",
        server.url()
    )
}

fn replicas<const N: usize>(server: &Server, limits: &str) -> [Proxy; N] {
    let yaml = yaml(server, PATIENCE, limits);
    let first = Proxy::with(&yaml, Options { think: Duration::ZERO, ..Options::default() });
    let mut others: Vec<Proxy> = (1..N).map(|_| first.replica(&yaml)).collect();
    others.insert(0, first);
    for proxy in &others {
        proxy.until_ready("ok");
    }
    others.try_into().unwrap_or_else(|_| unreachable!())
}

fn of_user(user: &str) -> Value {
    let mut body = dialogue("gpt-4o", &["hi"]);
    body["user"] = json!(user);
    body
}

fn remaining(answer: &Answer) -> &str {
    answer.header("x-ratelimit-remaining-requests")
}

/// So many requests by as many clients at once as there are, spread over the replicas; how many passed.
fn passed<const N: usize>(replicas: &[Proxy; N], asked: usize) -> usize {
    let turn = AtomicUsize::new(0);
    let ask = || {
        let mut passed = 0;
        loop {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            if turn >= asked {
                return passed;
            }
            match replicas[turn % N].chat(&of_user("ann")).status {
                200 => passed += 1,
                429 => {}
                other => panic!("{other}"),
            }
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn three_replicas_let_the_limit_through_and_no_more() {
    let server = Server::start();
    let limits =
        "user: {requests_per_day: 300, tokens_per_day: 1000000}, all: {requests_per_day: 400, concurrent: 7}";
    let replicas: [Proxy; 3] = replicas(&server, limits);
    assert_eq!(passed(&replicas, 3000), 300);
    assert_eq!(replicas[0].emulator.requests().len(), 300);
    // Who was denied used up nothing of the others' rule.
    assert_eq!(remaining(&replicas[1].chat(&of_user("bob"))), "99");
    assert_eq!(remaining(&replicas[2].chat(&dialogue("gpt-4o", &["hi"]))), "98");
    let metrics = replicas[0].metrics();
    assert!(metrics.contains("chipp_proxy_limit_store_failures_total{operation=\"take\"} 0\n"), "{metrics}");
    assert!(
        metrics.contains("chipp_proxy_limit_store_failures_total{operation=\"correct\"} 0\n"),
        "{metrics}"
    );
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn three_replicas_at_ten_times_the_rate_keep_to_it() {
    // Forty a second.
    const RATE: f64 = 40.0;
    const BURST: f64 = 20.0;
    let server = Server::start();
    let replicas: [Proxy; 3] = replicas(&server, "all: {requests_per_minute: 2400, burst: 20}");
    let started = Instant::now();
    let mut asked = 0_u32;
    let mut passed_in_all = 0_u32;
    // Until a hundredth of what passes is more than what its beginning and its end make of it.
    while passed_in_all < 300 {
        passed_in_all += u32::try_from(passed(&replicas, 640)).unwrap();
        asked += 640;
        assert!(started.elapsed() < 4 * PATIENCE, "{passed_in_all} of {asked}");
    }
    let most = BURST + RATE * started.elapsed().as_secs_f64();
    let passed = f64::from(passed_in_all);
    assert!(passed <= most + 1.0, "{passed} of {asked}, and not {most}");
    assert!(passed >= most * 0.99 - 2.0, "{passed} of {asked}, and not {most}");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_place_is_waited_for_on_any_replica_and_kept_while_it_is_used() {
    let server = Server::start();
    let [first, second]: [Proxy; 2] = replicas(&server, "all: {concurrent: 1, requests_per_day: 100}");
    first.emulator.open("one");
    let mut events = first.stream(&dialogue("gated", &["one"]));
    events.next_text();
    let ends = || -> f64 {
        let lines = server.tell_lines("ZRANGE chipp-proxy:limit:all:running 0 -1 WITHSCORES", 5);
        assert_eq!(lines[0], "*2", "{lines:?}");
        lines[4].parse().unwrap()
    };
    let at_first = ends();
    let busy = second.chat(&dialogue("gpt-4o", &["two"]));
    assert_eq!((busy.status, busy.code()), (429, "rate_limit_exceeded"));
    assert!(busy.text.contains("concurrent requests: Limit 1."), "{}", busy.text);
    thread::scope(|scope| {
        let waits = scope.spawn(|| second.chat(&dialogue("gpt-4o", &["three"])));
        while server.tell("ZCARD chipp-proxy:limit:all:waiting") != ":1" {
            thread::yield_now();
        }
        first.emulator.open_wide("one");
        assert!(events.read().done);
        let answer = waits.join().unwrap();
        // Who waited in vain has not been counted.
        assert_eq!((answer.status, remaining(&answer)), (200, "98"));
    });
    // A client that leaves leaves its place.
    first.emulator.open("four");
    let mut events = first.stream(&dialogue("gated", &["four"]));
    events.next_text();
    let started = Instant::now();
    while ends() <= at_first + 25_000_000.0 {
        assert!(started.elapsed() < PATIENCE, "nobody says that it still runs");
    }
    drop(events);
    assert_eq!(second.chat(&dialogue("gpt-4o", &["five"])).status, 200);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn without_redis_each_replica_counts_by_itself() {
    let mut server = Server::start();
    let limits = "on_store_failure: local, user: {requests_per_day: 2}, all: {concurrent: 10}";
    let [first, second]: [Proxy; 2] = replicas(&server, limits);
    let ask = |proxy: &Proxy| proxy.chat(&of_user("ann"));
    assert_eq!(remaining(&ask(&first)), "1");
    assert_eq!(remaining(&ask(&second)), "0");
    assert_eq!(ask(&first).status, 429);
    // It dies while an answer is on its way.
    first.emulator.open("one");
    let mut body = dialogue("gated", &["one"]);
    body["user"] = json!("bob");
    let mut events = first.stream(&body);
    events.next_text();
    server.kill();
    first.emulator.open_wide("one");
    assert!(events.read().done);
    for proxy in [&first, &second] {
        assert_eq!(remaining(&ask(proxy)), "1");
        assert_eq!(remaining(&ask(proxy)), "0");
        assert_eq!(ask(proxy).status, 429);
        proxy.until_ready("degraded");
        let detail = &proxy.readiness()["detail"]["redis"];
        assert_eq!(detail, "away: each replica counts limits by itself");
        let metrics = proxy.metrics();
        assert!(metrics.contains("chipp_proxy_redis_up 0\n"), "{metrics}");
        let failed = "chipp_proxy_limit_store_failures_total{operation=\"take\"} 3\n";
        assert!(metrics.contains(failed), "{metrics}");
    }
    let metrics = first.metrics();
    assert!(
        metrics.contains("chipp_proxy_limit_store_failures_total{operation=\"correct\"} 1\n"),
        "{metrics}"
    );
    server.restart();
    first.until_ready("ok");
    second.until_ready("ok");
    assert_eq!(remaining(&ask(&first)), "1");
    assert_eq!(remaining(&ask(&second)), "0");
    assert_eq!(ask(&first).status, 429);
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn without_redis_what_has_limits_is_refused_if_that_is_wanted() {
    let mut server = Server::start();
    let limits = "on_store_failure: deny, user: {requests_per_day: 2}";
    let [first, second]: [Proxy; 2] = replicas(&server, limits);
    assert_eq!(remaining(&first.chat(&of_user("ann"))), "1");
    server.kill();
    for _ in 0..3 {
        let refused = first.chat(&of_user("ann"));
        assert_eq!((refused.status, refused.code()), (503, "limits_unavailable"), "{refused:?}");
        assert_eq!(refused.json["error"]["type"], "server_error");
        assert_eq!((refused.header("retry-after"), remaining(&refused)), ("1", ""));
    }
    // Who has none is served.
    assert_eq!(first.chat(&dialogue("gpt-4o", &["hi"])).status, 200);
    first.until_ready("degraded");
    assert_eq!(first.readiness()["detail"]["redis"], "away: requests that have limits are refused");
    let metrics = first.metrics();
    assert!(metrics.contains("chipp_proxy_limit_store_failures_total{operation=\"take\"} 3\n"), "{metrics}");
    second.until_ready("degraded");
    server.restart();
    first.until_ready("ok");
    second.until_ready("ok");
    assert_eq!(remaining(&second.chat(&of_user("ann"))), "1");
    assert_eq!(remaining(&first.chat(&of_user("ann"))), "0");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn what_it_means_that_redis_is_away_is_logged_once() {
    let mut server = Server::prepare();
    let proxy = Proxy::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let base_url = proxy.emulator.base_url();
    let settings = yaml(&server, PATIENCE, "on_store_failure: deny, all: {requests_per_day: 9}");
    let text = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{base_url}', api_key: live_test}}\nmodels: {{gpt-4o: emu-gpt-4o-1}}\n{settings}\n"
    );
    std::fs::write(&file, text).unwrap();
    let program = Program::serve(&file, "warn,chipp_proxy=info");
    let url = format!("http://{}/v1/chat/completions", program.listen);
    let ask = || proxy.post_url(&url, &dialogue("gpt-4o", &["hi"]));
    let refused = ask();
    assert_eq!((refused.status, refused.code()), (503, "limits_unavailable"));
    server.restart();
    let started = Instant::now();
    while ask().status != 200 {
        assert!(started.elapsed() < PATIENCE, "Redis is not reached");
    }
    let (log, _) = program.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let away: Vec<_> = lines.iter().filter(|line| line["message"] == "Redis is away").collect();
    assert!(away.len() == 1 && log.contains("requests that have limits are refused"), "{log}");
    assert_eq!(lines.iter().filter(|line| line["message"] == "Redis is there").count(), 1, "{log}");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_redis_that_hangs_is_not_waited_for() {
    let server = Server::start();
    let limits = "all: {requests_per_day: 100, concurrent: 9}";
    let proxy = Proxy::with(&yaml(&server, Duration::from_millis(100), limits), Options::default());
    proxy.until_ready("ok");
    assert_eq!(remaining(&proxy.chat(&of_user("ann"))), "99");
    server.freeze();
    let started = Instant::now();
    for left in (90..100).rev() {
        assert_eq!(remaining(&proxy.chat(&of_user("ann"))), left.to_string());
    }
    assert!(started.elapsed() < PATIENCE / 6, "{:?}", started.elapsed());
    proxy.until_ready("degraded");
    server.thaw();
    proxy.until_ready("ok");
    // It may have counted the one that it was asked for, and left its place in use for a while.
    let left: u32 = remaining(&proxy.chat(&of_user("ann"))).parse().unwrap();
    assert!((97..=98).contains(&left), "{left}");
}
