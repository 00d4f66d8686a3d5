//! awc's pool of connections, and how to be rid of it.
//!
//! awc's `Connector` is used rather than its `Client`: connecting and sending are then two steps, so that a
//! failure says by itself whether anything was sent. Its types cannot be named outside of awc, hence the
//! closures.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_http::{Payload, RequestHeadType, ResponseHead, Uri};
use actix_service::Service as _;
use awc::{Connect, Connector};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::dial::Dialler;
use super::error::{SendErrorKind, Sent, connecting, sending};

/// How long an unused connection may be used again: less than the 5 s after which Node closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// How old a connection may be when it is used again.
const LIFETIME: Duration = Duration::from_secs(60);
/// awc's own limit for connecting, which the dialler's shall always precede.
const CONNECT: Duration = Duration::from_secs(2 * 3600);

type Answer = Result<(ResponseHead, Payload), SendErrorKind>;
type Exchange = Box<dyn for<'a> Fn(RequestHeadType, Bytes, &'a Cell<Sent>) -> LocalBoxFuture<'a, Answer>>;

pub(super) struct Pool {
    exchange: Exchange,
    replace: Box<dyn Fn()>,
}

impl Pool {
    /// `uri` names the pool's entry and must be `http`, also where the dialler speaks TLS: for `https` awc
    /// would put TLS of its own on top.
    pub(super) fn new(dialler: Dialler, uri: Uri) -> Self {
        let open = move || {
            Rc::new(
                Connector::new()
                    .connector(dialler.clone())
                    .timeout(CONNECT)
                    // Streams hold their connection for minutes; the proxy has limits of its own.
                    .limit(0)
                    .conn_keep_alive(KEEP_ALIVE)
                    .conn_lifetime(LIFETIME)
                    .finish(),
            )
        };
        let current = Rc::new(RefCell::new(open()));
        let pool = Rc::clone(&current);
        let exchange: Exchange = Box::new(move |head, body, sent| {
            let pool = Rc::clone(&pool);
            let uri = uri.clone();
            async move {
                // Goes round again only if the pool was replaced while this waited: the connection is then not to
                // be trusted. The head's deadline, round all this, bounds it.
                let connection = loop {
                    let from = Rc::clone(&pool.borrow());
                    let request = Connect { uri: uri.clone(), addr: None };
                    let connection = from.call(request).await.map_err(|error| connecting(&error))?;
                    if Rc::ptr_eq(&from, &pool.borrow()) {
                        break connection;
                    }
                };
                sent.set(Sent::Unknown);
                connection.send_request(head, body).await.map_err(|error| sending(&error))
            }
            .boxed_local()
        });
        Self { exchange, replace: Box::new(move || *current.borrow_mut() = open()) }
    }

    /// One request, up to the head of its answer. `sent` turns to [`Sent::Unknown`] when the first byte may go.
    pub(super) fn exchange<'a>(
        &self,
        head: RequestHeadType,
        body: Bytes,
        sent: &'a Cell<Sent>,
    ) -> LocalBoxFuture<'a, Answer> {
        (self.exchange)(head, body, sent)
    }

    /// Puts all connections out of use that are idle now. Requests and bodies under way go on.
    ///
    /// Call it before anything else may run on this worker: the connection whose answer cannot be trusted is
    /// back in awc's pool already.
    pub(super) fn replace(&self) {
        (self.replace)();
    }
}
