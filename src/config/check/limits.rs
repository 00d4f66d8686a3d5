//! `limits`, and those of keys and aliases.

use std::num::NonZeroU32;

use super::reader::Reader;
use crate::allowance::Allowance;
use crate::config::raw::{RawLimits, RawRule};
use crate::config::{Limits, LimitsStore, OnStoreFailure};
use crate::redis;

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawLimits) -> Limits {
    let store = reader.value("limits.store", raw.store.as_ref()).or(LimitsStore::Memory);
    if store == LimitsStore::Redis && !redis::IS_BUILT_IN {
        reader.problem("limits.store", "`redis` is not part of this build (feature `redis`); use `memory`");
    }
    let on_store_failure = reader.value("limits.on_store_failure", raw.on_store_failure.as_ref());
    let mut of = |path, raw: &Option<RawRule>| allowance(reader, path, raw.as_ref()).unwrap_or_default();
    Limits {
        store,
        on_store_failure: on_store_failure.or(OnStoreFailure::Local),
        all: of("limits.all", &raw.all),
        key: of("limits.key", &raw.key),
        user: of("limits.user", &raw.user),
    }
}

/// A set of limits; `None` if there is none in it.
pub(super) fn allowance(reader: &mut Reader<'_>, path: &str, raw: Option<&RawRule>) -> Option<Allowance> {
    let raw = raw?;
    let mut number = |name, written: &Option<_>| {
        reader.value::<NonZeroU32>(&format!("{path}.{name}"), written.as_ref()).good()
    };
    let allowance = Allowance {
        requests_per_minute: number("requests_per_minute", &raw.requests_per_minute),
        burst: number("burst", &raw.burst),
        requests_per_day: number("requests_per_day", &raw.requests_per_day),
        tokens_per_minute: number("tokens_per_minute", &raw.tokens_per_minute),
        tokens_per_day: number("tokens_per_day", &raw.tokens_per_day),
        concurrent: number("concurrent", &raw.concurrent),
    };
    if raw.burst.is_some() && raw.requests_per_minute.is_none() {
        let message = "is how many of `requests_per_minute` may come at once: set that, or leave this out";
        reader.problem(&format!("{path}.burst"), message);
    }
    at_most(reader, path, ("burst", allowance.burst), ("requests_per_minute", allowance.requests_per_minute));
    at_least(
        reader,
        path,
        ("requests_per_day", allowance.requests_per_day),
        ("requests_per_minute", allowance.requests_per_minute),
    );
    at_least(
        reader,
        path,
        ("tokens_per_day", allowance.tokens_per_day),
        ("tokens_per_minute", allowance.tokens_per_minute),
    );
    Some(allowance).filter(|allowance| !allowance.is_empty())
}

type Named<'a> = (&'a str, Option<NonZeroU32>);

fn at_most(reader: &mut Reader<'_>, path: &str, (name, number): Named<'_>, (other, bound): Named<'_>) {
    if number.zip(bound).is_some_and(|(number, bound)| number > bound) {
        reader.problem(&format!("{path}.{name}"), format!("must not be more than `{other}`"));
    }
}

/// A day has room for what a minute may have: else that could never be had.
fn at_least(reader: &mut Reader<'_>, path: &str, (name, number): Named<'_>, (other, bound): Named<'_>) {
    if number.zip(bound).is_some_and(|(number, bound)| number < bound) {
        reader.problem(&format!("{path}.{name}"), format!("must not be less than `{other}`"));
    }
}
