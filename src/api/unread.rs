//! Requests that are answered before their body has been read.
//!
//! If the rest of a body is still held when the answer to it has gone out, actix-http closes the connection. If it has been
//! dropped by then, it reads a chunked body on for as long as the client writes.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, Payload};

/// The body of an answer that holds what is left of the request's.
pub(super) fn with(body: BoxBody, rest: Payload) -> BoxBody {
    BoxBody::new(Holding { body, _rest: rest })
}

struct Holding {
    body: BoxBody,
    _rest: Payload,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
