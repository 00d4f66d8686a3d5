//! Interim responses: skipped, and the connection stays in step.

use chipp_proxy::upstream::{SendErrorKind, Sent};
use futures_util::future::join;
use tokio::io::AsyncWriteExt as _;

use crate::scene::{OK, Server, failure, see_events, send, text, worker};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const SECOND: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond";

#[test]
fn interim_responses_are_skipped_and_the_connection_is_used_again() {
    let (status, rest) = HINTS.split_at("HTTP/1.1 1".len());
    let (fields, end) = HINTS.split_at(HINTS.len() - 1);
    let all = format!("{CONTINUE}{HINTS}{OK}");
    let cases: [&[&str]; 6] = [
        &[HINTS, OK],
        &[&all],
        &[status, rest, OK],
        &[fields, &format!("{end}{OK}")],
        &[CONTINUE, HINTS, "HTTP/1.1 102 Processing\n\n", OK],
        &["HTTP/1.1 200", " OK\r\ncontent-length: 2\r\n\r\nok"],
    ];
    for pieces in cases {
        worker(async {
            let (server, client) = Server::start().await;
            let (reply, mut peer) = join(send(&client), async {
                let (mut peer, _) = server.ask().await;
                for piece in pieces {
                    peer.write(piece).await;
                    see_events().await;
                    see_events().await;
                }
                peer
            })
            .await;
            assert_eq!(text(reply).await, "ok", "{pieces:?}");
            let again = async {
                assert!(peer.request().await.is_some(), "the connection is used again");
                peer.write(HINTS).await;
                peer.write(SECOND).await;
            };
            let (reply, ()) = join(send(&client), again).await;
            assert_eq!(text(reply).await, "second", "{pieces:?}");
        });
    }
}

#[test]
fn an_interim_response_that_comes_too_late_is_given_to_nobody() {
    worker(async {
        let (server, client) = Server::start().await;
        let (reply, mut peer) = join(send(&client), server.serve(OK)).await;
        assert_eq!(text(reply).await, "ok");
        peer.write(HINTS).await;
        see_events().await;
        let (reply, _peer) = join(send(&client), server.serve(SECOND)).await;
        assert_eq!(text(reply).await, "second", "on a connection of its own");
    });
}

#[test]
fn interim_responses_without_end_are_malformed() {
    worker(async {
        let (server, client) = Server::start().await;
        let serve = async {
            let (mut peer, _) = server.ask().await;
            // The client may leave before it has all of them.
            let _ = peer.0.write_all(HINTS.repeat(2000).as_bytes()).await;
            peer
        };
        let (reply, _peer) = join(send(&client), serve).await;
        assert_eq!(failure(reply), (SendErrorKind::Malformed, Sent::Unknown));
    });
}

#[test]
fn an_end_within_an_interim_response_is_no_answer() {
    worker(async {
        let (server, client) = Server::start().await;
        let (reply, ()) = join(send(&client), async { drop(server.serve("HTTP/1.1 103 Early").await) }).await;
        assert_eq!(failure(reply), (SendErrorKind::Disconnected, Sent::Unknown));
    });
}
