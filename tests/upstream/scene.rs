//! The scene of these tests: a worker with its client, and a server that is told what to do.

use std::future::Future;

use bytes::Bytes;
use chipp_proxy::config::{Breaker, EmptyReply, LearnSession, Retry, Timeouts, Upstream};
use chipp_proxy::secret::Secret;
use chipp_proxy::upstream::{Accept, Call, Client, Reply, SendError, SendErrorKind, Sent, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant};

pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(20),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(60),
};
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(crate) const SECRET: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
pub(crate) const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";

/// Runs a test as an actix worker runs its handlers.
pub(crate) fn worker<F: Future>(test: F) -> F::Output {
    actix_rt::System::new().block_on(test)
}

pub(crate) fn settings(base_url: String) -> Upstream {
    Upstream {
        base_url,
        timeouts: TIMEOUTS,
        retry: Retry::default(),
        breaker: Breaker::default(),
        learn_session: LearnSession::Stream,
        empty_reply: EmptyReply::Return,
        ca_file: None,
        reuse_connections: true,
    }
}

pub(crate) fn client(settings: &Upstream) -> Client {
    Client::new(&Tls::load(settings).unwrap(), settings).unwrap()
}

pub(crate) fn call<'a>(key: &'a Secret, correlation_id: &'a str) -> Call<'a> {
    Call {
        key,
        body: Bytes::from_static(b"{}"),
        session: None,
        correlation_id,
        accept: Accept::Json,
        deadline: Instant::now() + TIMEOUTS.total,
    }
}

pub(crate) async fn send(client: &Client) -> Result<Reply, SendError> {
    client.send(call(&Secret::new("chipp_key"), "req-1")).await
}

pub(crate) fn failure(result: Result<Reply, SendError>) -> (SendErrorKind, Sent) {
    match result {
        Ok(reply) => panic!("answered with {}", reply.status),
        Err(error) => (error.kind, error.sent),
    }
}

pub(crate) async fn text(reply: Result<Reply, SendError>) -> String {
    let body = reply.unwrap().body.collect(1000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Lets the reactor see what has happened to all sockets by now: it looks for events when it is asked for a later
/// one.
pub(crate) async fn see_events() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    TcpStream::connect(other.local_addr().unwrap()).await.unwrap();
}

pub(crate) struct Server(pub(crate) TcpListener);

impl Server {
    pub(crate) async fn start() -> (Self, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&settings(format!("http://{}/api/v1", listener.local_addr().unwrap())));
        (Self(listener), client)
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer(self.0.accept().await.unwrap().0)
    }

    /// A connection on which a request has come.
    pub(crate) async fn ask(&self) -> (Peer, String) {
        let mut peer = self.accept().await;
        let request = peer.request().await.unwrap();
        (peer, request)
    }

    /// One connection, one request, one answer; the connection stays open.
    pub(crate) async fn serve(&self, answer: impl AsRef<[u8]>) -> Peer {
        let (mut peer, _) = self.ask().await;
        peer.write(answer).await;
        peer
    }
}

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    /// A whole request; `None` if the connection was closed instead.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n{}") {
            if self.0.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        Some(String::from_utf8(text).unwrap())
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }

    /// Lies in wait: whoever uses this connection again gets what was meant for another.
    pub(crate) fn betray(mut self) {
        actix_rt::spawn(async move {
            if self.request().await.is_some() {
                self.write(SECRET).await;
            }
        });
    }
}
