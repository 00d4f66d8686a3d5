//! Clients that leave while Redis is at work: what they leave there is what somebody else can go on with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chipp_proxy::ids::ChatSessionId;
use chipp_proxy::session::{Fingerprinter, Mode, Scope, ScopeParts, Store, Turn};
use futures_util::FutureExt as _;

use crate::contract::InRedis;
use crate::support::PATIENCE;

const LONG: Duration = Duration::from_secs(3600);

fn scope() -> Scope {
    let parts = ScopeParts { credential: b"key", user: Some("ann"), app: "app", conversation: None };
    Fingerprinter::random().unwrap().scope(parts)
}

fn session(text: &str) -> ChatSessionId {
    ChatSessionId::parse(text).unwrap()
}

async fn sought(store: &Arc<Store>, mode: Mode, scope: &Scope) -> Turn {
    let mut turn = Turn::begin(store, mode, scope, &[]);
    turn.seek(Instant::now()).await.unwrap();
    turn
}

/// Lets a turn be sought until Redis has been asked, and nobody wait for the answer.
async fn leave_while_it_is_sought(redis: &InRedis, store: &Arc<Store>, mode: Mode, scope: &Scope) {
    assert_eq!(redis.server.tell("CLIENT PAUSE 600000 WRITE"), "+OK");
    let mut turn = Turn::begin(store, mode, scope, &[]);
    let seeking = tokio::spawn(async move { turn.seek(Instant::now()).await });
    let started = Instant::now();
    while !redis.server.info("clients").contains("blocked_clients:1") {
        assert!(started.elapsed() < PATIENCE, "Redis is not asked");
        tokio::task::yield_now().await;
    }
    seeking.abort();
    assert!(seeking.await.unwrap_err().is_cancelled());
    assert_eq!(redis.server.tell("CLIENT UNPAUSE"), "+OK");
}

/// A store whose scripts Redis has: else it is asked twice, and what is given up is only the first.
async fn warmed(redis: &InRedis, scope: &Scope) -> Arc<Store> {
    let store = redis.shared(LONG);
    sought(&store, Mode::StickyAnew, scope).await.doubt(Some(session("earlier"))).put(Instant::now()).await;
    store
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn a_slot_is_free_again_whoever_leaves_when() {
    let (redis, scope) = (InRedis::start(), scope());
    let store = warmed(&redis, &scope).await;
    leave_while_it_is_sought(&redis, &store, Mode::Sticky, &scope).await;

    let turn = sought(&store, Mode::Sticky, &scope).await;
    assert_eq!(turn.session(), Some(&session("earlier")));
    // Polled once, and then nobody waits for it: whether anything has reached Redis by then is not known.
    let _ = turn.doubt(Some(session("later"))).put(Instant::now()).now_or_never();

    let turn = sought(&store, Mode::Sticky, &scope).await;
    assert_eq!(turn.session(), Some(&session("later")));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn a_session_that_was_being_taken_by_its_id_can_be_taken_by_it() {
    let (redis, scope) = (InRedis::start(), scope());
    let store = warmed(&redis, &scope).await;
    let opening = Turn::begin(&store, Mode::Conversation, &scope, &[]).exposed(&scope);
    opening.complete(Some(session("a")), "hello").put(Instant::now()).await;
    leave_while_it_is_sought(&redis, &store, Mode::Named(session("a")), &scope).await;

    let turn = sought(&store, Mode::Named(session("a")), &scope).await;
    assert_eq!(turn.session(), Some(&session("a")));
}
