//! What is looked at again while the server runs: the files that it was started with.
//!
//! They are read once a second, and their content is compared. Watching for the kernel's notices would save that little
//! work, and miss what they do not tell: files of other hosts, links that are swapped, mounts that are replaced.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::certificate::{Certificate, File, Refreshed};
use crate::telemetry::Metrics;

/// How often the files are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the certificate as its files have it; does not end.
pub(super) async fn certificate(mut certificate: Certificate, metrics: Arc<Metrics>) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked = tokio::task::spawn_blocking(move || {
            let refreshed = certificate.refresh();
            (certificate, refreshed)
        });
        let Ok((looked_at, refreshed)) = looked.await else {
            tracing::error!("the certificate's files are not looked at any more");
            return;
        };
        certificate = looked_at;
        match refreshed {
            Refreshed::Unchanged => {}
            Refreshed::Renewed => {
                metrics.certificate_reloaded("renewed");
                tracing::info!("new connections get the new certificate");
            }
            Refreshed::Kept(fault) => {
                metrics.certificate_reloaded("kept");
                let file = match fault.file() {
                    File::Cert => "server.tls.cert",
                    File::Key => "server.tls.key",
                };
                tracing::warn!(file, reason = %fault, "the new certificate cannot be used, the old one stays");
            }
        }
    }
}
