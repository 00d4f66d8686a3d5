use std::num::NonZeroU32;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use super::crowd::CAPACITY;
use super::*;

const NANOSECOND: Duration = Duration::from_nanos(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn number(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

fn requests(per_minute: u32) -> Allowance {
    Allowance { requests_per_minute: number(per_minute), ..Allowance::default() }
}

fn tokens(per_minute: u32) -> Allowance {
    Allowance { tokens_per_minute: number(per_minute), ..Allowance::default() }
}

fn concurrent(requests: u32) -> Allowance {
    Allowance { concurrent: number(requests), ..Allowance::default() }
}

/// Limits under a clock that a test moves.
struct Scene {
    limits: Arc<Limits>,
    settings: config::Limits,
    now: Instant,
    runtime: Runtime,
    alias: Arc<str>,
}

impl Scene {
    fn new(user: Allowance, key: Allowance, all: Allowance) -> Self {
        let now = Instant::now();
        Self {
            limits: Arc::new(Limits::new(now)),
            settings: config::Limits { all, key, user, ..config::Limits::default() },
            now,
            // Whoever waits in vain does so in no time.
            runtime: Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
            alias: "gpt-4o".into(),
        }
    }

    fn subject(&self, user: u8, key: u8) -> Subject<'_> {
        Subject {
            settings: &self.settings,
            user: Some([user; 16]),
            key: [key; 16],
            key_limits: None,
            alias: &self.alias,
            alias_digest: [0; 16],
            alias_limits: None,
        }
    }

    fn admit(&self, subject: &Subject<'_>, tokens: u64) -> Result<(Box<Permit>, Standings), Denied> {
        self.admit_of(subject, Cost { prompt: 0, total: tokens })
    }

    fn admit_of(&self, subject: &Subject<'_>, cost: Cost) -> Result<(Box<Permit>, Standings), Denied> {
        let admitted = self.runtime.block_on(self.limits.admit(subject, cost, self.now));
        admitted.map(|admitted| admitted.unwrap()).map_err(|refusal| match refusal {
            Refusal::Denied(denied) => denied,
            Refusal::Unknown => panic!("memory is never away"),
        })
    }

    fn settle(&self, permit: Box<Permit>, tokens: u64) -> Standings {
        self.runtime.block_on(permit.settle(tokens, self.now)).unwrap()
    }

    /// A request that takes all that was thought.
    fn spend(&self, subject: &Subject<'_>, tokens: u64) -> Result<Standings, Denied> {
        self.admit(subject, tokens).map(|(permit, _)| self.settle(permit, tokens))
    }
}

#[track_caller]
fn wait_of(denied: &Denied) -> Duration {
    match denied.cause {
        Cause::Exhausted { wait, .. } => wait,
        Cause::TooLarge { .. } | Cause::Busy { .. } => panic!("{denied:?}"),
    }
}

#[test]
fn without_rules_everything_passes_and_nothing_is_kept() {
    let none = Allowance::default();
    let scene = Scene::new(none, none, none);
    let subject = scene.subject(1, 1);
    let admitted = scene.limits.admit(&subject, Cost::default(), scene.now);
    assert!(scene.runtime.block_on(admitted).unwrap().is_none());
    assert!(scene.limits.is_empty());
}

#[test]
fn who_is_denied_by_one_rule_uses_up_no_other() {
    let scene = Scene::new(requests(2), requests(3), requests(100));
    let (ann, bob) = (scene.subject(1, 1), scene.subject(2, 1));
    scene.spend(&ann, 0).unwrap();
    scene.spend(&ann, 0).unwrap();
    for _ in 0..10 {
        assert_eq!(scene.spend(&ann, 0).unwrap_err().rule, Rule::User);
    }
    // The key has one left, and it is there.
    scene.spend(&bob, 0).unwrap();
    for _ in 0..10 {
        assert_eq!(scene.spend(&bob, 0).unwrap_err().rule, Rule::Key);
    }
    // Bob's own quota is as it was: with another key's, one is left of it.
    let all = scene.limits.store.correct(
        &claims(&Subject { user: Some([2; 16]), ..scene.subject(2, 9) }),
        account::Taken { at: 0, cost: Cost::default() },
        account::Spent::Tokens(0),
        0,
    );
    assert_eq!(all.requests.unwrap().remaining, 1);
    assert_eq!(scene.spend(&scene.subject(3, 2), 0).unwrap().requests.unwrap().limit, 2);
}

#[test]
fn the_longest_wait_is_told_and_is_enough() {
    let day = Allowance { requests_per_day: number(2), ..tokens(100) };
    let mut scene = Scene::new(requests(1), day, requests(50));
    let subject = scene.subject(1, 1);
    scene.spend(&subject, 60).unwrap();
    let denied = scene.spend(&subject, 60).unwrap_err();
    // The user's requests and the key's tokens say the same.
    assert_eq!((wait_of(&denied), denied.rule), (MINUTE, Rule::User));
    let minute_later = scene.now + MINUTE;
    scene.now = minute_later.checked_sub(NANOSECOND).unwrap();
    assert!(scene.spend(&scene.subject(1, 1), 60).is_err());
    scene.now = minute_later;
    scene.spend(&scene.subject(1, 1), 60).unwrap();
    let denied = scene.spend(&scene.subject(1, 1), 60).unwrap_err();
    let Cause::Exhausted { unit, limit, used, requested, wait } = denied.cause else { panic!("{denied:?}") };
    assert_eq!((denied.rule, unit), (Rule::Key, Unit::RequestsPerDay));
    assert_eq!((limit, used, requested), (2, 2, 1));
    scene.now += wait.checked_sub(NANOSECOND).unwrap();
    assert!(scene.spend(&scene.subject(1, 1), 60).is_err());
    scene.now += NANOSECOND;
    scene.spend(&scene.subject(1, 1), 60).unwrap();
}

#[test]
fn the_tightest_of_each_kind_is_told_also_of_a_denial() {
    let scene =
        Scene::new(requests(2), Allowance { requests_per_minute: number(50), ..tokens(1000) }, tokens(900));
    let told = scene.spend(&scene.subject(1, 1), 100).unwrap();
    let standing = |limit, remaining, reset| Some(Standing { limit, remaining, reset });
    assert_eq!(told.requests, standing(2, 1, MINUTE));
    assert_eq!(told.tokens, standing(900, 800, MINUTE));
    let denied = scene.spend(&scene.subject(1, 1), 850).unwrap_err();
    assert_eq!((denied.rule, denied.standings), (Rule::All, told));
}

#[test]
fn an_estimate_is_put_right_both_ways() {
    let scene = Scene::new(Allowance::default(), tokens(100), Allowance::default());
    let left = |standings: Standings| standings.tokens.unwrap().remaining;
    let subject = scene.subject(1, 1);
    let (permit, standings) = scene.admit(&subject, 80).unwrap();
    assert_eq!(left(standings), 20);
    assert_eq!(left(scene.settle(permit, 30)), 70);
    let (permit, _) = scene.admit(&subject, 10).unwrap();
    assert_eq!(left(scene.settle(permit, 65)), 5);
    // More than a whole minute has waits until nothing else is used.
    let denied = scene.admit(&subject, 5000).unwrap_err();
    assert_eq!(wait_of(&denied), MINUTE);
    assert!(matches!(denied.cause, Cause::Exhausted { requested: 5000, used: 95, .. }), "{denied:?}");
    let fresh = scene.subject(1, 2);
    assert_eq!(left(scene.settle(scene.admit(&fresh, 5000).unwrap().0, 1)), 99);
    // But a prompt that is too large by itself never fits.
    let cost = Cost { prompt: 101, total: 200 };
    let denied = scene.admit_of(&fresh, cost).unwrap_err();
    let unit = Unit::TokensPerMinute;
    assert_eq!(denied.cause, Cause::TooLarge { unit, limit: 100, requested: 200 });
}

#[test]
fn what_a_permit_costs_that_is_dropped() {
    let both = Allowance { requests_per_minute: number(10), ..tokens(100) };
    let left = |end: &dyn Fn(&mut Permit)| {
        let mut scene = Scene::new(Allowance::default(), both, Allowance::default());
        let (mut permit, _) = scene.admit(&scene.subject(1, 1), 40).unwrap();
        end(&mut permit);
        drop(permit);
        // Dropping knows the time only by itself.
        scene.now += SECOND;
        let (_, standings) = scene.admit(&scene.subject(1, 1), 0).unwrap();
        (standings.requests.unwrap().remaining, standings.tokens.unwrap().remaining)
    };
    assert_eq!(left(&|_| {}), (9, 100));
    assert_eq!(left(&|permit| permit.goes_out()), (8, 60));
    let back = |owed| {
        move |permit: &mut Permit| {
            permit.goes_out();
            permit.came_back(owed);
        }
    };
    assert_eq!(left(&back(Owed::Nothing)), (9, 100));
    assert_eq!(left(&back(Owed::Request)), (8, 100));
    assert_eq!(left(&back(Owed::Estimate)), (8, 60));
    // Of several calls the dearest counts; one of which nothing was heard may have been carried out.
    assert_eq!(
        left(&|permit| [Owed::Request, Owed::Nothing].map(|owed| back(owed)(permit)).into_iter().collect()),
        (8, 100)
    );
    assert_eq!(
        left(&|permit| {
            permit.goes_out();
            back(Owed::Nothing)(permit);
        }),
        (8, 60)
    );
}

#[test]
fn only_so_many_run_at_once_and_a_permit_that_ends_makes_room() {
    let both = Allowance { requests_per_minute: number(10), ..concurrent(2) };
    let scene = Scene::new(both, concurrent(3), Allowance::default());
    let (ann, bob) = (scene.subject(1, 1), scene.subject(2, 1));
    let first = scene.admit(&ann, 0).unwrap();
    let _second = scene.admit(&ann, 0).unwrap();
    let denied = scene.admit(&ann, 0).unwrap_err();
    assert_eq!((denied.rule, denied.cause), (Rule::User, Cause::Busy { limit: 2 }));
    // Who waited in vain has not been counted, but for the moment that it took.
    assert_eq!(denied.standings.requests.unwrap().remaining, 8);
    let _third = scene.admit(&bob, 0).unwrap();
    assert_eq!(scene.admit(&bob, 0).unwrap_err().rule, Rule::Key);
    drop(first);
    assert!(scene.admit(&bob, 0).is_ok());
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    let scene = Scene::new(Allowance::default(), concurrent(1), Allowance::default());
    let subject = scene.subject(1, 1);
    let (running, _) = scene.admit(&subject, 0).unwrap();
    let served = std::cell::RefCell::new(Vec::new());
    scene.runtime.block_on(async {
        let wait = async |name: u8| {
            let permit = scene.limits.admit(&subject, Cost::default(), scene.now).await.unwrap();
            served.borrow_mut().push(name);
            drop(permit);
        };
        let free = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(running);
        };
        tokio::join!(wait(1), wait(2), wait(3), free);
    });
    assert_eq!(served.into_inner(), [1, 2, 3]);
}

