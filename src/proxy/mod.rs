//! The use case: one exchange from its start to its settlement.
//!
//! Each file tells the story of one kind of exchange, top to bottom. The room knows neither actix nor awc: it is
//! given bytes and gives bytes, whoever carries them.

mod call;
pub mod caller;
pub mod chat;
mod error;
mod exchange;
mod failed;
mod live;
mod persist;
mod plan;
mod recover;
mod source;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use caller::Caller;
pub use exchange::{Exchange, Head, Hints, Refused, SessionWish};
pub use stream::Frames;

use crate::config::{Auth, Config};
use crate::limits::Limits;
use crate::session::{Fingerprinter, Memory};
use crate::telemetry::Metrics;
use crate::upstream;
use crate::upstream::breaker::Breakers;
use crate::upstream::budget::Budget;

/// How often what has expired is swept out of the stores.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// What all workers of a process share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// The sessions that are known.
    pub sessions: Arc<Memory>,
    /// The key of all hashes.
    pub fingerprinter: Fingerprinter,
    /// The limits' buckets.
    pub limits: Limits,
    /// Which apps are left alone.
    pub breakers: Breakers,
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

impl Shared {
    /// Everything at its beginning.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(config: Config) -> Result<Self, getrandom::Error> {
        let of_keys = match &config.auth {
            Auth::Keys(keys) => keys.iter().filter_map(|key| key.requests_per_minute).collect(),
            Auth::Open | Auth::Passthrough => Vec::new(),
        };
        let of_models = config.models.routes().filter_map(|route| route.requests_per_minute);
        let limits = Limits::new(config.limits, of_keys.into_iter().chain(of_models));
        let sessions = Arc::new(Memory::new(config.sessions.ttl, config.sessions.capacity));
        let apps = config.models.routes().map(|route| (&route.app, &route.alias));
        Ok(Self {
            sessions,
            breakers: Breakers::new(config.upstream.breaker, apps),
            retries: Budget::new(Instant::now()),
            fingerprinter: Fingerprinter::random()?,
            limits,
            metrics: Arc::new(Metrics::new()),
            running: TaskTracker::new(),
            draining: CancellationToken::new(),
            deadline: CancellationToken::new(),
            config,
        })
    }

    /// Forgets what has expired; to be called every [`SWEEP_INTERVAL`].
    pub fn sweep(&self) {
        self.sessions.sweep(Instant::now());
        self.limits.sweep();
        self.metrics.sessions.set(i64::try_from(self.sessions.len()).unwrap_or(i64::MAX));
    }
}

/// What one worker has: the shared things, and a client of its own.
#[derive(Clone, Debug)]
pub struct Worker {
    /// What all share.
    pub shared: Arc<Shared>,
    /// This worker's way to Chipp.
    pub client: upstream::Client,
}
