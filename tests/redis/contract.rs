//! What any store of sessions has to do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chipp_proxy::chipp::{Message, Role};
use chipp_proxy::ids::ChatSessionId;
use chipp_proxy::redis::Redis;
use chipp_proxy::secret::Secret;
use chipp_proxy::session::{Fingerprinter, Head, History, Local, Remote, ScopeParts, Store};
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;
use crate::support::redis::Server;

/// How many sessions are kept under one head.
const MAX_PER_HEAD: usize = 64;
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

/// Makes stores, and lets time go by for them.
trait Kind {
    fn store(&self, ttl: Duration) -> Arc<Store>;

    /// The time after so much of it.
    fn after(&self, time: Duration) -> Instant;
}

struct InMemory;

impl Kind for InMemory {
    fn store(&self, ttl: Duration) -> Arc<Store> {
        Arc::new(Store::Memory(Local::new(ttl, 1000)))
    }

    fn after(&self, time: Duration) -> Instant {
        Instant::now() + time
    }
}

pub struct InRedis {
    pub server: Server,
    pub redis: Arc<Redis>,
    prefix: &'static str,
    stop: CancellationToken,
}

impl InRedis {
    pub fn start() -> Self {
        let server = Server::start();
        let redis = Arc::new(Redis::open(&Secret::new(server.url()), PATIENCE).unwrap());
        let stop = CancellationToken::new();
        let (keeper, until) = (Arc::clone(&redis), stop.clone());
        // As in the program: the connection lives on a runtime of its own.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = keeper.keep(async |_| Ok(()), "") => {}
                    () = until.cancelled() => {}
                }
            });
        });
        let started = Instant::now();
        while !redis.is_up() {
            assert!(started.elapsed() < PATIENCE, "Redis is not reached");
            std::thread::yield_now();
        }
        Self { server, redis, prefix: "a", stop }
    }

    fn remote(&self, prefix: &str, ttl: Duration) -> Store {
        Store::Redis(Remote::new(Arc::clone(&self.redis), prefix.to_owned(), ttl))
    }

    /// A store of all that use this server.
    pub fn shared(&self, ttl: Duration) -> Arc<Store> {
        Arc::new(self.remote(self.prefix, ttl))
    }

    /// Waits until so much time has gone by for the server.
    pub fn let_pass(&self, time: Duration) -> Instant {
        let until = self.clock() + time;
        while self.clock() <= until {}
        Instant::now()
    }

    fn clock(&self) -> Duration {
        let mut lines =
            self.server.tell_lines("TIME", 5).into_iter().filter(|line| !line.starts_with(['*', '$']));
        let seconds = lines.next().unwrap().parse().unwrap();
        let micros = lines.next().unwrap().parse().unwrap();
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    }
}

impl Drop for InRedis {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Kind for InRedis {
    fn store(&self, ttl: Duration) -> Arc<Store> {
        self.server.tell("FLUSHALL");
        self.shared(ttl)
    }

    fn after(&self, time: Duration) -> Instant {
        self.let_pass(time)
    }
}

fn session(text: &str) -> ChatSessionId {
    ChatSessionId::parse(text).unwrap()
}

fn numbered(number: usize) -> ChatSessionId {
    session(&number.to_string())
}

/// The heads of histories that do not differ in their scope.
fn heads<const N: usize>(texts: [&str; N]) -> [Head; N] {
    let parts = ScopeParts { credential: b"key", user: None, app: "app", conversation: None };
    let scope = Fingerprinter::random().unwrap().scope(parts);
    texts.map(|text| History::of(&scope, &[Message { role: Role::User, content: text.into() }]).0.head())
}

async fn contract(kind: &impl Kind) {
    one_taker_wins(kind).await;
    the_youngest_goes_first_and_not_too_many_are_kept(kind).await;
    the_longest_beginning_is_taken_in_one_call(kind).await;
    sessions_expire(kind).await;
}

async fn one_taker_wins(kind: &impl Kind) {
    let store = kind.store(LONG);
    let [head] = heads(["hi"]);
    for number in 0..MAX_PER_HEAD {
        store.put(head, numbered(number), Instant::now()).await;
    }
    let takers = (0..2 * MAX_PER_HEAD).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.take(&[(1, head)], Instant::now()).await })
    });
    let takers: Vec<_> = takers.collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap().map(|(_, session)| session));
    }
    assert_eq!(taken.len(), MAX_PER_HEAD);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), MAX_PER_HEAD, "one was taken twice");
}

async fn the_youngest_goes_first_and_not_too_many_are_kept(kind: &impl Kind) {
    let store = kind.store(LONG);
    let [head] = heads(["hi"]);
    for number in 0..MAX_PER_HEAD + 2 {
        store.put(head, numbered(number), Instant::now()).await;
    }
    for number in (2..MAX_PER_HEAD + 2).rev() {
        let taken = store.take(&[(1, head)], Instant::now()).await;
        assert_eq!(taken, Some((0, numbered(number))));
    }
    assert_eq!(store.take(&[(1, head)], Instant::now()).await, None);
}

