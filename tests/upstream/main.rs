//! The client against bare TCP servers that do what HTTP servers should not.
//!
//! Server and client share one thread and take turns: no test sleeps. Where a clock has to run out, time is
//! paused once the server has fallen silent.

#![expect(clippy::unwrap_used, reason = "a failure to set the scene fails the test")]
#![expect(clippy::panic, reason = "the helpers of a test may fail it")]

mod coded;
mod interim;
mod scene;
mod tls;

use std::pin::pin;

use bytes::Bytes;
use chipp_proxy::ids::ChatSessionId;
use chipp_proxy::secret::Secret;
use chipp_proxy::upstream::{
    Accept, BodyError, BuildError, Call, Client, Framing, Reply, SendError, SendErrorKind, Sent, Tls,
};
use futures_util::future::{join, join_all};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Duration, Instant};

use crate::scene::{
    OK, STREAM, Server, TIMEOUTS, call, client, failure, see_events, send, settings, text, worker,
};

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
        let call = Call { session: Some(&session), accept: Accept::Stream, ..call(&key, "req-1") };
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
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Some(SendErrorKind::Interim)),
        ("HTTP/1.1 200 OK\r\n\r\n", Some(SendErrorKind::Unframed)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n", None),
    ];
    for (answer, kind) in cases {
        worker(async {
            let (server, client) = Server::start().await;
            let (reply, first) = join(send(&client), server.serve(answer)).await;
            assert_eq!(reply.err().map(|error| error.kind), kind, "{answer}");
            first.betray();
            actix_rt::spawn(async move { server.serve(OK).await });
            assert_eq!(text(send(&client).await).await, "ok", "{answer}");
        });
    }
}

#[test]
fn another_correlation_id_counts_once_an_upstream_has_shown_that_it_echoes() {
    const OTHER: &str = "HTTP/1.1 200 OK\r\nx-correlation-id: req-0\r\ncontent-length: 2\r\n\r\nok";
    const OURS: &str = "HTTP/1.1 200 OK\r\nx-correlation-id: req-1\r\ncontent-length: 2\r\n\r\nok";
    worker(async {
        let (server, client) = Server::start().await;
        let (reply, mut peer) = join(send(&client), server.serve(OTHER)).await;
        assert_eq!(text(reply).await, "ok", "an id of Chipp's own");
        for (answer, kind) in [(OURS, None), (OTHER, Some(SendErrorKind::Mismatched))] {
            let again = async {
                assert!(peer.request().await.is_some());
                peer.write(answer).await;
            };
            let (reply, ()) = join(send(&client), again).await;
            assert_eq!(reply.as_ref().err().map(|error| error.kind), kind);
            if kind.is_none() {
                assert_eq!(text(reply).await, "ok");
            }
        }
    });
}

#[test]
fn a_request_that_was_connecting_meanwhile_starts_over() {
    worker(async {
        let (server, client) = Server::start().await;
        let mut first = pin!(send(&client));
        let (mut peer, _) = tokio::select! {
            _ = &mut first => panic!("nobody answered"),
            asked = server.ask() => asked,
        };
        peer.write("HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
        see_events().await;
        actix_rt::spawn(async move {
            server.accept().await.betray();
            server.serve(OK).await
        });
        // In this order: the second begins to connect, the first finds its unfit answer, the second is connected.
        let (second, first) = join(send(&client), first).await;
        assert_eq!(failure(first), (SendErrorKind::Interim, Sent::Unknown));
        assert_eq!(text(second).await, "ok");
    });
}

#[test]
fn errors_without_a_body_are_ordinary_answers() {
    let cases = [
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", 401, Framing::Length(0)),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::Length(0)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, Framing::Unframed),
        ("HTTP/1.1 524 \r\nconnection: close\r\n\r\n<html>", 524, Framing::Unframed),
    ];
    for (answer, status, framing) in cases {
        worker(async {
            let reply = answered(answer).await.unwrap();
            assert_eq!((reply.status, reply.body.framing()), (status, framing), "{answer}");
            assert_eq!(text(Ok(reply)).await, "", "{answer}");
        });
    }
}

#[test]
fn a_cut_body_is_not_a_short_one() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc".to_owned(), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc\r\n"), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc"), Some(BodyError::Cut)),
        (format!("{chunked}6\r\nabc"), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc\r\n0\r\n"), Some(BodyError::Cut)),
        (format!("{chunked}3\r\nabc\r\nnonsense\r\n"), Some(BodyError::Malformed)),
        (format!("{chunked}3\r\nabc\r\n0\r\n\r\n"), None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc".to_owned(), None),
        ("HTTP/1.0 200 OK\r\n\r\nabc".to_owned(), None),
    ];
    for (answer, expected) in cases {
        worker(async {
            let mut body = answered(&answer).await.unwrap().body;
            assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"abc"))), "{answer}");
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
        assert_eq!((reply.status, reply.retry_after), (307, Some(Duration::from_secs(7))));
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
        let hurried = || Call { deadline: Instant::now() + TIMEOUTS.first_byte / 2, ..call(&key, "req-1") };
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
        assert_eq!(failure(send(&client).await), (SendErrorKind::Connect, Sent::Never));
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
        see_events().await;
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
            let mut peer = server.accept().await.0;
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
fn a_client_that_cannot_work_is_not_built() {
    let tls = Tls::load(&settings(String::new())).unwrap();
    for base_url in ["", "chipp.test", "file:///etc/passwd"] {
        let result = Client::new(&tls, &settings(base_url.to_owned()));
        assert!(matches!(result, Err(BuildError::BaseUrl)), "{base_url:?}");
    }
}
