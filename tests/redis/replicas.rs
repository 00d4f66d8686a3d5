//! Proxies with one Redis and one Chipp.

use std::io::Write as _;
use std::time::{Duration, Instant};

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::redis::Server;
use crate::support::{PATIENCE, Proxy, dialogue};

/// No proxy waits for Redis as long as this.
const SLOW: Duration = Duration::from_secs(5);

fn yaml(server: &Server, timeout: Duration) -> String {
    format!(
        "auth: {{mode: open}}\nsessions: {{store: redis}}\nredis: {{url: '{}', timeout: {timeout:?}}}",
        server.url()
    )
}

/// A conversation whose every answer is kept.
struct Talk(Value);

impl Talk {
    fn new() -> Self {
        Self(dialogue("gpt-4o", &["turn 0"]))
    }

    /// The next turn, by way of a proxy; its outcome. What Chipp heard is what was said.
    fn turn(&mut self, proxy: &Proxy) -> String {
        let answer = proxy.chat(&self.0);
        assert_eq!(answer.status, 200, "{answer:?}");
        let outcome = answer.header("x-chipp-session").to_owned();
        self.answered(proxy, answer.content());
        outcome
    }

    fn streamed_turn(&mut self, proxy: &Proxy) -> String {
        let events = proxy.stream(&self.0);
        assert_eq!(events.status, 200);
        let outcome = events.header("x-chipp-session").to_owned();
        let streamed = events.read();
        assert!(streamed.done, "{streamed:?}");
        self.answered(proxy, &streamed.content);
        outcome
    }

    fn answered(&mut self, proxy: &Proxy, content: &str) {
        let messages = self.0["messages"].as_array_mut().unwrap();
        let last = proxy.emulator.requests().pop().unwrap();
        let heard = last.heard();
        assert_eq!(heard.len(), messages.len());
        for (heard, said) in heard.iter().zip(&*messages) {
            assert_eq!(&*heard.content, said["content"].as_str().unwrap());
        }
        messages.push(json!({"role": "assistant", "content": content}));
        messages.push(json!({"role": "user", "content": format!("turn {}", messages.len() / 2)}));
    }

