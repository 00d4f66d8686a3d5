//! What the handlers of what is kept have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::api::{payload, respond};
use crate::archive::Failed;
use crate::openai::Error;
use crate::proxy::{Exchange, Refused, Worker};

/// When the store may be back.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// A request whose body has not been read yet.
pub(super) struct Body<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) payload: &'a mut Payload,
}

impl Body<'_> {
    /// The whole body.
    pub(super) async fn read(&mut self, worker: &Worker) -> Result<Bytes, Error> {
        let server = &worker.snapshot.config.server;
        payload::read(self.request, self.payload, server, &worker.shared.deadline).await
    }
}

/// Writes what was found, or why nothing was.
pub(super) fn answer(exchange: Exchange, found: Result<Vec<u8>, Error>) -> HttpResponse {
    match found {
        Ok(body) => respond::json(exchange, body),
        Err(error) => respond::refused(Refused::new(error, exchange)),
    }
}

/// Why the archive failed, in OpenAI's words.
pub(super) fn failed(failed: Failed) -> Error {
    match failed {
        Failed::TooLarge => Error::conversation_too_large(),
        Failed::Unavailable => Error::storage_unavailable(STORE_WAIT),
    }
}

/// The time as answers have it.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
