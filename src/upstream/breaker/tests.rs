use std::num::NonZeroU32;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings(failures: u32) -> config::Breaker {
    config::Breaker { failures: NonZeroU32::new(failures), window: 30 * SECOND, cooldown: 15 * SECOND }
}

/// A machine that opened at `start`.
fn open(start: Instant) -> Machine {
    let mut machine = Machine::new(settings(2));
    machine.failed(start);
    machine.failed(start);
    assert_eq!(machine.state(), State::Open);
    machine
}

#[test]
fn it_opens_after_so_many_failures_within_the_window() {
    let start = Instant::now();
    let table: &[(&str, &[u32], State)] = &[
        ("too few", &[0, 0], State::Closed),
        ("at once", &[0, 0, 0], State::Open),
        ("just within the window", &[0, 15, 29], State::Open),
        ("the first is out of it", &[0, 15, 30], State::Closed),
        ("but the next are not", &[0, 15, 30, 31], State::Open),
        ("seldom", &[0, 20, 40, 60, 80, 100], State::Closed),
    ];
    for (name, failures, expected) in table {
        let mut machine = Machine::new(settings(3));
        for at in *failures {
            machine.failed(start + *at * SECOND);
        }
        assert_eq!(machine.state(), *expected, "{name}");
    }
    let mut first = Machine::new(settings(1));
    first.failed(start);
    assert_eq!(first.state(), State::Open);
}

#[test]
fn a_success_between_failures_counts_them_anew() {
    let start = Instant::now();
    let mut machine = Machine::new(settings(3));
    for _ in 0..10 {
        machine.failed(start);
        machine.failed(start);
        assert!(!machine.is_quiet());
        machine.succeeded();
        assert!(machine.is_quiet());
    }
    assert_eq!(machine.state(), State::Closed);
    // One that was sent before it opened does not close it.
    let mut machine = open(start);
    machine.succeeded();
    assert_eq!(machine.state(), State::Open);
}

#[test]
fn open_it_refuses_and_says_for_how_long() {
    let start = Instant::now();
    let mut machine = open(start);
    assert_eq!(machine.admit(start), Admission::Refused(15 * SECOND));
    // Late ones change nothing, and do not keep it open.
    machine.failed(start + 10 * SECOND);
    assert_eq!(machine.admit(start + 10 * SECOND), Admission::Refused(5 * SECOND));
    assert_eq!(machine.admit(start + 15 * SECOND), Admission::Probe);
}

#[test]
fn half_open_it_lets_one_through() {
    let start = Instant::now();
    let later = start + 15 * SECOND;
    let mut machine = open(start);
    assert_eq!(machine.admit(later), Admission::Probe);
    assert_eq!(machine.state(), State::HalfOpen);
    assert_eq!(machine.admit(later), Admission::Refused(SECOND));
    // What was sent before decides nothing.
    machine.failed(later);
    assert_eq!(machine.state(), State::HalfOpen);

    machine.probe_failed(later);
    assert_eq!(machine.admit(later), Admission::Refused(15 * SECOND));
    let again = later + 15 * SECOND;
    assert_eq!(machine.admit(again), Admission::Probe);
    machine.probe_succeeded();
    assert_eq!((machine.state(), machine.admit(again)), (State::Closed, Admission::Pass));
    // It starts from nought.
    machine.failed(again);
    assert_eq!(machine.state(), State::Closed);
}

#[test]
fn one_that_leaves_or_hangs_does_not_keep_the_others_out() {
    let start = Instant::now();
    let later = start + 15 * SECOND;
    let mut machine = open(start);
    assert_eq!(machine.admit(later), Admission::Probe);
    machine.probe_left();
    assert_eq!(machine.admit(later), Admission::Probe);
    // That one hangs.
    assert_eq!(machine.admit(later + 14 * SECOND), Admission::Refused(SECOND));
    assert_eq!(machine.admit(later + 15 * SECOND), Admission::Probe);
}

fn app(name: &str) -> AppId {
    AppId::parse(name).unwrap()
}

fn breakers(failures: u32) -> Breakers {
    let routes: [(AppId, Arc<str>); 3] =
        [(app("a-1"), "a".into()), (app("a-1"), "b".into()), (app("c-1"), "c".into())];
    Breakers::new(settings(failures), routes.iter().map(|(app, alias)| (app, alias)))
}

#[test]
fn each_app_has_its_own_and_tells_of_changes_once() {
    let start = Instant::now();
    let breakers = breakers(2);
    let admit = |name: &str, now| breakers.admit(&app(name), now);
    let told = |change: Option<Change>| change.map(|change| (change.alias.to_string(), change.to));
    for expected in [None, Some(("a".to_owned(), State::Open))] {
        assert_eq!(told(admit("a-1", start).unwrap().0.failed(start)), expected);
    }
    assert_eq!(admit("a-1", start).unwrap_err(), 15 * SECOND);
    assert!(!breakers.is_closed(&app("a-1")) && breakers.is_closed(&app("c-1")));
    assert!(admit("c-1", start).is_ok());
    let later = start + 15 * SECOND;
    let (probe, change) = admit("a-1", later).unwrap();
    assert_eq!(told(change), Some(("a".to_owned(), State::HalfOpen)));
    drop(probe);
    let (probe, change) = admit("a-1", later).unwrap();
    assert_eq!(told(change), None);
    assert_eq!(admit("a-1", later).unwrap_err(), SECOND);
    assert_eq!(told(probe.succeeded()), Some(("a".to_owned(), State::Closed)));
    let (ordinary, _) = admit("a-1", later).unwrap();
    assert_eq!(told(ordinary.succeeded()), None);
}

#[test]
fn off_is_off_and_an_ordinary_one_that_leaves_is_nothing() {
    let start = Instant::now();
    let off = breakers(0);
    for _ in 0..100 {
        assert!(off.admit(&app("a-1"), start).unwrap().0.failed(start).is_none());
    }
    let on = breakers(2);
    for _ in 0..100 {
        drop(on.admit(&app("a-1"), start).unwrap());
    }
    assert!(on.admit(&app("a-1"), start).is_ok());
}
