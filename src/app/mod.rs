//! Wiring: a configuration becomes a running server, and a signal its orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_web::dev::Server;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::ReloadRequest;
use crate::certificate::Certificate;
use crate::config::Config;
use crate::proxy::{SWEEP_INTERVAL, Shared, Worker};
use crate::telemetry::Dial;
use crate::upstream::{self, Client};

mod listener;
mod reload;
mod watch;

use reload::Keeper;
pub use reload::Origin;

/// How long streams may take to end when they are told to.
const CUT_OFF: Duration = Duration::from_secs(2);

/// A server that listens, and does not run yet.
#[derive(Debug)]
pub struct Application {
    shared: Arc<Shared>,
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    server: ServerPair,
    certificate: Option<Certificate>,
    keeper: Option<Keeper>,
    asked: mpsc::Receiver<ReloadRequest>,
}

struct ServerPair {
    public: Server,
    admin: Option<Server>,
}

impl Application {
    /// Binds the addresses. To be called, like [`run_until`](Self::run_until), inside an actix system.
    ///
    /// # Errors
    /// An address that is taken; a CA file or a certificate that cannot be used.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let tls = Arc::new(upstream::Tls::load(&config.upstream)?);
        // Built once here, so that what is wrong is told at the start and not by each worker.
        Client::new(&tls, &config.upstream)?;
        let shared = Arc::new(Shared::new(config)?);
        let snapshot = shared.snapshot();
        let settings = &snapshot.config.server;
        let certificate = settings.tls.clone().map(Certificate::load).transpose();
        let certificate = certificate.map_err(|fault| anyhow::anyhow!("a file of server.tls {fault}"))?;
        let worker = {
            let shared = Arc::clone(&shared);
            move || {
                // It was built from the same values above: no worker can fail where that did not.
                let client = Client::new(&tls, &shared.snapshot().config.upstream).ok()?;
                Some(Rc::new(Worker::new(Arc::clone(&shared), client)))
            }
        };
        let (public, listen) = listener::public(settings, certificate.as_ref(), worker)?;
        let (ask, asked) = mpsc::channel(1);
        let admin = settings.admin.map(|at| listener::admin(&shared, &ask, at)).transpose()?;
        let (admin, admin_at) = admin.unzip();
        Ok(Self {
            shared,
            listen,
            admin: admin_at,
            server: ServerPair { public, admin },
            certificate,
            keeper: None,
            asked,
        })
    }

    /// Takes its configuration anew from where it came, when that changes, and when SIGHUP or `POST /reload` ask for it.
    ///
    /// # Errors
    /// SIGHUP cannot be listened to.
    pub fn follow(self, origin: Origin, dial: Dial) -> io::Result<Self> {
        Ok(Self { keeper: Some(Keeper::new(origin, dial)?), ..self })
    }

    /// Where clients connect.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where probes connect.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What the workers share; for tests to look into.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Serves until `stop` is there, then drains: nothing new is begun, what runs may finish within `server.drain`,
    /// what still runs then ends with an error.
    ///
    /// # Errors
    /// Those of the sockets.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let shared = self.shared;
        let ServerPair { public, admin } = self.server;
        let handle = public.handle();
        let admin_handle = admin.as_ref().map(Server::handle);
        let mut public = actix_rt::spawn(public);
        let admin = admin.map(actix_rt::spawn);
        let mut background = Background(vec![actix_rt::spawn(sweep(Arc::clone(&shared)))]);
        // On this runtime and not on a worker's: the connection outlives all of them.
        background.0.push(actix_rt::spawn({
            let shared = Arc::clone(&shared);
            async move { shared.keep_redis().await }
        }));
        if let Some(certificate) = self.certificate {
            let metrics = Arc::clone(&shared.metrics);
            background.0.push(actix_rt::spawn(watch::certificate(certificate, metrics)));
        }
        match self.keeper {
            Some(keeper) => background.0.push(actix_rt::spawn(keeper.keep(Arc::clone(&shared), self.asked))),
            // Whoever asks is told so, and does not wait.
            None => drop(self.asked),
        }
        tokio::select! {
            () = stop => drain(&shared).await,
            ended = &mut public => return ended.map_err(io::Error::other)?,
        }
        handle.stop(true).await;
        if let (Some(handle), Some(admin)) = (admin_handle, admin) {
            handle.stop(false).await;
            admin.await.map_err(io::Error::other)??;
        }
        public.await.map_err(io::Error::other)?
    }
}

/// What runs beside the server, and ends with it.
struct Background(Vec<JoinHandle<()>>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut ticks = interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.sweep();
    }
}

async fn drain(shared: &Shared) {
    let time = shared.snapshot().config.server.drain;
    tracing::info!(running = shared.running.len(), "draining");
    shared.draining.cancel();
    shared.running.close();
    if timeout(time, shared.running.wait()).await.is_err() {
        tracing::warn!(running = shared.running.len(), "the time to drain is over");
        shared.deadline.cancel();
        // What does not even end now is cut off with its connection.
        let _ = timeout(CUT_OFF, shared.running.wait()).await;
    }
}

impl std::fmt::Debug for ServerPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerPair")
    }
}
