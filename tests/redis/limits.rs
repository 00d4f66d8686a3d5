//! What limits have to do, wherever they are counted.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chipp_proxy::allowance::Allowance;
use chipp_proxy::config::Limits as Settings;
use chipp_proxy::limits::{
    Cause, Cost, Limits, Owed, Permit, Refusal, Rule, Standing, Standings, Subject, Unit,
};

use crate::contract::InRedis;
use crate::support::PATIENCE;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const NONE: Allowance = Allowance {
    requests_per_minute: None,
    burst: None,
    requests_per_day: None,
    tokens_per_minute: None,
    tokens_per_day: None,
    concurrent: None,
};

/// Makes limits of which nothing is used, and lets time go by for them.
pub trait Kind {
    fn limits(&self) -> Arc<Limits>;

    /// `ahead` is how much later it is than by the clock of this process.
    fn goes_by(&self, ahead: &mut Duration, time: Duration);
}

pub struct InMemory;

impl Kind for InMemory {
    fn limits(&self) -> Arc<Limits> {
        Arc::new(Limits::new(Instant::now()))
    }

    fn goes_by(&self, ahead: &mut Duration, time: Duration) {
        *ahead += time;
    }
}

/// Puts every account back by some milliseconds, as if so much time had gone by.
const GO_BY: &str = "local by = ARGV[1] * 1000 \
    for _, key in ipairs(redis.call('KEYS', '*:limit:*')) do \
      local ttl = redis.call('PTTL', key) - ARGV[1] \
      local at = 0 \
      local text = string.gsub(redis.call('GET', key), '%d+', function(number) \
        at = at + 1 \
        if at > 1 and at % 2 == 0 then return number end \
        return string.format('%.0f', math.max(0, number - by)) \
      end) \
      if ttl > 0 then redis.call('SET', key, text, 'PX', ttl) else redis.call('DEL', key) end \
    end \
    return 1";

impl Kind for InRedis {
    fn limits(&self) -> Arc<Limits> {
        self.server.tell("FLUSHALL");
        Arc::new(Limits::in_redis(Instant::now(), Arc::clone(&self.redis), "a".to_owned()))
    }

    fn goes_by(&self, _: &mut Duration, time: Duration) {
        let told = self.server.tell(&format!("EVAL \"{GO_BY}\" 0 {}", time.as_millis()));
        assert_eq!(told, ":1");
    }
}

/// Limits, and the time.
pub struct Scene<'a, K> {
    pub kind: &'a K,
    pub limits: Arc<Limits>,
    pub settings: Settings,
    pub ahead: Duration,
    pub alias: Arc<str>,
}

impl<'a, K: Kind> Scene<'a, K> {
    pub fn new(kind: &'a K, user: Allowance, key: Allowance, all: Allowance) -> Self {
        let settings = Settings { all, key, user, ..Settings::default() };
        Self { kind, limits: kind.limits(), settings, ahead: Duration::ZERO, alias: "gpt-4o".into() }
    }