#[test]
fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let mut scene = Scene::new(
        Allowance::default(),
        Allowance { requests_per_day: number(5), ..concurrent(1) },
        concurrent(9),
    );
    let subject = scene.subject(1, 1);
    let (running, _) = scene.admit(&subject, 0).unwrap();
    scene.runtime.block_on(async {
        let waiting = scene.limits.admit(&subject, Cost::default(), scene.now);
        assert!(tokio::time::timeout(SECOND, waiting).await.is_err());
    });
    drop(running);
    scene.now += SECOND;
    let (_permit, standings) = scene.admit(&scene.subject(1, 1), 0).unwrap();
    assert_eq!(standings.requests.unwrap().remaining, 4);
}

#[test]
fn own_limits_stand_in_place_of_the_general_ones_and_an_aliass_beside_them() {
    let scene = Scene::new(Allowance::default(), requests(1), Allowance::default());
    let own =
        Subject { key_limits: Some(requests(3)), alias_limits: Some(requests(4)), ..scene.subject(1, 1) };
    for _ in 0..3 {
        scene.spend(&own, 0).unwrap();
    }
    assert_eq!(scene.spend(&own, 0).unwrap_err().rule, Rule::Key);
    let other = Subject { key: [2; 16], ..own };
    scene.spend(&other, 0).unwrap();
    assert_eq!(scene.spend(&other, 0).unwrap_err().rule, Rule::Model);
    let alias: Arc<str> = "gpt-4o-mini".into();
    scene.spend(&Subject { alias: &alias, ..other }, 0).unwrap();
}

