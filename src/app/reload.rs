//! Another configuration for a server that runs: when its files change, on SIGHUP, and when it is asked to at the
//! admin address. One that cannot be used leaves the old one in place.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::api::ReloadRequest;
use crate::config::diff::Changes;
use crate::config::{Config, Environment, Problem, Problems, Sources};
use crate::proxy::Shared;
use crate::telemetry::Dial;

/// How often the files are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a file must stay as it is: who writes it in place may be in the middle of it.
const SETTLE: Duration = Duration::from_millis(100);

/// The field that is carried out here, since requests do not go by it.
const LEVEL: &str = "telemetry.level";

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// What fills its variables, for as long as the process lives.
    pub environment: Environment,
    /// What was read at the start.
    pub sources: Sources,
}

/// Why it is read again.
enum Cause {
    Look,
    Signal,
    Asked(ReloadRequest),
}

/// Keeps the configuration of a server as its files have it.
#[derive(Debug)]
pub(super) struct Keeper {
    origin: Origin,
    dial: Dial,
    hangups: Signal,
}

impl Keeper {
    /// SIGHUP does not end the process from now on. To be called inside a runtime.
    pub(super) fn new(origin: Origin, dial: Dial) -> io::Result<Self> {
        Ok(Self { origin, dial, hangups: signal(SignalKind::hangup())? })
    }

    /// Does not end.
    pub(super) async fn keep(mut self, shared: Arc<Shared>, mut asked: mpsc::Receiver<ReloadRequest>) {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let cause = tokio::select! {
                _ = ticks.tick() => Cause::Look,
                _ = self.hangups.recv() => Cause::Signal,
                Some(request) = asked.recv() => Cause::Asked(request),
            };
            match cause {
                Cause::Look if self.settle().await => {
                    let (mut loaded, mut is_moving) = self.load().await;
                    // Somebody writes again.
                    while is_moving {
                        self.settle().await;
                        (loaded, is_moving) = self.load().await;
                    }
                    // Nobody has asked; it is in the log.
                    let _ = self.take(loaded, &shared);
                }
                Cause::Look => {}
                Cause::Signal => {
                    let loaded = self.load().await.0;
                    let _ = self.take(loaded, &shared);
                }
                Cause::Asked(request) => {
                    let loaded = self.load().await.0;
                    // Who asked may have gone away.
                    let _ = request.send(self.take(loaded, &shared));
                }
            }
        }
    }

    /// Whether the files hold something else now; then until they have stayed as they are for a while.
    async fn settle(&mut self) -> bool {
        let is_changed = look(&mut self.origin).await;
        let mut is_moving = is_changed;
        while is_moving {
            sleep(SETTLE).await;
            is_moving = look(&mut self.origin).await;
        }
        is_changed
    }

    /// Lets new requests go by it.
    fn take(&self, loaded: Result<Config, Problems>, shared: &Shared) -> Result<Changes, Problems> {
        let config = loaded.inspect_err(|problems| {
            shared.metrics.config_kept();
            let fields =
                problems.iter().map(|problem| if problem.path.is_empty() { "file" } else { &problem.path });
            let fields = fields.collect::<Vec<_>>().join(", ");
            tracing::warn!(fields, "the new configuration cannot be used, the old one stays");
        })?;
        let level = config.telemetry.level;
        let (config, changes) = shared.snapshot().config.renewed(config);
        shared.renew(config);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if changes == Changes::default() {
            shared.metrics.config_read("unchanged", now);
            tracing::info!("the configuration is as it was");
            return Ok(changes);
        }
        shared.metrics.config_read("renewed", now);
        let (live, restart) = (changes.live.join(", "), changes.restart.join(", "));
        tracing::info!(fields = live, "new requests go by the new configuration");
        if !restart.is_empty() {
            tracing::warn!(fields = restart, "these fields keep their value until a restart");
        }
        let is_turned = changes.live.iter().any(|field| field == LEVEL);
        if is_turned && !self.dial.turn(level) {
            tracing::warn!(fields = LEVEL, "RUST_LOG decides what is logged");
        }
        Ok(changes)
    }

    /// Reads it all again. Says also whether a file held something else than when it was looked at.
    async fn load(&mut self) -> (Result<Config, Problems>, bool) {
        let (file, environment) = (self.origin.file.clone(), self.origin.environment.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut sources = Sources::default();
            (Config::load_noting(&file, &environment, &mut sources), sources)
        });
        let Ok((loaded, sources)) = read.await else {
            return (Err(Problem::new("", "could not be read").into()), false);
        };
        (loaded, self.origin.sources.renew(sources))
    }
}

async fn look(origin: &mut Origin) -> bool {
    let mut sources = origin.sources.clone();
    let looked = tokio::task::spawn_blocking(move || (sources.look(), sources)).await;
    let Ok((is_changed, sources)) = looked else { return false };
    origin.sources = sources;
    is_changed
}