    /// Turns until one has this outcome: each has to be served.
    fn until(&mut self, proxy: &Proxy, outcome: &str) {
        let started = Instant::now();
        while self.turn(proxy) != outcome {
            assert!(started.elapsed() < PATIENCE, "no turn is {outcome}");
        }
    }
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn replicas_share_a_conversation() {
    let server = Server::start_on_port();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    let replica = proxy.replica(&yaml(&server, PATIENCE));
    proxy.until_ready("ok");
    replica.until_ready("ok");
    let mut talk = Talk::new();
    assert_eq!(talk.turn(&proxy), "new");
    for _ in 0..3 {
        assert_eq!(talk.turn(&replica), "continued");
        assert_eq!(talk.streamed_turn(&proxy), "continued");
        assert_eq!(talk.streamed_turn(&replica), "continued");
        assert_eq!(talk.turn(&proxy), "continued");
    }
    assert_eq!(proxy.emulator.sessions().len(), 1);
    assert!(proxy.emulator.requests().iter().all(|request| request.messages.len() == 1));
    let metrics = proxy.metrics();
    assert!(metrics.contains("chipp_proxy_redis_up 1\n"), "{metrics}");
    assert!(metrics.contains("chipp_proxy_session_store_failures_total{operation=\"take\"} 0\n"));
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_turn_costs_one_round_trip_before_and_one_after() {
    const TURNS: u64 = 10;
    let server = Server::start();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    proxy.until_ready("ok");
    let mut talk = Talk::new();
    // Sends the scripts.
    assert_eq!(talk.turn(&proxy), "new");
    assert_eq!(talk.streamed_turn(&proxy), "continued");
    assert_eq!(server.tell("CONFIG RESETSTAT"), "+OK");
    for _ in 0..TURNS / 2 {
        assert_eq!(talk.turn(&proxy), "continued");
        assert_eq!(talk.streamed_turn(&proxy), "continued");
    }
    // `cmdstat_evalsha:calls=20,…`; what looks after the key of the hashes now and then may come on top.
    let stats = server.info("commandstats");
    let calls = |name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    let calls = calls("evalsha") + calls("eval");
    assert!((2 * TURNS..=2 * TURNS + 2).contains(&calls), "{calls}");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_replica_that_is_killed_in_mid_turn_costs_one_replay() {
    let server = Server::start();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    proxy.until_ready("ok");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let (base_url, settings) = (proxy.emulator.base_url(), yaml(&server, PATIENCE));
    let text = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{base_url}', api_key: live_test}}\nmodels: {{gated: emu-gated-1}}\n{settings}\n"
    );
    std::fs::write(&file, text).unwrap();
    let program = Program::serve(&file, "warn,chipp_proxy=info");

    proxy.emulator.open_wide("turn 0");
    let first = proxy.chat(&dialogue("gated", &["turn 0"]));
    let body = dialogue("gated", &["turn 0", first.content(), "turn 1"]);
    let text = body.to_string();
    let mut connection = std::net::TcpStream::connect(program.listen).unwrap();
    write!(
        connection,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    let arrived = proxy.emulator.wait_for(|state| state.requests().count() == 2, PATIENCE);
    assert!(arrived);
    assert_eq!(proxy.emulator.requests().pop().unwrap().messages.len(), 1, "it goes on with the session");
    program.kill();

    proxy.emulator.open_wide("turn 1");
    let again = proxy.chat(&body);
    assert_eq!((again.status, again.header("x-chipp-session")), (200, "replayed"));
    let heard = proxy.emulator.requests().pop().unwrap().heard().len();
    assert_eq!(heard, 3, "the whole history, in a session of its own");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_redis_that_is_not_there_yet_is_done_without() {
    let mut server = Server::prepare();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    let mut talk = Talk::new();
    assert_eq!(talk.turn(&proxy), "new");
    assert_eq!(talk.turn(&proxy), "replayed");
    assert_eq!(talk.streamed_turn(&proxy), "replayed");
    let readiness = proxy.readiness();
    assert_eq!(readiness["status"], "degraded");
    assert!(readiness["detail"]["redis"].is_string(), "{readiness}");
    let metrics = proxy.metrics();
    assert!(metrics.contains("chipp_proxy_redis_up 0\n"), "{metrics}");
    // A first turn has nothing to look for.
    assert!(
        metrics.contains("chipp_proxy_session_store_failures_total{operation=\"take\"} 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("chipp_proxy_session_store_failures_total{operation=\"put\"} 3\n"), "{metrics}");

    server.restart();
    proxy.until_ready("ok");
    talk.turn(&proxy);
    assert_eq!(talk.turn(&proxy), "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_redis_that_dies_and_comes_back_costs_one_replay() {
    let mut server = Server::start();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    proxy.until_ready("ok");
    let mut talk = Talk::new();
    assert_eq!(talk.turn(&proxy), "new");
    assert_eq!(talk.turn(&proxy), "continued");
    server.kill();
    assert_eq!(talk.turn(&proxy), "replayed");
    assert_eq!(proxy.emulator.requests().pop().unwrap().messages.len(), 5);
    assert_eq!(talk.streamed_turn(&proxy), "replayed");
    proxy.until_ready("degraded");
    server.restart();
    proxy.until_ready("ok");
    assert_eq!(talk.turn(&proxy), "replayed");
    assert_eq!(talk.turn(&proxy), "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_redis_that_hangs_is_not_waited_for() {
    let server = Server::start();
    let proxy = Proxy::with(&yaml(&server, Duration::from_millis(100)), Options::default());
    proxy.until_ready("ok");
    let mut talk = Talk::new();
    talk.turn(&proxy);
    server.freeze();
    let started = Instant::now();
    for _ in 0..10 {
        assert_eq!(talk.turn(&proxy), "replayed");
    }
    assert!(started.elapsed() < SLOW, "{:?}", started.elapsed());
    proxy.until_ready("degraded");
    server.thaw();
    proxy.until_ready("ok");
    // What had been given up may have been done since; none of it is used wrongly.
    talk.until(&proxy, "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_redis_that_was_emptied_serves_all_replicas_again() {
    let server = Server::start();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    let replica = proxy.replica(&yaml(&server, PATIENCE));
    proxy.until_ready("ok");
    replica.until_ready("ok");
    let mut talk = Talk::new();
    talk.turn(&proxy);
    assert_eq!(server.tell("FLUSHALL"), "+OK");
    assert_eq!(talk.turn(&replica), "replayed");
    assert_eq!(talk.turn(&proxy), "continued");
    // The key comes back by itself: a replica that starts later has the same.
    let started = Instant::now();
    while !server.keys().iter().any(|key| key.contains(":fingerprint-key:")) {
        assert!(started.elapsed() < PATIENCE, "{:?}", server.keys());
    }
    let third = proxy.replica(&yaml(&server, PATIENCE));
    third.until_ready("ok");
    assert_eq!(talk.turn(&third), "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn sessions_of_a_snapshot_are_not_used_again() {
    let mut server = Server::start();
    let proxy = Proxy::with(&yaml(&server, PATIENCE), Options::default());
    proxy.until_ready("ok");
    let mut talk = Talk::new();
    talk.turn(&proxy);
    // What the session held then…
    let before = talk.0.clone();
    assert_eq!(server.tell("SAVE"), "+OK");
    assert_eq!(talk.turn(&proxy), "continued");
    server.kill();
    proxy.until_ready("degraded");
    server.restart();
    assert_eq!(server.tell_lines("KEYS *:session:*", 1), ["*1"], "the session is there as it was");
    proxy.until_ready("ok");
    // …is not what it holds now.
    let mut again = Talk(before);
    assert_eq!(again.turn(&proxy), "replayed");
    assert_eq!(again.turn(&proxy), "continued");
}

#[test]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
fn a_wrong_password_is_told_without_it_and_costs_only_the_sessions() {
    let server = Server::start_on_port();
    assert_eq!(server.tell("CONFIG SET requirepass correct"), "+OK");
    let wrong = server.url().replace("redis://", "redis://:incorrect@");
    let with = |url: &str| {
        format!(
            "auth: {{mode: open}}\nsessions: {{store: redis}}\nredis: {{url: '{url}', timeout: {PATIENCE:?}}}"
        )
    };
    let proxy = Proxy::with(&with(&wrong), Options::default());
    let mut talk = Talk::new();
    assert_eq!(talk.turn(&proxy), "new");
    assert_eq!(talk.turn(&proxy), "replayed");
    assert_eq!(proxy.readiness()["status"], "degraded");
    assert!(!format!("{:?}", proxy.shared).contains("incorrect"));
    let right = proxy.replica(&with(&wrong.replace("incorrect", "correct")));
    right.until_ready("ok");
    assert_eq!(talk.turn(&right), "replayed");
    assert_eq!(talk.turn(&right), "continued");
}