    pub fn subject(&self, user: u8, key: u8) -> Subject<'_> {
        Subject {
            settings: &self.settings,
            user: Some([user; 16]),
            key: [key; 16],
            key_limits: None,
            alias: &self.alias,
            alias_digest: [1; 16],
            alias_limits: None,
        }
    }

    fn now(&self) -> Instant {
        Instant::now() + self.ahead
    }

    pub async fn ask(&self, subject: &Subject<'_>, tokens: u64) -> Result<(Box<Permit>, Standings), Refusal> {
        let cost = Cost { prompt: 0, total: tokens };
        let admitted = self.limits.admit(subject, cost, self.now()).await;
        admitted.map(Option::unwrap)
    }

    pub async fn admit(&self, subject: &Subject<'_>, tokens: u64) -> (Box<Permit>, Standings) {
        self.ask(subject, tokens).await.unwrap()
    }

    pub async fn settle(&self, permit: Box<Permit>, tokens: u64) -> Standings {
        permit.settle(tokens, self.now()).await.unwrap()
    }

    /// A request that takes all that was thought.
    pub async fn spend(&self, subject: &Subject<'_>, tokens: u64) -> Standings {
        let (permit, _) = self.admit(subject, tokens).await;
        self.settle(permit, tokens).await
    }

    /// Whom a rule keeps from it: which, and how things stand.
    pub async fn denied(&self, subject: &Subject<'_>, tokens: u64) -> (Rule, Cause, Standings) {
        match self.ask(subject, tokens).await {
            Err(Refusal::Denied(denied)) => (denied.rule, denied.cause, denied.standings),
            other => panic!("{other:?}"),
        }
    }

    /// How things stand; needs a limit of tokens, which a prompt is too large for.
    pub async fn look(&self, subject: &Subject<'_>) -> Standings {
        let cost = Cost { prompt: u64::MAX, total: u64::MAX };
        match self.limits.admit(subject, cost, self.now()).await {
            Err(Refusal::Denied(denied)) => denied.standings,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so much is left: what a dropped permit gives back takes its time.
    async fn until_left(&self, subject: &Subject<'_>, requests: u32, tokens: u32) {
        let started = Instant::now();
        loop {
            let standings = self.look(subject).await;
            if left(standings) == (requests, tokens) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{standings:?}, and not {requests} and {tokens}");
        }
    }

    fn goes_by(&mut self, time: Duration) {
        self.kind.goes_by(&mut self.ahead, time);
    }
}

#[track_caller]
fn is_about(told: Duration, expected: Duration) {
    // No test takes longer.
    let least = expected.saturating_sub(PATIENCE);
    assert!((least..=expected).contains(&told), "{told:?} instead of {expected:?}");
}

pub fn number(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

pub fn requests_a_day(limit: u32) -> Allowance {
    Allowance { requests_per_day: number(limit), ..NONE }
}

pub fn tokens_a_day(limit: u32) -> Allowance {
    Allowance { tokens_per_day: number(limit), ..NONE }
}

pub fn both(requests: u32, tokens: u32) -> Allowance {
    Allowance { requests_per_day: number(requests), ..tokens_a_day(tokens) }
}

fn concurrent(limit: u32) -> Allowance {
    Allowance { concurrent: number(limit), ..NONE }
}

pub fn left(standings: Standings) -> (u32, u32) {
    let left = |standing: Option<Standing>| standing.map_or(0, |standing| standing.remaining);
    (left(standings.requests), left(standings.tokens))
}

async fn contract(kind: &impl Kind) {
    who_is_denied_by_one_rule_uses_up_no_other(kind).await;
    the_longest_wait_is_told_and_is_enough(kind).await;
    the_tightest_of_each_kind_is_told(kind).await;
    an_estimate_is_put_right_both_ways(kind).await;
    what_is_given_back_when_the_window_is_over_is_gone(kind).await;
    requests_flow_back(kind).await;
    ten_times_as_many_in_a_minute_get_the_minutes_limit(kind).await;
    what_a_permit_costs_that_is_dropped(kind).await;
    aliases_have_limits_of_their_own(kind).await;
    sixty_four_at_once_get_exactly_the_limit(kind).await;
    places_are_had_in_order(kind).await;
    who_waits_in_vain_is_not_counted(kind).await;
    who_waits_for_one_place_keeps_nobody_from_another(kind).await;
}

async fn who_is_denied_by_one_rule_uses_up_no_other(kind: &impl Kind) {
    let scene = Scene::new(kind, requests_a_day(2), requests_a_day(3), both(100, 1000));
    let (ann, bob) = (scene.subject(1, 1), scene.subject(2, 1));
    scene.spend(&ann, 10).await;
    scene.spend(&ann, 10).await;
    for _ in 0..10 {
        assert_eq!(scene.denied(&ann, 10).await.0, Rule::User);
    }
    scene.spend(&bob, 10).await;
    for _ in 0..10 {
        let (rule, _, standings) = scene.denied(&bob, 10).await;
        assert_eq!((rule, left(standings)), (Rule::Key, (0, 970)));
    }
    // Bob's own has one left, and that of all is as if nobody had been denied.
    assert_eq!(left(scene.spend(&scene.subject(2, 2), 10).await), (0, 960));
    assert_eq!(left(scene.spend(&scene.subject(3, 3), 10).await), (1, 950));
}

async fn the_longest_wait_is_told_and_is_enough(kind: &impl Kind) {
    let minute = Allowance { requests_per_minute: number(1), ..NONE };
    let day = Allowance { tokens_per_minute: number(100), ..requests_a_day(2) };
    let mut scene = Scene::new(kind, minute, day, requests_a_day(50));
    scene.spend(&scene.subject(1, 1), 60).await;
    let (_, cause, _) = scene.denied(&scene.subject(1, 1), 60).await;
    let Cause::Exhausted { wait, .. } = cause else { panic!("{cause:?}") };
    is_about(wait, MINUTE);
    scene.goes_by(MINUTE);
    scene.spend(&scene.subject(1, 1), 60).await;
    let (rule, cause, _) = scene.denied(&scene.subject(1, 1), 60).await;
    let Cause::Exhausted { unit, limit, used, requested, wait } = cause else { panic!("{cause:?}") };
    assert_eq!((rule, unit), (Rule::Key, Unit::RequestsPerDay));
    assert_eq!((limit, used, requested), (2, 2, 1));
    is_about(wait, DAY.checked_sub(MINUTE).unwrap());
    scene.goes_by(wait.checked_sub(PATIENCE).unwrap());
    assert_eq!(scene.denied(&scene.subject(1, 1), 60).await.0, Rule::Key);
    scene.goes_by(PATIENCE);
    scene.spend(&scene.subject(1, 1), 60).await;
}

async fn the_tightest_of_each_kind_is_told(kind: &impl Kind) {
    let scene = Scene::new(kind, requests_a_day(2), both(50, 1000), tokens_a_day(900));
    let told = scene.spend(&scene.subject(1, 1), 100).await;
    let (requests, tokens) = (told.requests.unwrap(), told.tokens.unwrap());
    assert_eq!((requests.limit, requests.remaining), (2, 1));
    is_about(requests.reset, DAY);
    assert_eq!((tokens.limit, tokens.remaining), (900, 800));
    is_about(tokens.reset, DAY);
    let (rule, cause, told) = scene.denied(&scene.subject(1, 1), 850).await;
    assert!(matches!(cause, Cause::Exhausted { used: 100, requested: 850, .. }), "{cause:?}");
    assert_eq!((rule, left(told)), (Rule::All, (1, 800)));
}

async fn an_estimate_is_put_right_both_ways(kind: &impl Kind) {
    let scene = Scene::new(kind, NONE, both(1000, 100), NONE);
    let subject = scene.subject(1, 1);
    let (permit, standings) = scene.admit(&subject, 80).await;
    assert_eq!(left(standings).1, 20);
    assert_eq!(left(scene.settle(permit, 30).await).1, 70);
    let (permit, _) = scene.admit(&subject, 10).await;
    assert_eq!(left(scene.settle(permit, 65).await).1, 5);
    // More than a whole day has waits until nothing else is used.
    let (_, cause, _) = scene.denied(&subject, 5000).await;
    assert!(matches!(cause, Cause::Exhausted { requested: 5000, used: 95, .. }), "{cause:?}");
    let fresh = scene.subject(1, 2);
    let (permit, standings) = scene.admit(&fresh, 5000).await;
    assert_eq!(left(standings).1, 0);
    assert_eq!(left(scene.settle(permit, 1).await).1, 99);
    let (permit, _) = scene.admit(&fresh, 1).await;
    assert_eq!(left(scene.settle(permit, u64::MAX).await).1, 0);
    // But a prompt that is too large by itself never fits, and changes nothing.
    let other = scene.subject(1, 3);
    let asked = scene.limits.admit(&other, Cost { prompt: 101, total: 200 }, scene.now()).await;
    let Err(Refusal::Denied(denied)) = asked else { panic!("{asked:?}") };
    assert_eq!(denied.cause, Cause::TooLarge { unit: Unit::TokensPerDay, limit: 100, requested: 200 });
    assert_eq!(left(denied.standings), (1000, 100));
    assert_eq!(left(scene.look(&other).await), (1000, 100));
}

async fn what_is_given_back_when_the_window_is_over_is_gone(kind: &impl Kind) {
    let minute = Allowance { tokens_per_minute: number(100), ..NONE };
    let mut scene = Scene::new(kind, NONE, minute, NONE);
    let (permit, _) = scene.admit(&scene.subject(1, 1), 80).await;
    scene.goes_by(MINUTE);
    let (other, standings) = scene.admit(&scene.subject(1, 1), 10).await;
    assert_eq!(left(standings).1, 90);
    assert_eq!(left(scene.settle(permit, 0).await).1, 90);
    // More than was thought is counted where it is found out.
    let (third, _) = scene.admit(&scene.subject(1, 1), 10).await;
    assert_eq!(left(scene.settle(third, 30).await).1, 60);
    assert_eq!(left(scene.settle(other, 0).await).1, 70);
}

async fn requests_flow_back(kind: &impl Kind) {
    let burst = Allowance { requests_per_minute: number(2), burst: number(1), ..tokens_a_day(100) };
    let mut scene = Scene::new(kind, NONE, burst, requests_a_day(1000));
    scene.spend(&scene.subject(1, 1), 0).await;
    assert_eq!(scene.denied(&scene.subject(1, 1), 0).await.0, Rule::Key);
    scene.goes_by(MINUTE / 2);
    scene.spend(&scene.subject(1, 1), 0).await;
    assert_eq!(scene.denied(&scene.subject(1, 1), 0).await.0, Rule::Key);
    scene.goes_by(10 * MINUTE);
    assert_eq!(left(scene.look(&scene.subject(1, 1)).await).0, 1);
    scene.spend(&scene.subject(1, 1), 0).await;
    assert_eq!(scene.denied(&scene.subject(1, 1), 0).await.0, Rule::Key);
}

async fn ten_times_as_many_in_a_minute_get_the_minutes_limit(kind: &impl Kind) {
    const ASK_FOR: Duration = Duration::from_secs(30);
    const STEPS: u32 = 6;
    let minute = Allowance { requests_per_minute: number(120), ..NONE };
    let mut scene = Scene::new(kind, NONE, minute, NONE);
    for minute in 1..=3 {
        let mut passed = 0;
        for _ in 0..STEPS {
            for _ in 0..1200 / STEPS {
                if let Ok((permit, _)) = scene.ask(&scene.subject(1, 1), 0).await {
                    scene.settle(permit, 0).await;
                    passed += 1;
                }
            }
            scene.goes_by(ASK_FOR / STEPS);
        }
        assert_eq!(passed, 120, "in minute {minute}");
        // The time that the test itself takes is part of it.
        scene.goes_by(MINUTE.checked_sub(ASK_FOR).unwrap());
    }
}

type End<'a> = &'a dyn Fn(&mut Permit);

async fn what_a_permit_costs_that_is_dropped(kind: &impl Kind) {
    let scene = Scene::new(kind, NONE, both(10, 100), NONE);
    let back = |owed| {
        move |permit: &mut Permit| {
            permit.goes_out();
            permit.came_back(owed);
        }
    };
    let ends: [(End<'_>, u32, u32); 6] = [
        (&|_| {}, 10, 100),
        (&|permit| permit.goes_out(), 9, 60),
        (&back(Owed::Nothing), 10, 100),
        (&back(Owed::Request), 9, 100),
        (&back(Owed::Estimate), 9, 60),
        (
            &|permit| [Owed::Request, Owed::Nothing].map(|owed| back(owed)(permit)).into_iter().collect(),
            9,
            100,
        ),
    ];
    for (key, (end, requests, tokens)) in (0..).zip(ends) {
        let subject = scene.subject(1, key);
        let (mut permit, standings) = scene.admit(&subject, 40).await;
        assert_eq!(left(standings), (9, 60));
        end(&mut permit);
        drop(permit);
        scene.until_left(&subject, requests, tokens).await;
    }
}

async fn aliases_have_limits_of_their_own(kind: &impl Kind) {
    let scene = Scene::new(kind, NONE, requests_a_day(1), NONE);
    let own = Subject {
        key_limits: Some(requests_a_day(3)),
        alias_limits: Some(requests_a_day(4)),
        ..scene.subject(1, 1)
    };
    for _ in 0..3 {
        scene.spend(&own, 0).await;
    }
    assert_eq!(scene.denied(&own, 0).await.0, Rule::Key);
    let other = Subject { key: [2; 16], ..own };
    scene.spend(&other, 0).await;
    assert_eq!(scene.denied(&other, 0).await.0, Rule::Model);
    let alias: Arc<str> = "gpt-4o-mini".into();
    scene.spend(&Subject { alias: &alias, alias_digest: [2; 16], ..other }, 0).await;
}

async fn sixty_four_at_once_get_exactly_the_limit(kind: &impl Kind) {
    let wide = both(1000, 100_000);
    for (user, key, all, expected) in [
        (both(100, 100_000), wide, wide, 100),
        (wide, wide, both(77, 100_000), 77),
        (wide, both(1000, 505), wide, 50),
    ] {
        let scene = Scene::new(kind, user, key, all);
        let tasks = (0..64).map(|_| {
            let (limits, settings) = (Arc::clone(&scene.limits), scene.settings);
            let (alias, now) = (Arc::clone(&scene.alias), scene.now());
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..10 {
                    let who = [1; 16];
                    let subject = Subject {
                        settings: &settings,
                        user: Some(who),
                        key: who,
                        key_limits: None,
                        alias: &alias,
                        alias_digest: who,
                        alias_limits: None,
                    };
                    if let Ok(admitted) = limits.admit(&subject, Cost { prompt: 0, total: 10 }, now).await {
                        admitted.unwrap().0.settle(10, now).await.unwrap();
                        passed += 1;
                    }
                }
                passed
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut passed = 0;
        for task in tasks {
            passed += task.await.unwrap();
        }
        assert_eq!(passed, expected);
    }
}

async fn places_are_had_in_order(kind: &impl Kind) {
    let scene = Scene::new(kind, concurrent(2), requests_a_day(10), concurrent(3));
    let (ann, bob) = (scene.subject(1, 1), scene.subject(2, 1));
    let (first, _) = scene.admit(&ann, 0).await;
    let (second, _) = scene.admit(&ann, 0).await;
    let (_third, _) = scene.admit(&bob, 0).await;
    // Ann has no more, and of all there are no more.
    let served = std::sync::Mutex::new(Vec::new());
    let arrived = std::sync::atomic::AtomicU32::new(0);
    let wait = async |name: u8| {
        let mut asking = Box::pin(scene.ask(&ann, 0));
        // It stands in line before the next one does.
        let counted = tokio::select! {
            biased;
            _ = &mut asking => panic!("there is no place"),
            counted = scene.until_counted(4 + u32::from(name)) => counted,
        };
        assert!(counted);
        arrived.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (permit, _) = asking.await.unwrap();
        served.lock().unwrap().push(name);
        scene.settle(permit, 0).await;
    };
    let next = async |name: u8| {
        while arrived.load(std::sync::atomic::Ordering::Relaxed) < u32::from(name) {
            tokio::task::yield_now().await;
        }
        wait(name).await;
    };
    let free = async {
        while arrived.load(std::sync::atomic::Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        scene.settle(first, 0).await;
    };
    tokio::join!(next(0), next(1), next(2), free);
    assert_eq!(served.into_inner().unwrap(), [0, 1, 2]);
    scene.settle(second, 0).await;
}

async fn who_waits_in_vain_is_not_counted(kind: &impl Kind) {
    let scene = Scene::new(kind, Allowance { concurrent: number(1), ..both(10, 100) }, NONE, concurrent(5));
    let ann = scene.subject(1, 1);
    let (running, _) = scene.admit(&ann, 10).await;
    // One who leaves the line, and one who waits to the end.
    let (given_up, denied) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(50), scene.ask(&ann, 10)),
        scene.denied(&ann, 10),
    );
    assert!(given_up.is_err());
    let (rule, cause, _) = denied;
    assert_eq!((rule, cause), (Rule::User, Cause::Busy { limit: 1 }));
    scene.until_left(&ann, 9, 90).await;
    scene.settle(running, 10).await;
    let (_running, standings) = scene.admit(&ann, 10).await;
    assert_eq!(left(standings), (8, 80));
}

async fn who_waits_for_one_place_keeps_nobody_from_another(kind: &impl Kind) {
    let scene = Scene::new(kind, concurrent(1), requests_a_day(100), concurrent(2));
    let (ann, bob) = (scene.subject(1, 1), scene.subject(2, 1));
    let (running, _) = scene.admit(&ann, 0).await;
    let waiting = async {
        let many = std::array::from_fn::<_, 4, _>(|_| scene.ask(&ann, 0));
        let [one, two, three, four] = many;
        tokio::join!(one, two, three, four)
    };
    let others = async {
        assert!(scene.until_counted(5).await);
        // There is one place left of all, which nobody may have but others.
        let (permit, _) = scene.admit(&bob, 0).await;
        scene.settle(permit, 0).await;
    };
    tokio::select! {
        _ = waiting => panic!("ann has no place"),
        () = others => {}
    }
    scene.settle(running, 0).await;
}

impl<K: Kind> Scene<'_, K> {
    /// Waits until so many requests of key 1 have been counted, which has a limit of them and none of places.
    async fn until_counted(&self, requests: u32) -> bool {
        let started = Instant::now();
        let subject = Subject { user: None, ..self.subject(0, 1) };
        // Looks by a limit of tokens that is this one's alone.
        let subject = Subject { alias_limits: Some(tokens_a_day(1)), ..subject };
        loop {
            let standing = self.look(&subject).await.requests.unwrap();
            if standing.limit - standing.remaining >= requests {
                return true;
            }
            if started.elapsed() > PATIENCE {
                return false;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_counts() {
    contract(&InMemory).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: cargo test --test redis -- --ignored"]
async fn redis_counts() {
    contract(&InRedis::start()).await;
}
