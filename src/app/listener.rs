//! The sockets. The public one is put together from actix's parts in place of its `HttpServer`, for one reason: with
//! TLS that would offer HTTP/2, in which it does not notice a client that goes away during a silent stream, nor drain.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, KeepAlive};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::dev::{AppConfig, Server};
use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context as _;
use futures_util::future::ready;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::api::{self, ReloadRequest};
use crate::certificate::Certificate;
use crate::config;
use crate::proxy::{Shared, Worker};

/// How long a connection may be idle between two requests; longer than load balancers keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take over its part of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take to send the head of its first request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take to close.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections that one worker takes.
const MAX_CONNECTIONS: usize = 25_600;

/// How long answers that are complete may take to reach their clients, when everything else has ended.
const FLUSH_SECONDS: u64 = 1;

/// What answers clients: each worker makes its own `Worker`, `None` if it cannot.
pub(super) fn public(
    settings: &config::Server,
    certificate: Option<&Certificate>,
    worker: impl Fn() -> Option<Rc<Worker>> + Send + Clone + 'static,
) -> anyhow::Result<(Server, SocketAddr)> {
    let listen = settings.listen;
    let listener =
        TcpListener::bind(listen).map_err(|error| anyhow::anyhow!("cannot listen on {listen}: {error}"))?;
    let at = listener.local_addr()?;
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(MAX_CONNECTIONS)
        .shutdown_timeout(FLUSH_SECONDS)
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let notified = move || {
        let draining = draining.clone();
        async move { draining.notified().await }
    };
    let builder = match certificate.map(Certificate::server_config).transpose()? {
        None => builder.listen("http", listener, move || {
            fn_service(|stream: TcpStream| {
                let from = prepare(&stream);
                ready(Ok((stream, from)))
            })
            .and_then(http(worker(), notified.clone()))
        })?,
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            builder.listen("https", listener, move || {
                let mut acceptor = Acceptor::new(tls.clone());
                acceptor.set_handshake_timeout(HANDSHAKE_TIMEOUT);
                acceptor
                    .map(|stream: TlsStream<TcpStream>| {
                        let from = prepare(stream.get_ref().0);
                        (stream, from)
                    })
                    // Handshakes that fail are their client's affair: they are not told to anybody.
                    .map_err(|_| DispatchError::InternalError)
                    .and_then(http(worker(), notified.clone()))
            })?
        }
    };
    Ok((builder.run(), at))
}

/// Makes a stream ready for use; its other end.
fn prepare(stream: &TcpStream) -> Option<SocketAddr> {
    // Without it events wait for each other, 40 ms at a time. A connection that is gone already cannot be set.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok()
}

/// HTTP/1.1 over streams of either kind.
fn http<T, D>(
    worker: Option<Rc<Worker>>,
    draining: impl Fn() -> D + 'static,
) -> impl ServiceFactory<(T, Option<SocketAddr>), Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    D: Future<Output = ()> + 'static,
{
    let answer = move |request: HttpRequest, payload: Payload| {
        let worker = worker.clone();
        async move {
            match worker {
                Some(worker) => api::answer(worker, request, payload).await,
                None => HttpResponse::InternalServerError().finish(),
            }
        }
    };
    let app = App::new().default_service(web::to(answer));
    HttpServiceBuilder::<T, _>::default()
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // A client that goes away is to be noticed at once, in the middle of a silent stream too.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(draining)
        .h1(map_config(app, |()| AppConfig::default()))
}

/// What answers probes.
pub(super) fn admin(
    shared: &Arc<Shared>,
    ask: &mpsc::Sender<ReloadRequest>,
    at: SocketAddr,
) -> anyhow::Result<(Server, SocketAddr)> {
    let factory = {
        let (shared, ask) = (Arc::clone(shared), ask.clone());
        move || {
            let (shared, ask) = (Arc::clone(&shared), ask.clone());
            let answer = move |request: HttpRequest| {
                let (shared, ask) = (Arc::clone(&shared), ask.clone());
                async move { api::admin(&shared, &ask, &request).await }
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
    let at = server.addrs().into_iter().next().context("the server has no address")?;
    Ok((server.run(), at))
}
