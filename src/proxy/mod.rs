//! The use case: one exchange from its start to its settlement.
//!
//! One story for all endpoints, in `answer` and `stream`: what they ask is read by `question`, what they are told is
//! written by `writer`. The room knows neither actix nor awc: it is given bytes and gives bytes, whoever carries them.

mod admission;
pub mod answer;
mod call;
pub mod caller;
mod choices;
mod error;
mod exchange;
mod failed;
mod heard;
mod listener;
mod live;
mod opening;
mod persist;
mod plan;
mod posed;
pub mod question;
mod recover;
mod replicas;
mod source;
mod stream;
mod tokens;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use caller::Caller;
pub use exchange::{Exchange, Head, Hints, Refused, SessionWish};
pub use posed::Posed;
pub use question::Question;
pub use stream::Frames;

use crate::archive::{self, Archive};
use crate::config::{Config, LimitsStore, ResponsesStore, SessionStore};
use crate::limits::Limits;
use crate::openai;
use crate::proxy::replicas::{Replicas, is_shared};
use crate::redis::OpenError;
use crate::session::{Fingerprinter, Local, Remote, Store};
use crate::telemetry::Metrics;
use crate::upstream;
use crate::upstream::breaker::Breakers;
use crate::upstream::budget::Budget;

/// How often what has expired is swept out of the stores.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// What all workers of a process share.
#[derive(Debug)]
pub struct Shared {
    /// What requests that begin now go by.
    snapshot: ArcSwap<Snapshot>,
    /// The sessions that are known.
    pub sessions: Arc<Store>,
    /// The responses and conversations that are kept.
    pub archive: Arc<Archive>,
    /// What the replicas have in common, if they have.
    pub replicas: Option<Replicas>,
    /// The key of all hashes.
    pub fingerprinter: Fingerprinter,
    /// The limits' buckets.
    pub limits: Arc<Limits>,
    /// What all requests together may try again.
    pub retries: Budget,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Every exchange that runs.
    pub running: TaskTracker,
    /// Cancelled when the process is about to stop: nothing new is begun.
    pub draining: CancellationToken,
    /// Cancelled when the time to drain is over: what still runs then ends with an error.
    pub deadline: CancellationToken,
}

/// The configuration, and what follows from it. A request keeps the one with which it began.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration.
    pub config: Config,
    /// Which apps are left alone.
    pub breakers: Breakers,
}