const THREADS: usize = 64;

/// How many pass if every thread asks so often for so many tokens, of which it uses ten.
fn passed_by_threads(scene: &Scene, each: usize, tokens: u64) -> usize {
    let (limits, settings) = (&scene.limits, &scene.settings);
    let (alias, now) = (&scene.alias, scene.now);
    let ask = move || {
        let runtime = Builder::new_current_thread().build().unwrap();
        let who = [1; 16];
        let subject = Subject {
            settings,
            user: Some(who),
            key: who,
            key_limits: None,
            alias,
            alias_digest: who,
            alias_limits: None,
        };
        let cost = Cost { prompt: 0, total: tokens };
        let passes = |()| match runtime.block_on(limits.admit(&subject, cost, now)) {
            Ok(admitted) => {
                runtime.block_on(admitted.unwrap().0.settle(10, now)).unwrap();
                true
            }
            Err(_) => false,
        };
        std::iter::repeat_n((), each).filter(|&()| passes(())).count()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn a_day(requests: u32, tokens: u32) -> Allowance {
    Allowance { requests_per_day: number(requests), tokens_per_day: number(tokens), ..Allowance::default() }
}

#[test]
fn sixty_four_threads_get_exactly_the_limit() {
    let wide = a_day(5000, 1_000_000);
    for (user, key, all, expected) in [
        (a_day(1000, 1_000_000), wide, wide, 1000),
        (wide, a_day(777, 1_000_000), wide, 777),
        (wide, wide, a_day(999, 1_000_000), 999),
        (wide, wide, a_day(5000, 5005), 500),
    ] {
        let scene = Scene::new(user, key, all);
        assert_eq!(passed_by_threads(&scene, 50, 10), expected);
    }
}

#[test]
fn sixty_four_threads_that_think_too_much_leave_all_the_rest() {
    let none = Allowance::default();
    let scene = Scene::new(none, none, a_day(5000, 5030));
    let passed = passed_by_threads(&scene, 50, 40);
    assert!(passed <= 500, "{passed}");
    // What others held for a moment is there for who comes after them: up to the last forty.
    let subject = scene.subject(1, 1);
    let after = (passed..).take_while(|_| match scene.admit(&subject, 40) {
        Ok((permit, _)) => {
            scene.settle(permit, 10);
            true
        }
        Err(_) => false,
    });
    assert_eq!(passed + after.count(), 500);
}

#[test]
fn users_that_are_made_up_cannot_fill_the_memory() {
    let mut scene = Scene::new(requests(2), Allowance::default(), Allowance::default());
    let name = |user: usize| {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&user.to_le_bytes());
        name
    };
    let user = |scene: &Scene, user| {
        let subject = Subject { user: Some(name(user)), ..scene.subject(0, 1) };
        scene.spend(&subject, 0).unwrap().requests.unwrap().remaining
    };
    for index in 0..CAPACITY {
        scene.now += Duration::from_nanos(100);
        user(&scene, index);
    }
    assert_eq!(scene.limits.len(), CAPACITY);
    scene.now += Duration::from_nanos(100);
    assert_eq!(user(&scene, 0), 0);
    // Room is made by those not seen for longest: not by the first, who was here just now.
    user(&scene, CAPACITY);
    assert!(scene.limits.len() < CAPACITY);
    assert!(scene.spend(&Subject { user: Some(name(0)), ..scene.subject(0, 1) }, 0).is_err());
    assert_eq!(user(&scene, 1), 1);
    assert_eq!(user(&scene, CAPACITY - 1), 0);
    // Whose quota is whole is forgotten.
    scene.limits.sweep(scene.now);
    assert!(!scene.limits.is_empty());
    scene.limits.sweep(scene.now + MINUTE);
    assert!(scene.limits.is_empty());
}

#[test]
fn who_has_a_request_running_is_not_forgotten() {
    let scene = Scene::new(concurrent(1), Allowance::default(), Allowance::default());
    let running = scene.admit(&scene.subject(1, 1), 0).unwrap();
    scene.limits.sweep(scene.now + MINUTE);
    assert_eq!(scene.limits.len(), 1);
    assert!(scene.admit(&scene.subject(1, 1), 0).is_err());
    drop(running);
    scene.limits.sweep(scene.now + MINUTE);
    assert!(scene.limits.is_empty());
}
