//! The client against bare TCP servers that do what HTTP servers should not.
//!
//! Server and client share one thread and take turns: no test sleeps. Where a clock has to run out, time is
//! paused once the server has fallen silent.

#![expect(clippy::unwrap_used, reason = "a failure to set the scene fails the test")]
#![expect(clippy::panic, reason = "the helpers of a test may fail it")]

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use chipp_proxy::config::{Secret, Timeouts, Upstream};
use chipp_proxy::ids::ChatSessionId;
use chipp_proxy::upstream::{
    Accept, BodyError, BuildError, Call, Client, Framing, Reply, SendError, SendErrorKind, Sent, Tls,
};
use futures_util::future::{join, join_all};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(20),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(60),
};
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SECRET: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";

/// Runs a test as an actix worker runs its handlers.
fn worker<F: Future>(test: F) -> F::Output {
    actix_rt::System::new().block_on(test)
}

fn settings(base_url: String) -> Upstream {
    Upstream {
        base_url,
        timeouts: TIMEOUTS,
        ca_file: None,
        reuse_connections: true,
    }
}

fn client(settings: &Upstream) -> Client {
    Client::new(&Tls::load(settings).unwrap(), settings).unwrap()
}

fn call<'a>(key: &'a Secret, correlation_id: &'a str) -> Call<'a> {
    Call {
        key,
        body: Bytes::from_static(b"{}"),
        session: None,
        correlation_id,
        accept: Accept::Json,
        deadline: Instant::now() + TIMEOUTS.total,
    }
}

async fn send(client: &Client) -> Result<Reply, SendError> {
    client.send(call(&Secret::new("chipp_key"), "req-1")).await
}

fn failure(result: Result<Reply, SendError>) -> (SendErrorKind, Sent) {
    match result {
        Ok(reply) => panic!("answered with {}", reply.status),
        Err(error) => (error.kind, error.sent),
    }
}

async fn text(reply: Result<Reply, SendError>) -> String {
    let body = reply.unwrap().body.collect(1000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

struct Server(TcpListener);

impl Server {
    async fn start() -> (Self, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&settings(format!(
            "http://{}/api/v1",
            listener.local_addr().unwrap()
        )));
        (Self(listener), client)
    }

    /// A connection on which a request has come.
    async fn ask(&self) -> (Peer, String) {
        let mut peer = Peer(self.0.accept().await.unwrap().0);
        let request = peer.request().await.unwrap();
        (peer, request)
    }

    /// One connection, one request, one answer; the connection stays open.
    async fn serve(&self, answer: &str) -> Peer {
        let (mut peer, _) = self.ask().await;
        peer.write(answer).await;
        peer
    }
}

struct Peer(TcpStream);

impl Peer {
    /// A whole request; `None` if the connection was closed instead.
    async fn request(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n{}") {
            if self.0.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        Some(String::from_utf8(text).unwrap())
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }

    /// Lies in wait: whoever uses this connection again gets what was meant for another.
    fn betray(mut self) {
        actix_rt::spawn(async move {
            if self.request().await.is_some() {
                self.write(SECRET).await;
            }
        });
    }
}

/// Answers one request of a new client, and closes.
async fn answered(answer: &str) -> Result<Reply, SendError> {
    let (server, client) = Server::start().await;
    let serve = async { drop(server.serve(answer).await) };
    join(send(&client), serve).await.0
}

#[test]
fn a_request_carries_what_is_documented_and_nothing_else() {
    worker(async {
        let (server, client) = Server::start().await;
        let session = ChatSessionId::parse("0192-session").unwrap();
        let key = Secret::new("chipp_key");
        let call = Call {
            session: Some(&session),
            accept: Accept::Stream,
            ..call(&key, "req-1")
        };
        let answer = "HTTP/1.1 200 OK\r\nX-Chat-Session-ID: 0193-new\r\nX-Correlation-ID: req-1\r\n\
            content-length: 2\r\n\r\nok";
        let (reply, (_peer, request)) = join(client.send(call), async {
            let (mut peer, request) = server.ask().await;
            peer.write(answer).await;
            (peer, request)
        })
        .await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.retry_after), (200, None));
        assert_eq!(reply.session, ChatSessionId::parse("0193-new"));

        let mut lines: Vec<&str> = request.lines().collect();
        assert_eq!(lines.remove(0), "POST /api/v1/chat/completions HTTP/1.1");
        assert_eq!(lines.pop(), Some("{}"));
        assert_eq!(lines.pop(), Some(""));
        lines.retain(|line| !line.starts_with("date: "));
        lines.sort_unstable();
        let host = format!("host: {}", server.0.local_addr().unwrap());
        let expected = [
            "accept-encoding: identity",
            "accept: text/event-stream",
            "authorization: Bearer chipp_key",
            "content-length: 2",
            "content-type: application/json",
            host.as_str(),
            concat!("user-agent: chipp-proxy/", env!("CARGO_PKG_VERSION")),
            "x-chat-session-id: 0192-session",
            "x-correlation-id: req-1",
        ];
        assert_eq!(lines, expected);
    });
}