/// Why a process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no key for the hashes.
    #[error("the system gives no randomness")]
    NoRandomness(#[from] getrandom::Error),
    /// There is no store for the sessions.
    #[error(transparent)]
    Redis(#[from] OpenError),
}

impl Shared {
    /// Everything at its beginning.
    ///
    /// # Errors
    /// The system has no randomness to give, or Redis is not built in.
    pub fn new(config: Config) -> Result<Self, StartError> {
        // Not at the first request, whose worker would stand still for it.
        openai::tokens::load();
        let apps = config.models.routes().map(|route| (&route.app, &route.alias));
        let breakers = Breakers::new(config.upstream.breaker, apps);
        let now = Instant::now();
        let replicas = config.redis.as_ref().filter(|_| is_shared(&config));
        let replicas = replicas.map(|settings| Replicas::open(settings, &config)).transpose()?;
        let settings = &config.sessions;
        let sessions = match &replicas {
            Some(with) if settings.store == SessionStore::Redis => {
                Store::Redis(Remote::new(Arc::clone(&with.redis), with.prefix.clone(), settings.ttl))
            }
            _ => Store::Memory(Local::new(settings.ttl, settings.capacity)),
        };
        let settings = &config.responses;
        let archive = match &replicas {
            Some(with) if settings.store == ResponsesStore::Redis => {
                let (redis, prefix) = (Arc::clone(&with.redis), with.prefix.clone());
                archive::Store::Redis(archive::Remote::new(redis, prefix, settings.ttl))
            }
            _ => archive::Store::Memory(archive::Memory::new(settings.ttl, settings.max_bytes)),
        };
        let archive = Archive::new(archive, settings.max_entry);
        let limits = match &replicas {
            Some(with) if config.limits.store == LimitsStore::Redis => {
                Limits::in_redis(now, Arc::clone(&with.redis), with.prefix.clone())
            }
            _ => Limits::new(now),
        };
        let mut metrics = Metrics::new();
        if replicas.is_some() {
            metrics.show_redis();
        }
        Ok(Self {
            sessions: Arc::new(sessions),
            archive: Arc::new(archive),
            replicas,
            retries: Budget::new(now),
            fingerprinter: Fingerprinter::random()?,
            limits: Arc::new(limits),
            metrics: Arc::new(metrics),
            running: TaskTracker::new(),
            draining: CancellationToken::new(),
            deadline: CancellationToken::new(),
            snapshot: ArcSwap::from_pointee(Snapshot { config, breakers }),
        })
    }

    /// What requests that begin now go by.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Lets requests that begin from now on go by another configuration. Apps that stay keep their breakers, and
    /// whoever has used some of a limit has used it still.
    pub fn renew(&self, config: Config) {
        let apps = config.models.routes().map(|route| (&route.app, &route.alias));
        let before = self.snapshot();
        let breakers = before.breakers.renewed(config.upstream.breaker, apps);
        let is_gone = |alias: &&Arc<str>| !breakers.aliases().any(|other| other == *alias);
        before.breakers.aliases().filter(is_gone).for_each(|alias| self.metrics.breaker_gone(alias));
        self.snapshot.store(Arc::new(Snapshot { config, breakers }));
    }

    /// Forgets what has expired; to be called every [`SWEEP_INTERVAL`].
    pub fn sweep(&self) {
        self.sessions.sweep(Instant::now());
        self.archive.sweep(Instant::now());
        self.limits.sweep(Instant::now());
        self.metrics.sessions.set(i64::try_from(self.sessions.len_in_memory()).unwrap_or(i64::MAX));
    }

    /// Keeps Redis connected, if there is one, for as long as it is polled: on a runtime that outlives the workers.
    pub async fn keep_redis(&self) {
        if let Some(replicas) = &self.replicas {
            tokio::join!(replicas.keep(&self.fingerprinter), self.limits.keep_running());
        }
    }

    /// The counters as text, with those that are not counted as they happen.
    pub fn render_metrics(&self) -> String {
        if let Some(replicas) = &self.replicas {
            self.metrics.redis_up(replicas.are_reached());
        }
        if let Store::Redis(sessions) = &*self.sessions {
            let failures = sessions.failures();
            self.metrics.session_store_failures("take", failures.takes);
            self.metrics.session_store_failures("put", failures.puts);
        }
        if let Some(size) = self.archive.size() {
            self.metrics.archived(size.entries, size.bytes);
        } else {
            let failures = self.archive.failures();
            self.metrics.archive_failures("read", failures.reads);
            self.metrics.archive_failures("write", failures.writes);
        }
        if let Some(failures) = self.limits.failures() {
            self.metrics.limit_store_failures("take", failures.takes);
            self.metrics.limit_store_failures("correct", failures.corrections);
        }
        self.metrics.render()
    }
}

/// What one worker has: the shared things, and a client of its own; for each request, with the snapshot of its own.
#[derive(Clone, Debug)]
pub struct Worker {
    /// What all share.
    pub shared: Arc<Shared>,
    /// What the request goes by.
    pub snapshot: Arc<Snapshot>,
    /// This worker's way to Chipp.
    pub client: upstream::Client,
}

impl Worker {
    /// A worker before its first request.
    pub fn new(shared: Arc<Shared>, client: upstream::Client) -> Self {
        Self { snapshot: shared.snapshot(), shared, client }
    }

    /// The same for a request that begins now.
    #[must_use]
    pub fn begin(&self) -> Self {
        Self::new(Arc::clone(&self.shared), self.client.clone())
    }
}
