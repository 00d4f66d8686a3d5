//! One request to Chipp, from its parts to an answer that may be trusted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::SystemTime;

use actix_http::{ConnectionType, Payload, RequestHeadType, ResponseHead};
use bytes::Bytes;
use tokio::time::{Duration, Instant, timeout_at};

use super::coding::{Coding, Decoder};
use super::dial::Dialler;
use super::head::{self, Echo, Endpoint, Heads};
use super::pool::Pool;
use super::{Body, BuildError, Framing, SendError, SendErrorKind, Sent, Tls};
use crate::config::{Timeouts, Upstream};
use crate::ids::ChatSessionId;
use crate::secret::Secret;

/// The way to Chipp of one worker, with its pool of connections. Cheap to clone; stays on its thread.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    heads: Heads,
    pool: Pool,
    timeouts: Timeouts,
    /// Whether an answer has come with the correlation id of its request. Chipp documents no echo, and may give the
    /// header a meaning of its own; only of an upstream that echoes, another id says that the answer is another's.
    echoes: Cell<bool>,
}

/// One request.
pub struct Call<'a> {
    /// The app's key.
    pub key: &'a Secret,
    /// The JSON.
    pub body: Bytes,
    /// The session to go on with; `None` starts one.
    pub session: Option<&'a ChatSessionId>,
    /// What Chipp shall call the request in its traces.
    pub correlation_id: &'a str,
    /// What is wanted.
    pub accept: Accept,
    /// When the whole exchange, body included, must be over.
    pub deadline: Instant,
}

/// What kind of answer is wanted. Chipp goes by the body's `stream`; this is for what stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Stream,
}

/// The head of an answer, and its body to come.
pub struct Reply {
    /// The HTTP status, never 1xx. A redirect is not followed: 3xx is a failure of the upstream's.
    pub status: u16,
    /// `X-Chat-Session-ID`.
    pub session: Option<ChatSessionId>,
    /// `Retry-After`, of anything but a success.
    pub retry_after: Option<Duration>,
    /// The bytes.
    pub body: Body,
}

impl Client {
    /// A client for this thread. Connects to nothing yet.
    pub fn new(tls: &Tls, settings: &Upstream) -> Result<Self, BuildError> {
        let endpoint = Endpoint::parse(&settings.base_url)?;
        let connection =
            if settings.reuse_connections { ConnectionType::KeepAlive } else { ConnectionType::Close };
        let heads = Heads::new(&endpoint, connection);
        let tls = endpoint.https.then_some(tls);
        let dialler = Dialler::new(&endpoint.host, endpoint.port, tls, settings.timeouts.connect);
        Ok(Self(Rc::new(Inner {
            heads,
            pool: Pool::new(dialler, endpoint.uri),
            timeouts: settings.timeouts,
            echoes: Cell::new(false),
        })))
    }

    /// Sends one request, once, and waits for the head of its answer. Dropping the future cancels the request:
    /// its connection is closed.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let head = self.0.heads.of(&call);
        self.0.send(head, call.body, call.correlation_id, call.deadline).await
    }

    /// Asks for the transcript of a session. Nothing that Chipp could act on: it may be asked again.
    pub async fn transcript(
        &self,
        key: &Secret,
        session: &ChatSessionId,
        correlation_id: &str,
        deadline: Instant,
    ) -> Result<Reply, SendError> {
        let head = self.0.heads.transcript(key, session, correlation_id);
        self.0.send(head, Bytes::new(), correlation_id, deadline).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Inner {
    async fn send(
        &self,
        head: Option<RequestHeadType>,
        body: Bytes,
        correlation_id: &str,
        deadline: Instant,
    ) -> Result<Reply, SendError> {
        let sent = Cell::new(Sent::Never);
        let answer = async {
            let head = head.ok_or(SendErrorKind::Unsendable)?;
            self.answer(self.pool.exchange(head, body, &sent), correlation_id, deadline).await
        };
        answer.await.map_err(|kind| SendError { kind, sent: sent.get() })
    }

    async fn answer(
        &self,
        exchange: impl Future<Output = Result<(ResponseHead, Payload), SendErrorKind>>,
        correlation_id: &str,
        deadline: Instant,
    ) -> Result<Reply, SendErrorKind> {
        let head_due = Instant::now().checked_add(self.timeouts.first_byte);
        let due = head_due.map_or(deadline, |at| at.min(deadline));
        let (head, payload) = timeout_at(due, exchange).await.map_err(|_| {
            if due == deadline { SendErrorKind::TotalTimeout } else { SendErrorKind::HeadTimeout }
        })??;
        // No await from here on: the connection may be back in the pool, and others must not meet it there.
        let framing = self.check_echo(&head, correlation_id).and_then(|()| head::framing(&head));
        if is_out_of_step(&head, &payload, framing) {
            tracing::debug!(
                "the connections to the upstream are replaced: an answer did not fit its request"
            );
            self.pool.replace();
        }
        let success = head.status.is_success();
        Ok(Reply {
            status: head.status.as_u16(),
            session: head::session(&head.headers),
            retry_after: if success { None } else { head::retry_after(&head.headers, SystemTime::now()) },
            body: match decoder(&head, framing?) {
                Ok(decoder) => Body::new(payload, framing?, self.timeouts.idle, deadline).decoded(decoder),
                Err(kind) if success => return Err(kind),
                // The status of an error says enough.
                Err(_) => Body::new(payload, framing?, self.timeouts.idle, deadline).unread(),
            },
        })
    }

    fn check_echo(&self, head: &ResponseHead, correlation_id: &str) -> Result<(), SendErrorKind> {
        match head::echo(head, correlation_id) {
            Echo::Other if self.echoes.get() => return Err(SendErrorKind::Mismatched),
            Echo::Same => self.echoes.set(true),
            Echo::Other | Echo::None => {}
        }
        Ok(())
    }
}

/// The decoder that the body needs, if there is a body and it is coded.
fn decoder(head: &ResponseHead, framing: Framing) -> Result<Option<Decoder>, SendErrorKind> {
    if matches!(framing, Framing::Length(0) | Framing::Unframed) {
        return Ok(None);
    }
    Coding::of(&head.headers)?.map(Decoder::new).transpose()
}

/// Whether bytes that nobody reads may still come on the connection, while awc would use it again.
fn is_out_of_step(head: &ResponseHead, payload: &Payload, framing: Result<Framing, SendErrorKind>) -> bool {
    match framing {
        Err(SendErrorKind::Unframed) | Ok(Framing::Unframed) => head.keep_alive(),
        Err(_) => true,
        // awc reads no body beside an `upgrade: websocket`, whatever the head says of one.
        Ok(Framing::Length(1..) | Framing::Chunked) => matches!(payload, Payload::None),
        Ok(Framing::Length(0) | Framing::UntilClose) => false,
    }
}
