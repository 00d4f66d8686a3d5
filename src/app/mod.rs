//! Wiring: a configuration becomes a running server, and a signal its orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_web::dev::Server;
use actix_web::web::Payload;
use actix_web::{App, HttpRequest, HttpServer, web};
use anyhow::Context as _;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api;
use crate::certificate::Certificate;
use crate::config::Config;
use crate::proxy::{SWEEP_INTERVAL, Shared, Worker};
use crate::upstream::{self, Client};

mod watch;

/// How long a connection may be idle between two requests; longer than load balancers keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take over its part of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take to close.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections that one worker takes.
const MAX_CONNECTIONS: usize = 25_600;

/// How long answers that are complete may take to reach their clients, when everything else has ended.
const FLUSH_SECONDS: u64 = 1;

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
        let shared = Arc::new(Shared::new(config).context("the system gives no randomness")?);
        let settings = &shared.config.server;
        let certificate = settings.tls.clone().map(Certificate::load).transpose();
        let certificate = certificate.map_err(|fault| anyhow::anyhow!("a file of server.tls {fault}"))?;
        let (public, listen) = bind_public(&shared, &tls, certificate.as_ref())?;
        let admin = settings.admin.map(|at| bind_admin(&shared, at)).transpose()?;
        let (admin, admin_at) = admin.unzip();
        Ok(Self { shared, listen, admin: admin_at, server: ServerPair { public, admin }, certificate })
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
        if let Some(certificate) = self.certificate {
            let metrics = Arc::clone(&shared.metrics);
            background.0.push(actix_rt::spawn(watch::certificate(certificate, metrics)));
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
    let settings = &shared.config.server;
    tracing::info!(running = shared.running.len(), "draining");
    shared.draining.cancel();
    shared.running.close();
    if timeout(settings.drain, shared.running.wait()).await.is_err() {
        tracing::warn!(running = shared.running.len(), "the time to drain is over");
        shared.deadline.cancel();
        // What does not even end now is cut off with its connection.
        let _ = timeout(CUT_OFF, shared.running.wait()).await;
    }
}

fn bind_public(
    shared: &Arc<Shared>,
    tls: &Arc<upstream::Tls>,
    certificate: Option<&Certificate>,
) -> anyhow::Result<(Server, SocketAddr)> {
    let settings = &shared.config.server;
    let factory = {
        let (shared, tls) = (Arc::clone(shared), Arc::clone(tls));
        move || {
            let client = Client::new(&tls, &shared.config.upstream);
            // It was built from the same values before the server was: no worker can fail where that did not.
            let worker = client.ok().map(|client| Rc::new(Worker { shared: Arc::clone(&shared), client }));
            let answer = move |request: HttpRequest, payload: Payload| {
                let worker = worker.clone();
                async move {
                    match worker {
                        Some(worker) => api::answer(worker, request, payload).await,
                        None => actix_web::HttpResponse::InternalServerError().finish(),
                    }
                }
            };
            App::new().default_service(web::to(answer))
        }
    };
    let server = HttpServer::new(factory)
        .workers(settings.workers)
        .max_connections(MAX_CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .shutdown_timeout(FLUSH_SECONDS)
        // A client that goes away is to be noticed at once, in the middle of a silent stream too.
        .h1_allow_half_closed(false)
        // Without it events wait for each other, 40 ms at a time.
        .tcp_nodelay(true)
        .disable_signals();
    let server = match certificate {
        None => server.bind(settings.listen),
        // With HTTP/1.1 inside, which is what actix offers as it is built here: so a client that goes away is noticed
        // in the same way, with TLS and without.
        Some(certificate) => server.bind_rustls_0_23(settings.listen, certificate.server_config()?),
    };
    let server = server.map_err(|error| anyhow::anyhow!("cannot listen on {}: {error}", settings.listen))?;
    let at = first_address(server.addrs())?;
    Ok((server.run(), at))
}

fn bind_admin(shared: &Arc<Shared>, at: SocketAddr) -> anyhow::Result<(Server, SocketAddr)> {
    let factory = {
        let shared = Arc::clone(shared);
        move || {
            let shared = Arc::clone(&shared);
            let answer = move |request: HttpRequest| {
                let response = api::admin(&shared, &request);
                async move { response }
            };
            App::new().default_service(web::to(answer))
        }
    };
    let server = HttpServer::new(factory)
        .workers(1)
        .shutdown_timeout(FLUSH_SECONDS)
        .disable_signals()
        .bind(at)
        .map_err(|error| anyhow::anyhow!("cannot listen on {at} (server.admin): {error}"))?;
    let at = first_address(server.addrs())?;
    Ok((server.run(), at))
}

fn first_address(addresses: Vec<SocketAddr>) -> anyhow::Result<SocketAddr> {
    addresses.into_iter().next().ok_or_else(|| anyhow::anyhow!("the server has no address"))
}

impl std::fmt::Debug for ServerPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerPair")
    }
}
