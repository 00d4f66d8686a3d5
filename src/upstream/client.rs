//! One request to Chipp, from its parts to an answer that may be trusted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::SystemTime;

use actix_http::{ConnectionType, Payload, ResponseHead};
use bytes::Bytes;
use tokio::time::{Duration, Instant, timeout_at};

use super::dial::Dialler;
use super::head::{self, Endpoint, Heads};
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
        })))
    }

    /// Sends one request, once, and waits for the head of its answer. Dropping the future cancels the request:
    /// its connection is closed.
    pub async fn send(&self, call: Call<'_>) -> Result<Reply, SendError> {
        let sent = Cell::new(Sent::Never);
        self.0.answer(call, &sent).await.map_err(|kind| SendError { kind, sent: sent.get() })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Inner {
    async fn answer(&self, call: Call<'_>, sent: &Cell<Sent>) -> Result<Reply, SendErrorKind> {
        let request = self.heads.of(&call).ok_or(SendErrorKind::Unsendable)?;
        let head_due = Instant::now().checked_add(self.timeouts.first_byte);
        let due = head_due.map_or(call.deadline, |at| at.min(call.deadline));
        let exchange = self.pool.exchange(request, call.body, sent);
        let (head, payload) = timeout_at(due, exchange).await.map_err(|_| {
            if due == call.deadline { SendErrorKind::TotalTimeout } else { SendErrorKind::HeadTimeout }
        })??;
        // No await from here on: the connection may be back in the pool, and others must not meet it there.
        let framing = head::framing(&head, call.correlation_id);
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
            body: Body::new(payload, framing?, self.timeouts.idle, call.deadline),
        })
    }
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
