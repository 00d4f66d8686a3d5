//! Another configuration for a server that runs: when its files change, on SIGHUP, and when it is asked to at the
//! admin address. One that cannot be used leaves the old one in place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::api::ReloadRequest;
use crate::config::diff::Changes;
use crate::config::{Config, Environment, Problems, Sources};
use crate::proxy::Shared;

/// How often the files are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a file must stay as it is: who writes it in place may be in the middle of it.
const SETTLE: Duration = Duration::from_millis(100);

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

/// Keeps the configuration as its files have it; does not end.
pub(super) async fn keep(mut origin: Origin, shared: Arc<Shared>, mut asked: mpsc::Receiver<ReloadRequest>) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be listened to, so the configuration stays as it is");
        return;
    };
    loop {
        let cause = tokio::select! {
            _ = ticks.tick() => Cause::Look,
            _ = hangups.recv() => Cause::Signal,
            Some(request) = asked.recv() => Cause::Asked(request),
        };
        if matches!(cause, Cause::Look) {
            let mut is_changed = look(&mut origin).await;
            if !is_changed {
                continue;
            }
            while is_changed {
                sleep(SETTLE).await;
                is_changed = look(&mut origin).await;
            }
        }
        let result = reload(&mut origin, &shared).await;
        if let Cause::Asked(request) = cause {
            // Who asked may have gone away.
            let _ = request.send(result);
        }
    }
}

async fn look(origin: &mut Origin) -> bool {
    let mut sources = origin.sources.clone();
    let looked = tokio::task::spawn_blocking(move || (sources.look(), sources)).await;
    let Ok((is_changed, sources)) = looked else { return false };
    origin.sources = sources;
    is_changed
}

async fn reload(origin: &mut Origin, shared: &Shared) -> Result<Changes, Problems> {
    let (file, environment) = (origin.file.clone(), origin.environment.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut sources = Sources::default();
        (Config::load_noting(&file, &environment, &mut sources), sources)
    });
    let Ok((loaded, sources)) = read.await else {
        return Err(config_unread());
    };
    origin.sources.renew(sources);
    let wanted = loaded.inspect_err(|problems| {
        shared.metrics.config_kept();
        let names: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let problems = names.join(", ");
        tracing::warn!(problems, "the new configuration cannot be used, the old one stays");
    })?;
    let (config, changes) = shared.snapshot().config.renewed(wanted);
    shared.renew(config);
    shared
        .metrics
        .config_renewed(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()));
    let (changed, restart) = (changes.live.join(", "), changes.restart.join(", "));
    tracing::info!(changed, "new requests go by the new configuration");
    if !restart.is_empty() {
        tracing::warn!(fields = restart, "these fields keep their value until a restart");
    }
    Ok(changes)
}

fn config_unread() -> Problems {
    crate::config::Problem::new("", "could not be read").into()
}
