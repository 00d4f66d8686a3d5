//! What is so only of limits in Redis: that they are those of memory, what they cost, and what they leave there.

use std::time::{Duration, Instant};

use chipp_proxy::allowance::Allowance;
use chipp_proxy::config::{Limits as Settings, OnStoreFailure};
use chipp_proxy::limits::{Cause, Owed, Refusal, Standings, Subject};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::contract::InRedis;
use crate::limits::{
    DAY, InMemory, Kind as _, MINUTE, NONE, Scene, both, left, number, requests_a_day, tokens_a_day,
};
use crate::support::PATIENCE;

/// What happens next: a request comes for so many tokens, or one that runs ends: with so many, or turned away, or unsent.
#[derive(Clone, Debug)]
enum Step {
    Comes(u64),
    Ends(prop::sample::Index, Result<u64, Owed>),
}

/// Whether this stands for the same use, looked at at about the same time.
fn is_same(one: Standings, other: Standings) -> bool {
    let [reset, same] = [one, other].map(|standings| standings.requests.unwrap().reset);
    left(one) == left(other) && reset.abs_diff(same) < PATIENCE
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn the_same_steps_lead_to_the_same_numbers() {
    let step = prop_oneof![
        3 => (1..700_u64).prop_map(Step::Comes),
        2 => (any::<prop::sample::Index>(), prop_oneof![
            3 => (0..1000_u64).prop_map(Ok),
            1 => Just(Err(Owed::Request)),
            1 => Just(Err(Owed::Nothing)),
        ]).prop_map(|(which, end)| Step::Ends(which, end)),
    ];
    let steps = prop::collection::vec(step, 40);
    let mut runner = TestRunner::default();
    let redis = InRedis::start();
    // Each time another key: those that still run at its end are given back some time after it.
    for by in 1..=100 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let (few, many) = (both(60, 3000), both(70, u32::MAX));
        let here = Scene::new(&InMemory, few, many, NONE);
        let there = Scene::new(&redis, few, many, NONE);
        let (subject, other) = (here.subject(by, by), there.subject(by, by));
        let key = format!("a:limit:user:{}", format!("{by:02x}").repeat(16));
        let account = || {
            let get = "return redis.status_reply(redis.call('GET', KEYS[1]) or '')";
            redis.server.tell(&format!("EVAL \"{get}\" 1 {key}"))
        };
        let mut running = Vec::new();
        for step in &steps {
            match step {
                Step::Comes(tokens) => {
                    match (here.ask(&subject, *tokens).await, there.ask(&other, *tokens).await) {
                        (Ok((one, told)), Ok((two, same))) => {
                            assert!(is_same(told, same), "{told:?}, {same:?} after {steps:?}");
                            running.push((one, two));
                        }
                        (Err(Refusal::Denied(one)), Err(Refusal::Denied(two))) => {
                            assert_eq!(one.rule, two.rule, "{steps:?}");
                            assert!(
                                is_same(one.standings, two.standings),
                                "{one:?}, {two:?} after {steps:?}"
                            );
                        }
                        different => panic!("{different:?} after {steps:?}"),
                    }
                }
                Step::Ends(which, end) if !running.is_empty() => {
                    let (mut one, mut two) = running.swap_remove(which.index(running.len()));
                    match end {
                        Ok(used) => {
                            let told = here.settle(one, *used).await;
                            let same = there.settle(two, *used).await;
                            assert!(is_same(told, same), "{told:?}, {same:?} after {steps:?}");
                        }
                        Err(owed) => {
                            for permit in [&mut one, &mut two] {
                                permit.goes_out();
                                permit.came_back(*owed);
                            }
                            let (before, started) = (account(), Instant::now());
                            drop((one, two));
                            // What is given back takes its time, and need not show in what is left.
                            while account() == before {
                                assert!(started.elapsed() < PATIENCE, "{before} after {steps:?}");
                            }
                            let (told, same) = (here.look(&subject).await, there.look(&other).await);
                            assert!(is_same(told, same), "{told:?}, {same:?} after {steps:?}");
                        }
                    }
                }
                Step::Ends(..) => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn a_request_costs_one_call_before_and_one_after() {
    let redis = InRedis::start();
    let all = Allowance { concurrent: number(1), ..both(100, 10_000) };
    let scene = Scene::new(&redis, both(50, 5000), all, all);
    let subject = Subject { alias_limits: Some(all), ..scene.subject(1, 1) };
    // Sends the script.
    scene.spend(&subject, 10).await;
    assert_eq!(redis.server.tell("SCRIPT FLUSH"), "+OK");
    scene.spend(&subject, 10).await;
    assert_eq!(redis.server.tell("CONFIG RESETSTAT"), "+OK");
    for _ in 0..5 {
        scene.spend(&subject, 10).await;
    }
    let stats = redis.server.info("commandstats");
    assert!(stats.contains("cmdstat_evalsha:calls=10,"), "{stats}");
    assert!(!stats.contains("cmdstat_eval:"), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn keys_tell_nothing_and_live_no_longer_than_they_need() {
    let redis = InRedis::start();
    let minute = Allowance { tokens_per_minute: number(100), concurrent: number(2), ..NONE };
    let scene = Scene::new(&redis, minute, requests_a_day(24), tokens_a_day(100));
    let subject = Subject { alias_limits: Some(minute), ..scene.subject(0xab, 0xcd) };
    let (permit, _) = scene.admit(&subject, 10).await;
    let mut keys = redis.server.keys();
    keys.sort();
    let digest = |byte: &str| byte.repeat(16);
    let expected = [
        ("a:limit:all".to_owned(), DAY),
        (format!("a:limit:key:{}", digest("cd")), DAY),
        (format!("a:limit:model:{}", digest("01")), MINUTE),
        (format!("a:limit:model:{}:running", digest("01")), MINUTE / 2),
        (format!("a:limit:user:{}", digest("ab")), MINUTE),
        (format!("a:limit:user:{}:running", digest("ab")), MINUTE / 2),
    ];
    assert_eq!(keys, expected.each_ref().map(|(key, _)| key.clone()));
    for (key, lives) in &expected {
        let ttl = redis.server.tell(&format!("PTTL {key}"));
        let ttl: u128 = ttl[1..].parse().unwrap();
        assert!((1..=lives.as_millis()).contains(&ttl), "{key}: {ttl}");
    }
    // What was not used after all is not remembered.
    drop(permit);
    let started = Instant::now();
    while !redis.server.keys().is_empty() {
        assert!(started.elapsed() < PATIENCE, "{:?}", redis.server.keys());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn numbers_that_a_clock_left_in_the_future_keep_nobody_waiting() {
    let redis = InRedis::start();
    let both = Allowance {
        requests_per_minute: number(2),
        burst: number(2),
        tokens_per_minute: number(100),
        ..NONE
    };
    let scene = Scene::new(&redis, NONE, both, NONE);
    scene.spend(&scene.subject(1, 1), 100).await;
    let [key] = redis.server.keys().try_into().unwrap();
    assert_eq!(
        redis
            .server
            .tell(&format!("SET {key} \"9000000000000000 2 9000000000000000 0 0 100 9000000000000000 0 0\"")),
        "+OK"
    );
    let (_, cause, _) = scene.denied(&scene.subject(1, 1), 100).await;
    let Cause::Exhausted { wait, .. } = cause else { panic!("{cause:?}") };
    assert_eq!(wait, MINUTE);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn what_is_no_account_is_done_without_and_takes_nobody_down() {
    let redis = InRedis::start();
    for (on_store_failure, expected) in [(OnStoreFailure::Local, true), (OnStoreFailure::Deny, false)] {
        let settings = Settings { key: requests_a_day(1), on_store_failure, ..Settings::default() };
        let limits = redis.limits();
        let scene = Scene { kind: &redis, limits, settings, ahead: Duration::ZERO, alias: "gpt-4o".into() };
        scene.spend(&scene.subject(1, 1), 0).await;
        let [key] = redis.server.keys().try_into().unwrap();
        redis.server.tell(&format!("DEL {key}"));
        redis.server.tell(&format!("RPUSH {key} nonsense"));
        match scene.ask(&scene.subject(1, 1), 0).await {
            Ok(_) => assert!(expected),
            Err(refusal) => assert_eq!((refusal, expected), (Refusal::Unknown, false)),
        }
        assert_eq!(scene.limits.failures().unwrap().takes, 1);
        assert!(redis.redis.is_up());
        scene.spend(&scene.subject(1, 2), 0).await;
    }
}