#[test]
fn connections_are_used_again_unless_that_is_off() {
    for reuse_connections in [true, false] {
        worker(async {
            let (server, _) = Server::start().await;
            let mut settings = settings(format!("http://{}", server.0.local_addr().unwrap()));
            settings.reuse_connections = reuse_connections;
            let client = client(&settings);
            let (reply, mut peer) = join(send(&client), server.serve(OK)).await;
            assert_eq!(text(reply).await, "ok");
            if reuse_connections {
                let again = async {
                    assert!(peer.request().await.is_some());
                    peer.write(OK).await;
                };
                let (reply, ()) = join(send(&client), again).await;
                assert_eq!(text(reply).await, "ok");
            } else {
                assert!(peer.is_closed().await);
            }
        });
    }
}

#[test]
fn what_awc_did_not_read_is_given_to_nobody() {
    let cases = [
        ("HTTP/1.1 103 Early Hints\r\n\r\n", Some(SendErrorKind::Interim)),
        ("HTTP/1.1 200 OK\r\n\r\n", Some(SendErrorKind::Unframed)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nx-correlation-id: req-0\r\ncontent-length: 0\r\n\r\n",
            Some(SendErrorKind::Mismatched),
        ),
        (
            "HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n",
            None,
        ),
    ];
    for (answer, kind) in cases {
        worker(async {
            let (server, client) = Server::start().await;
            let (reply, first) = join(send(&client), server.serve(answer)).await;
            assert_eq!(reply.err().map(|error| error.kind), kind, "{answer}");
            first.betray();
            let (reply, _second) = join(send(&client), server.serve(OK)).await;
            assert_eq!(text(reply).await, "ok", "{answer}");
        });
    }
}

#[test]
fn errors_without_a_body_are_ordinary_answers() {
    let cases = [
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
            401,
            Framing::Length(0),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::Length(0)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, Framing::Unframed),
        (
            "HTTP/1.1 524 \r\nconnection: close\r\n\r\n<html>",
            524,
            Framing::Unframed,
        ),
    ];
    for (answer, status, framing) in cases {
        worker(async {
            let reply = answered(answer).await.unwrap();
            assert_eq!(
                (reply.status, reply.body.framing()),
                (status, framing),
                "{answer}"
            );
            assert_eq!(text(Ok(reply)).await, "", "{answer}");
        });
    }
}

#[test]
fn a_cut_body_is_not_a_short_one() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc".to_owned(),
            Some(BodyError::Cut),
        ),
        (format!("{chunked}3\r\nabc\r\n"), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc"), Some(BodyError::Cut)),
        (format!("{chunked}6\r\nabc"), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc\r\n0\r\n"), Some(BodyError::Cut)),
        (
            format!("{chunked}3\r\nabc\r\nnonsense\r\n"),
            Some(BodyError::Malformed),
        ),
        (format!("{chunked}3\r\nabc\r\n0\r\n\r\n"), None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc".to_owned(), None),
        ("HTTP/1.0 200 OK\r\n\r\nabc".to_owned(), None),
    ];
    for (answer, expected) in cases {
        worker(async {
            let mut body = answered(&answer).await.unwrap().body;
            assert_eq!(
                body.next().await,
                Some(Ok(Bytes::from_static(b"abc"))),
                "{answer}"
            );
            assert_eq!(body.next().await, expected.map(Err), "{answer}");
        });
    }
}

#[test]
fn a_redirect_is_an_answer() {
    worker(async {
        let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\nretry-after: 7\r\n\
            content-length: 0\r\n\r\n";
        let reply = answered(elsewhere).await.unwrap();
        assert_eq!(
            (reply.status, reply.retry_after),
            (307, Some(Duration::from_secs(7)))
        );
    });
}

#[test]
fn many_streams_are_open_at_once() {
    const STREAMS: usize = 150;
    worker(async {
        let (server, client) = Server::start().await;
        let requests = join_all((0..STREAMS).map(|_| send(&client)));
        let peers = async {
            let mut peers = Vec::new();
            while peers.len() < STREAMS {
                peers.push(server.serve(STREAM).await);
            }
            peers
        };
        let (replies, peers) = join(requests, peers).await;
        let mut bodies: Vec<_> = replies.into_iter().map(|reply| reply.unwrap().body).collect();
        for body in &mut bodies {
            assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"abc"))));
        }
        for mut peer in peers {
            peer.write("0\r\n\r\n").await;
        }
        for body in &mut bodies {
            assert_eq!(body.next().await, None);
        }
    });
}