async fn the_longest_beginning_is_taken_in_one_call(kind: &impl Kind) {
    let store = kind.store(LONG);
    let [long, middle, short] = heads(["long", "middle", "short"]);
    let all = [(6, long), (4, middle), (2, short)];
    store.put(short, session("short"), Instant::now()).await;
    store.put(middle, session("middle"), Instant::now()).await;
    assert_eq!(store.take(&all, Instant::now()).await, Some((1, session("middle"))));
    assert_eq!(store.take(&all, Instant::now()).await, Some((2, session("short"))));
    assert_eq!(store.take(&all, Instant::now()).await, None);
    assert_eq!(store.take(&[], Instant::now()).await, None);
    // What went out can come in again.
    store.put(long, session("middle"), Instant::now()).await;
    assert_eq!(store.take(&all, Instant::now()).await, Some((0, session("middle"))));
}

async fn sessions_expire(kind: &impl Kind) {
    let store = kind.store(SHORT);
    let [long, short] = heads(["long", "short"]);
    store.put(long, session("a"), Instant::now()).await;
    store.put(short, session("b"), Instant::now()).await;
    let later = kind.after(2 * SHORT);
    assert_eq!(store.take(&[(4, long), (2, short)], later).await, None);
    let store = kind.store(LONG);
    store.put(long, session("a"), Instant::now()).await;
    assert_eq!(store.take(&[(4, long)], kind.after(SHORT)).await, Some((0, session("a"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_a_store() {
    contract(&InMemory).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn redis_is_a_store() {
    contract(&InRedis::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn prefixes_do_not_mix() {
    let kind = InRedis::start();
    let (one, other) = (kind.remote("one", LONG), kind.remote("other", LONG));
    let [head] = heads(["hi"]);
    one.put(head, session("a"), Instant::now()).await;
    assert_eq!(other.take(&[(1, head)], Instant::now()).await, None);
    let keys = kind.server.keys();
    assert!(keys.len() == 1 && keys[0].starts_with("one:session:"), "{keys:?}");
    assert_eq!(one.take(&[(1, head)], Instant::now()).await, Some((0, session("a"))));
    assert_eq!(kind.server.keys(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn a_busy_head_does_not_keep_the_dead() {
    let kind = InRedis::start();
    let (short, long) = (kind.remote("a", SHORT), kind.remote("a", LONG));
    let [head] = heads(["hi"]);
    for number in 0..3 {
        short.put(head, numbered(number), Instant::now()).await;
    }
    // A life that is longer than theirs keeps the list, and not what is in it.
    long.put(head, session("alive"), Instant::now()).await;
    kind.after(SHORT);
    long.put(head, session("too"), Instant::now()).await;
    let [key] = kind.server.keys().try_into().unwrap();
    assert_eq!(kind.server.tell(&format!("LLEN {key}")), ":2");
    short.put(head, session("dead"), Instant::now()).await;
    let ttl: u128 = kind.server.tell(&format!("PTTL {key}"))[1..].parse().unwrap();
    assert!(ttl > LONG.as_millis() / 2, "the shorter life must not end the longer one: {ttl}");
    let now = kind.after(SHORT);
    assert_eq!(long.take(&[(1, head)], now).await, Some((0, session("too"))));
    assert_eq!(long.take(&[(1, head)], now).await, Some((0, session("alive"))));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    let kind = InRedis::start();
    let store = kind.store(LONG);
    let [head] = heads(["hi"]);
    store.put(head, session("a"), Instant::now()).await;
    assert_eq!(kind.server.tell("SCRIPT FLUSH"), "+OK");
    assert_eq!(store.take(&[(1, head)], Instant::now()).await, Some((0, session("a"))));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn what_is_no_session_is_none_and_takes_nobody_down() {
    let kind = InRedis::start();
    let store = kind.store(LONG);
    let [head, other] = heads(["hi", "there"]);
    store.put(head, session("a"), Instant::now()).await;
    let [key] = kind.server.keys().try_into().unwrap();
    assert!(kind.server.tell(&format!("RPUSH {key} nonsense")).starts_with(':'));
    assert_eq!(store.take(&[(1, head)], Instant::now()).await, Some((0, session("a"))));
    assert_eq!(kind.server.tell(&format!("SET {key} text")), "+OK");
    assert_eq!(store.take(&[(1, head)], Instant::now()).await, None);
    let Store::Redis(remote) = &*store else { unreachable!() };
    assert_eq!((remote.failures().takes, remote.failures().puts), (1, 0));
    assert!(kind.redis.is_up());
    store.put(other, session("b"), Instant::now()).await;
    assert_eq!(store.take(&[(1, other)], Instant::now()).await, Some((0, session("b"))));
}
