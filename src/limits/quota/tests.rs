use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

fn quota(limit: u32, period: u64) -> Quota {
    Quota { limit: NonZeroU32::new(limit).unwrap(), period }
}

fn pace(limit: u32, burst: u32, period: u64) -> Pace {
    Pace::of(quota(limit, period), NonZeroU32::new(burst).unwrap())
}

#[test]
fn requests_flow_back_one_by_one() {
    let three = pace(3, 3, MINUTE);
    let mut flow = Flow::default();
    for remaining in [2, 1, 0] {
        flow.take(three, SECOND).unwrap();
        assert_eq!(flow.level(three, SECOND).remaining, remaining);
    }
    assert_eq!(flow.level(three, SECOND).reset, MINUTE);
    assert_eq!(flow.take(three, SECOND), Err(20 * SECOND));
    assert_eq!(flow.take(three, 21 * SECOND), Ok(()));
    assert_eq!(flow.take(three, 21 * SECOND), Err(20 * SECOND));
    assert!(!flow.is_idle(61 * SECOND) && flow.is_idle(81 * SECOND));
}

#[test]
fn a_burst_is_how_many_may_come_at_once() {
    let pace = pace(60, 2, MINUTE);
    let mut flow = Flow::default();
    assert_eq!(flow.level(pace, 0), Level { remaining: 2, reset: 0 });
    assert_eq!([flow.take(pace, 0), flow.take(pace, 0), flow.take(pace, 0)], [Ok(()), Ok(()), Err(SECOND)]);
    assert_eq!(flow.level(pace, SECOND), Level { remaining: 1, reset: SECOND });
}

#[test]
fn what_time_has_given_back_is_not_given_back_again() {
    let one = pace(1, 1, MINUTE);
    let mut flow = Flow::default();
    flow.take(one, 0).unwrap();
    flow.give_back(one, 0, 0);
    assert_eq!(flow.level(one, 0), Level { remaining: 1, reset: 0 });
    flow.take(one, 0).unwrap();
    flow.take(one, MINUTE).unwrap();
    flow.give_back(one, 0, MINUTE + 1);
    assert_eq!(flow.take(one, MINUTE + 1), Err(MINUTE - 1));
}

#[test]
fn the_largest_and_the_smallest_quotas_do_not_overflow() {
    for period in [MINUTE, 1440 * MINUTE] {
        for limit in [1, u32::MAX] {
            let (quota, pace) = (quota(limit, period), pace(limit, limit, period));
            let (mut flow, mut window) = (Flow::default(), Window::default());
            for now in [0, 1, u64::MAX / 2] {
                flow.take(pace, now).unwrap();
                assert_eq!(flow.level(pace, now).remaining, limit - 1);
                flow.give_back(pace, now, now);
                window.take(quota, u64::MAX, now).unwrap();
                window.correct(quota, (now, u64::MAX), u64::MAX, now);
                assert_eq!(window.level(quota, now).remaining, 0);
                window.correct(quota, (now, u64::MAX), 0, now);
                window = Window::default();
            }
        }
    }
}

#[test]
fn a_window_begins_with_its_first_use_and_is_whole_again_at_its_end() {
    let hundred = quota(100, MINUTE);
    let mut window = Window::default();
    window.take(hundred, 60, SECOND).unwrap();
    assert_eq!(window.level(hundred, SECOND), Level { remaining: 40, reset: MINUTE });
    assert_eq!(window.take(hundred, 41, 11 * SECOND), Err(50 * SECOND));
    window.take(hundred, 40, 11 * SECOND).unwrap();
    assert_eq!(window.level(hundred, 61 * SECOND), Level { remaining: 100, reset: 0 });
    assert!(!window.is_idle(61 * SECOND - 1) && window.is_idle(61 * SECOND));
}

#[test]
fn an_estimate_is_corrected_in_the_window_that_it_was_taken_from() {
    let hundred = quota(100, MINUTE);
    let mut window = Window::default();
    window.take(hundred, 80, 0).unwrap();
    window.correct(hundred, (0, 80), 30, SECOND);
    assert_eq!(window.level(hundred, SECOND).remaining, 70);
    // More than was thought: over the limit, too.
    window.take(hundred, 70, SECOND).unwrap();
    window.correct(hundred, (SECOND, 70), 90, SECOND);
    assert_eq!(window.level(hundred, SECOND).remaining, 0);
    assert_eq!(window.take(hundred, 1, SECOND), Err(59 * SECOND));
    // The window is over: there is nothing to be given back to.
    window.take(hundred, 10, MINUTE).unwrap();
    window.correct(hundred, (SECOND, 70), 0, MINUTE);
    assert_eq!(window.level(hundred, MINUTE).remaining, 90);
}

#[test]
fn an_estimate_larger_than_the_window_passes_alone() {
    let ten = quota(10, MINUTE);
    let mut window = Window::default();
    window.take(ten, 1, 0).unwrap();
    assert_eq!(window.take(ten, 500, 0), Err(MINUTE));
    window.take(ten, 500, MINUTE).unwrap();
    window.correct(ten, (MINUTE, 500), 3, MINUTE);
    assert_eq!(window.level(ten, MINUTE).remaining, 7);
}