#[test]
fn dropping_the_request_or_the_body_closes_the_connection() {
    worker(async {
        let (server, client) = Server::start().await;
        let (mut peer, _) = tokio::select! {
            _ = send(&client) => panic!("nobody answered"),
            asked = server.ask() => asked,
        };
        assert!(peer.is_closed().await, "the request was dropped");

        let (reply, mut peer) = join(send(&client), server.serve(STREAM)).await;
        drop(reply.unwrap());
        assert!(peer.is_closed().await, "the body was dropped");
    });
}

#[test]
fn the_head_and_the_pieces_of_a_body_have_their_clocks() {
    worker(async {
        let (server, client) = Server::start().await;
        let silent = async {
            let (peer, _) = server.ask().await;
            tokio::time::pause();
            peer
        };
        let start = Instant::now();
        let (reply, _peer) = join(send(&client), silent).await;
        assert_eq!(failure(reply), (SendErrorKind::HeadTimeout, Sent::Unknown));
        assert!(start.elapsed() >= TIMEOUTS.first_byte);
        tokio::time::resume();

        let (reply, mut peer) = join(send(&client), server.serve(STREAM)).await;
        let mut body = reply.unwrap().body;
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::pause();
        let start = Instant::now();
        assert_eq!(body.next().await, Some(Err(BodyError::IdleTimeout)));
        assert!(start.elapsed() >= TIMEOUTS.idle);
        drop(body);
        assert!(peer.is_closed().await);
    });
}

#[test]
fn the_deadline_rules_over_the_other_clocks() {
    worker(async {
        let (server, client) = Server::start().await;
        let key = Secret::new("chipp_key");
        let hurried = || Call {
            deadline: Instant::now() + TIMEOUTS.first_byte / 2,
            ..call(&key, "req-1")
        };
        let silent = async {
            let (peer, _) = server.ask().await;
            tokio::time::pause();
            peer
        };
        let (reply, _peer) = join(client.send(hurried()), silent).await;
        assert_eq!(failure(reply), (SendErrorKind::TotalTimeout, Sent::Unknown));
        tokio::time::resume();

        let (reply, _peer) = join(client.send(hurried()), server.serve(STREAM)).await;
        let mut body = reply.unwrap().body;
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::pause();
        assert_eq!(body.next().await, Some(Err(BodyError::TotalTimeout)));
    });
}

#[test]
fn whether_a_failed_request_was_sent() {
    worker(async {
        let (server, client) = Server::start().await;
        let reset = async { server.ask().await.0.0.set_zero_linger().unwrap() };
        let (reply, ()) = join(send(&client), reset).await;
        assert_eq!(failure(reply), (SendErrorKind::Disconnected, Sent::Unknown));

        let close = async { drop(server.ask().await) };
        let (reply, ()) = join(send(&client), close).await;
        assert_eq!(failure(reply), (SendErrorKind::Disconnected, Sent::Unknown));

        let (reply, _peer) = join(send(&client), server.serve("SSH-2.0-OpenSSH\r\n\r\n")).await;
        assert_eq!(failure(reply), (SendErrorKind::Malformed, Sent::Unknown));

        drop(server);
        assert_eq!(
            failure(send(&client).await),
            (SendErrorKind::Connect, Sent::Never)
        );
        let unsendable = client.send(call(&Secret::new("chipp_key"), "two\r\nlines")).await;
        assert_eq!(failure(unsendable), (SendErrorKind::Unsendable, Sent::Never));
    });
}

