//! `POST` to the endpoints that an app answers: `chat/completions`, `completions`, `responses`.

use std::sync::Arc;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use crate::api::shield::shield;
use crate::api::{hints, payload, respond};
use crate::openai::Error;
use crate::proxy::answer::{Answer, answer};
use crate::proxy::{Caller, Exchange, Frames, Hints, Posed, Question, Refused, Worker};
use crate::telemetry::Metrics;

/// `question`: what the endpoint makes of a body.
pub(super) async fn create(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    question: fn(Bytes) -> Question,
    request: &HttpRequest,
    payload: &mut Payload,
) -> HttpResponse {
    let (hints, body) = match read(worker, caller, request, payload).await {
        Ok(read) => read,
        Err(error) => return respond::refused(Refused::new(error, exchange)),
    };
    give(worker, caller, exchange, hints, question(body), request).await
}

async fn give(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    hints: Hints,
    question: Question,
    request: &HttpRequest,
) -> HttpResponse {
    match answer(worker, caller, exchange, hints, question).await {
        Ok(Answer::Plain { exchange, body }) => respond::json(exchange, body),
        Ok(Answer::Stream { head, frames }) => {
            let metrics = Arc::clone(&worker.shared.metrics);
            let body = BoxBody::new(BodyStream::new(Box::pin(events(frames, metrics))));
            respond::event_stream(request.version(), &head, body)
        }
        Err(refused) => respond::refused(refused),
    }
}

/// The same for `responses`, where a request can refer to what is kept.
pub(super) async fn respond(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    request: &HttpRequest,
    payload: &mut Payload,
) -> HttpResponse {
    let read = async {
        let (hints, body) = read(worker, caller, request, payload).await?;
        let posed = Posed::of(worker, caller, body).await?;
        Ok((hints, Question::Response(Arc::new(posed))))
    };
    match read.await {
        Ok((hints, question)) => give(worker, caller, exchange, hints, question, request).await,
        Err(error) => respond::refused(Refused::new(error, exchange)),
    }
}

async fn read(
    worker: &Worker,
    caller: &Caller,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<(Hints, Bytes), Error> {
    let config = &worker.snapshot.config;
    let body = payload::read(request, payload, &config.server, &worker.shared.deadline).await?;
    let hints = hints::of(request, &config.sessions, caller)?;
    Ok((hints, body))
}

/// The frames as a body. If we break in the middle, the client is told, and the process lives.
fn events(
    frames: Frames,
    metrics: Arc<Metrics>,
) -> impl stream::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::unfold(Some((frames, metrics)), |state| async {
        let (mut frames, metrics) = state?;
        let Some(next) = shield(&metrics, frames.next()).await else {
            return Some((Ok(frames.panicked()), None));
        };
        next.map(|bytes| (Ok(bytes), Some((frames, metrics))))
    })
}
