//! What the replicas of a proxy have in common, and what becomes of it while Redis is away.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, LimitsStore, OnStoreFailure, ResponsesStore, SessionStore};
use crate::redis::{OpenError, Redis};
use crate::session::{Agreement, Fingerprinter};

/// How long the longest limit is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Redis, and that all who use it call the same thing by the same name.
#[derive(Debug)]
pub struct Replicas {
    pub(super) redis: Arc<Redis>,
    pub(super) prefix: String,
    agreement: Agreement,
    /// What it means that Redis is away.
    without: String,
}

/// Whether anything is in common.
pub(super) fn is_shared(config: &Config) -> bool {
    config.sessions.store == SessionStore::Redis
        || config.responses.store == ResponsesStore::Redis
        || config.limits.store == LimitsStore::Redis
}

impl Replicas {
    pub(super) fn open(settings: &config::Redis, config: &Config) -> Result<Self, OpenError> {
        let sessions = Some(config.sessions.ttl).filter(|_| config.sessions.store == SessionStore::Redis);
        let limits = Some(DAY).filter(|_| config.limits.store == LimitsStore::Redis);
        let longest = sessions.max(limits).unwrap_or_default();
        Ok(Self {
            redis: Arc::new(Redis::open(&settings.url, settings.timeout)?),
            prefix: settings.prefix.clone(),
            agreement: Agreement::new(settings.prefix.clone(), longest),
            without: without(config),
        })
    }

    /// Whether Redis is there.
    pub fn are_reached(&self) -> bool {
        self.redis.is_up()
    }

    /// What it means that Redis is away, in words.
    pub fn without(&self) -> &str {
        &self.without
    }

    /// Keeps Redis connected, for as long as it is polled.
    pub(super) async fn keep(&self, fingerprinter: &Fingerprinter) {
        let greet = async |link: &_| self.agreement.reach(link, fingerprinter).await;
        self.redis.keep(greet, &self.without).await;
    }
}

fn without(config: &Config) -> String {
    let limits = match config.limits.on_store_failure {
        OnStoreFailure::Local => "each replica counts limits by itself",
        OnStoreFailure::Deny => "requests that have limits are refused",
    };
    let told = [
        (config.sessions.store == SessionStore::Redis, "conversations are replayed"),
        (config.responses.store == ResponsesStore::Redis, "stored responses cannot be read"),
        (config.limits.store == LimitsStore::Redis, limits),
    ];
    let told: Vec<&str> = told.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect();
    match told.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{}, and {last}", others.join(", ")),
        None => String::new(),
    }
}