#[test]
fn an_idle_connection_that_was_closed_is_not_used_again() {
    worker(async {
        let (server, client) = Server::start().await;
        let (reply, peer) = join(send(&client), server.serve(OK)).await;
        assert_eq!(text(reply).await, "ok");
        drop(peer);
        // An event that comes later than the end of the connection: after it, the reactor has seen both.
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        TcpStream::connect(other.local_addr().unwrap()).await.unwrap();
        let (reply, _peer) = join(send(&client), server.serve(OK)).await;
        assert_eq!(text(reply).await, "ok");
    });
}

#[test]
fn connecting_has_a_limit_and_nothing_was_sent_by_then() {
    worker(async {
        let (server, _) = Server::start().await;
        let client = client(&settings(format!("https://{}", server.0.local_addr().unwrap())));
        let mute = async {
            let mut peer = server.0.accept().await.unwrap().0;
            let first = peer.read_u8().await.unwrap();
            tokio::time::pause();
            (peer, first)
        };
        let (reply, (_peer, first)) = join(send(&client), mute).await;
        assert_eq!(failure(reply), (SendErrorKind::ConnectTimeout, Sent::Never));
        assert_eq!(first, 0x16, "a TLS handshake, not a request in the clear");
    });
}

#[test]
fn a_name_that_does_not_exist() {
    worker(async {
        let client = client(&settings("http://chipp.invalid/api/v1".to_owned()));
        assert_eq!(
            failure(send(&client).await),
            (SendErrorKind::Resolve, Sent::Never)
        );
    });
}

#[test]
fn a_client_that_cannot_work_is_not_built() {
    let tls = Tls::load(&settings(String::new())).unwrap();
    for base_url in ["", "chipp.test", "file:///etc/passwd"] {
        let result = Client::new(&tls, &settings(base_url.to_owned()));
        assert!(matches!(result, Err(BuildError::BaseUrl)), "{base_url:?}");
    }
}

/// A TLS server for one connection: answers one request, closes in good order, and returns the protocol that
/// was agreed on.
struct TlsServer {
    port: u16,
    ca_file: tempfile::NamedTempFile,
    thread: JoinHandle<Option<Vec<u8>>>,
}

impl TlsServer {
    fn start(answer: &'static str) -> Self {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut ca_file = tempfile::NamedTempFile::new().unwrap();
        ca_file.write_all(issued.cert.pem().as_bytes()).unwrap();
        let key = issued.signing_key.serialize_der().try_into().unwrap();
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![issued.cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let thread = std::thread::spawn(move || {
            let mut stream = rustls::StreamOwned::new(connection, listener.accept().unwrap().0);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n{}") {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
                request.extend_from_slice(buffer.get(..count)?);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            stream.conn.alpn_protocol().map(<[u8]>::to_vec)
        });
        Self {
            port,
            ca_file,
            thread,
        }
    }

    fn client(&self, ca_file: Option<&Path>) -> Client {
        let mut settings = settings(format!("https://localhost:{}", self.port));
        settings.ca_file = ca_file.map(Path::to_owned);
        client(&settings)
    }
}

#[test]
fn tls_with_a_root_of_ones_own_speaks_http_1_1() {
    let server = TlsServer::start(OK);
    worker(async {
        let client = server.client(Some(server.ca_file.path()));
        assert_eq!(text(send(&client).await).await, "ok");
    });
    assert_eq!(server.thread.join().unwrap().as_deref(), Some(&b"http/1.1"[..]));
}

#[test]
fn tls_with_a_stranger_is_refused_before_the_request() {
    let server = TlsServer::start(OK);
    worker(async {
        let result = send(&server.client(None)).await;
        assert_eq!(failure(result), (SendErrorKind::Tls, Sent::Never));
    });
    assert_eq!(server.thread.join().unwrap(), None, "no request came");
}

#[test]
fn a_body_that_is_cut_by_an_orderly_end_of_tls_is_cut() {
    let server = TlsServer::start(STREAM);
    worker(async {
        let client = server.client(Some(server.ca_file.path()));
        let mut body = send(&client).await.unwrap().body;
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(body.next().await, Some(Err(BodyError::Cut)));
    });
    server.thread.join().unwrap();
}
