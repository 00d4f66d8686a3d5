//! From a host to a connected socket: lookup, TCP, TLS, all within `timeouts.connect`.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::Uri;
use actix_service::Service;
use actix_tls::connect::rustls_0_23::{TlsConnector, TlsConnectorService};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Host};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::Tls;
use super::resolve::Resolver;
use super::socket::Socket;

/// A connection that is silent for so long is probed, so that a dead peer or a forgetful NAT is noticed while
/// an app works.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// Between two probes without an answer.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Longest connect timeout that is honoured; the sum of it and "now" stays a valid instant.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// awc's connector service: makes sockets to one host, whatever it is asked for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialler(Rc<Target>);

struct Target {
    host: HostName,
    resolver: Resolver,
    tls: Option<TlsConnectorService>,
    timeout: Duration,
}

/// What a dial can fail of, beside the system's own errors. Travels inside an [`io::Error`], as awc has no
/// other place for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DialError {
    #[error("connecting took too long")]
    Timeout,
    #[error("the TLS handshake failed")]
    Tls,
}

impl DialError {
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<DialError> for io::Error {
    fn from(error: DialError) -> Self {
        Self::other(error)
    }
}

impl Dialler {
    /// `host` without brackets; `tls` for https.
    pub(super) fn new(host: &str, port: u16, tls: Option<&Tls>, timeout: Duration) -> Self {
        Self(Rc::new(Target {
            host: HostName(host.into()),
            resolver: Resolver::new(host, port),
            tls: tls.map(|tls| TlsConnector::service(tls.0.clone())),
            timeout: timeout.min(MAX_TIMEOUT),
        }))
    }
}

impl Service<ConnectInfo<Uri>> for Dialler {
    type Response = Connection<Uri, Socket>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let target = Rc::clone(&self.0);
        async move {
            let socket = target.connect().await?;
            Ok(Connection::new(request.request().clone(), socket))
        }
        .boxed_local()
    }
}

impl Target {
    async fn connect(&self) -> Result<Socket, ConnectError> {
        let deadline = Instant::now() + self.timeout;
        match timeout_at(deadline, self.establish(deadline)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Io(DialError::Timeout.into())),
        }
    }

    async fn establish(&self, deadline: Instant) -> Result<Socket, ConnectError> {
        let addresses = self.resolver.addresses().await.ok_or(ConnectError::NoRecords)?;
        let tcp = match first_reachable(&addresses, deadline).await {
            Ok(tcp) => tcp,
            Err(error) => {
                tracing::debug!(%error, "cannot connect to the upstream");
                self.resolver.doubt();
                return Err(ConnectError::Io(error));
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(Socket::plain(tcp));
        };
        match tls.call(Connection::new(self.host.clone(), tcp)).await {
            Ok(connection) => Ok(Socket::tls(connection.into_parts().0)),
            Err(error) => {
                tracing::debug!(%error, "no TLS session with the upstream");
                Err(ConnectError::Io(DialError::Tls.into()))
            }
        }
    }
}

/// Tries the addresses in turn. Each has an equal share of the time that is left, so that one black hole does
/// not eat it all.
async fn first_reachable(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share =
            deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        failure = match timeout(share, open(*address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => error,
            Err(_) => DialError::Timeout.into(),
        };
    }
    Err(failure)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // awc leaves Nagle's algorithm on: a request in two segments would wait for an acknowledgement.
    tcp.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    SockRef::from(&tcp).set_tcp_keepalive(&probes)?;
    Ok(tcp)
}

/// The name that the certificate must carry; an IPv6 address without its brackets.
#[derive(Clone)]
struct HostName(Rc<str>);

impl Host for HostName {
    fn hostname(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sockets_have_no_delay_and_are_probed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = open(listener.local_addr().unwrap()).await.unwrap();
        assert!(tcp.nodelay().unwrap());
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_EVERY);
    }

    #[tokio::test]
    async fn the_next_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = closed.local_addr().unwrap();
        drop(closed);
        let good = listener.local_addr().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let tcp = first_reachable(&[refused, good], deadline).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
        let error = first_reachable(&[refused], deadline).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let late = first_reachable(&[], deadline).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