/// What happens next: after so many nanoseconds a request comes, and what becomes of it after as many more, and so on.
#[derive(Clone, Debug)]
struct Step {
    after: u64,
    tokens: u64,
    /// Which of those that run ends then, and what it has used of its tokens, in hundredths; nothing = it is given back.
    ends: Option<(prop::sample::Index, u64)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..40_u64, 0..30_u64, prop::option::of((any::<prop::sample::Index>(), 0..=100_u64)));
    prop::collection::vec(step.prop_map(|(after, tokens, ends)| Step { after, tokens, ends }), 1..80)
}

/// The most that was used in any span of so much time.
fn most_within(span: u64, used: &[(u64, u64)]) -> u64 {
    let sums = used.iter().map(|(from, _)| {
        let inside = used.iter().filter(|(at, _)| at >= from && at - from < span);
        inside.map(|(_, number)| number).sum()
    });
    sums.max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_more_requests_pass_than_the_pace_in_any_span(
        limit in 1..12_u32, burst in 1..12_u32, steps in steps(),
    ) {
        let pace = pace(limit, burst.min(limit), 100);
        let interval = pace.interval;
        let (mut flow, mut now) = (Flow::default(), 1000);
        let mut running: Vec<u64> = Vec::new();
        let mut kept: Vec<(u64, u64)> = Vec::new();
        for step in steps {
            now += step.after;
            let before = flow;
            match flow.take(pace, now) {
                Ok(()) => running.push(now),
                Err(wait) => {
                    prop_assert_eq!(flow, before);
                    prop_assert!(flow.clone().take(pace, now + wait - 1).is_err());
                    prop_assert!(flow.clone().take(pace, now + wait).is_ok());
                }
            }
            let level = flow.level(pace, now);
            let mut rest = flow;
            prop_assert!((0..level.remaining).all(|_| rest.take(pace, now).is_ok()));
            prop_assert!(rest.take(pace, now).is_err());
            prop_assert_eq!(flow.level(pace, now + level.reset), Level { remaining: pace.burst.get(), reset: 0 });
            if let Some((index, used)) = step.ends.filter(|_| !running.is_empty()) {
                let taken = running.swap_remove(index.index(running.len()));
                if used == 0 { flow.give_back(pace, taken, now) } else { kept.push((taken, 1)) }
            }
        }
        kept.extend(running.into_iter().map(|taken| (taken, 1)));
        for span in [1, interval, 3 * interval, 100, 1000] {
            let allowed = u64::from(pace.burst.get()) + span.div_ceil(interval) - 1;
            prop_assert!(most_within(span, &kept) <= allowed, "{span}: {kept:?}");
        }
    }

    #[test]
    fn no_more_pass_than_the_quota_in_any_window(limit in 1..60_u32, steps in steps()) {
        let quota = quota(limit, 100);
        let (mut window, mut now) = (Window::default(), 1000);
        let mut running: Vec<(u64, u64)> = Vec::new();
        let mut used: Vec<(u64, u64)> = Vec::new();
        // When windows began, by a count of its own.
        let mut begun: Vec<u64> = Vec::new();
        for step in steps {
            now += step.after;
            let before = window;
            match window.take(quota, step.tokens, now) {
                Ok(()) => {
                    if begun.last().is_none_or(|begun| now >= begun + 100) {
                        begun.push(now);
                    }
                    running.push((now, step.tokens));
                }
                Err(wait) => {
                    prop_assert_eq!(window, before);
                    prop_assert!(window.clone().take(quota, step.tokens, now + wait - 1).is_err());
                    prop_assert!(window.clone().take(quota, step.tokens, now + wait).is_ok());
                }
            }
            let level = window.level(quota, now);
            prop_assert!(window.clone().take(quota, level.remaining.into(), now).is_ok());
            prop_assert_eq!(window.level(quota, now + level.reset).remaining, limit);
            if let Some((index, share)) = step.ends.filter(|_| !running.is_empty()) {
                let (taken, tokens) = running.swap_remove(index.index(running.len()));
                let really = held(quota, tokens) * share / 100;
                window.correct(quota, (taken, tokens), really, now);
                used.push((taken, really));
            }
        }
        used.extend(running.into_iter().map(|(taken, tokens)| (taken, held(quota, tokens))));
        for begun in begun {
            let inside = used.iter().filter(|(taken, _)| (begun..begun + 100).contains(taken));
            prop_assert!(inside.map(|(_, number)| number).sum::<u64>() <= u64::from(limit), "{begun}: {used:?}");
        }
        prop_assert!(most_within(100, &used) <= 2 * u64::from(limit));
    }

    #[test]
    fn what_is_given_back_is_all_there_again(limit in 1..60_u32, estimates in prop::collection::vec(0..20_u64, 1..20)) {
        let quota = quota(limit, 100);
        let mut window = Window::default();
        let taken: Vec<u64> =
            estimates.into_iter().filter(|tokens| window.take(quota, *tokens, 5).is_ok()).collect();
        for tokens in taken {
            window.correct(quota, (5, tokens), 0, 50);
        }
        prop_assert_eq!(window.level(quota, 50), Level { remaining: limit, reset: 0 });
    }
}
