//! `upstream.retry` and `upstream.breaker`.

use std::time::Duration;

use super::reader::{Read, Reader};
use crate::config::raw::{RawBreaker, RawRetry};
use crate::config::values::OrOff;
use crate::config::{Breaker, Retry};

/// Most calls for one request.
const MAX_ATTEMPTS: usize = 10;
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn retry(reader: &mut Reader<'_>, raw: Option<&RawRetry>) -> Retry {
    let default = Retry::default();
    let Some(raw) = raw else { return default };
    let attempts = "upstream.retry.attempts";
    let attempts = reader.within(attempts, raw.attempts.as_ref(), &(1..=MAX_ATTEMPTS), "from 1 to 10");
    let range = Duration::from_millis(1)..=LONGEST;
    let waits = [("backoff", raw.backoff.as_ref()), ("max_backoff", raw.max_backoff.as_ref())];
    let [backoff, max_backoff] = waits.map(|(key, written)| {
        reader.within(&format!("upstream.retry.{key}"), written, &range, "from 1ms to 24h")
    });
    let max_backoff = match (max_backoff, &backoff) {
        (Read::Good(max), Read::Good(first)) if max < *first => {
            reader.problem("upstream.retry.max_backoff", "must not be shorter than `upstream.retry.backoff`");
            max
        }
        (Read::Absent, Read::Good(first)) => default.max_backoff.max(*first),
        (max, _) => max.or(default.max_backoff),
    };
    let on = reader.list("upstream.retry.on", raw.on.as_ref());
    Retry {
        attempts: attempts.good().and_then(|attempts| attempts.try_into().ok()).unwrap_or(default.attempts),
        // A default that would be longer than the longest wait is cut to it.
        backoff: backoff.or(default.backoff.min(max_backoff)),
        max_backoff,
        on: on.good().map_or(default.on, |on| on.into_iter().map(|(_, fault)| fault).collect()),
    }
}

pub(super) fn breaker(reader: &mut Reader<'_>, raw: Option<&RawBreaker>) -> Breaker {
    const MAX_FAILURES: u32 = 1000;
    let default = Breaker::default();
    let Some(raw) = raw else { return default };
    let path = "upstream.breaker.failures";
    let failures = reader.value(path, raw.failures.as_ref()).or(OrOff(default.failures)).0;
    if failures.is_some_and(|failures| failures.get() > MAX_FAILURES) {
        reader.problem(path, "must be from 1 to 1000, or `off`");
    }
    let range = Duration::from_millis(1)..=LONGEST;
    let times = [("window", raw.window.as_ref()), ("cooldown", raw.cooldown.as_ref())];
    let [window, cooldown] = times.map(|(key, written)| {
        reader.within(&format!("upstream.breaker.{key}"), written, &range, "from 1ms to 24h").good()
    });
    Breaker {
        failures,
        window: window.unwrap_or(default.window),
        cooldown: cooldown.unwrap_or(default.cooldown),
    }
}
