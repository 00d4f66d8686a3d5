//! HTTP, towards clients: which path is what, what a request brings, and how an answer looks on the wire.
//!
//! A handler is thin: it reads, asks `proxy`, and writes. It knows neither Chipp nor where state is kept.

mod admin;
mod conversations;
mod cors;
mod create;
mod credential;
mod error;
mod headers;
mod hints;
mod kept;
mod models;
mod payload;
mod request_id;
mod respond;
mod route;
mod shield;
mod stored_responses;
mod unread;
mod unsupported;

use std::rc::Rc;

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

pub use admin::{ReloadRequest, answer as admin};

use crate::api::kept::Body;
use crate::api::route::{Endpoint, Routed, route};
use crate::api::shield::shield;
use crate::openai::Error;
use crate::proxy::{Caller, Exchange, Question, Refused, Worker};
use crate::telemetry::Record;

/// Answers any request of a client, and always in OpenAI's shape: also where there is nothing, and if we break.
pub async fn answer(worker: Rc<Worker>, request: HttpRequest, mut payload: Payload) -> HttpResponse {
    let worker = worker.begin();
    let cors = worker.snapshot.config.server.cors.as_ref();
    if let Some(response) = cors.and_then(|cors| cors::preflight(cors, &request)) {
        return response;
    }
    let id = request_id::of(&request);
    let answered = shield(&worker.shared.metrics, dispatch(&worker, &request, &mut payload, &id));
    let mut response = answered.await.unwrap_or_else(|| respond::bare_error(&Error::internal(), &id));
    if let Some(cors) = cors {
        cors::allow(cors, &request, response.headers_mut());
    }
    if response.status().is_client_error() {
        response = response.map_body(|_, body| unread::with(body, payload));
    }
    response
}

async fn dispatch(
    worker: &Worker,
    request: &HttpRequest,
    payload: &mut Payload,
    id: &crate::ids::RequestId,
) -> HttpResponse {
    let shared = &worker.shared;
    let routed = route(request.method(), request.path());
    let record = Record::start(&shared.metrics, shared.running.token(), id.clone(), routed.label());
    let mut exchange = Exchange::new(record);
    if shared.draining.is_cancelled() {
        let mut response = respond::refused(Refused::new(Error::shutting_down(), exchange));
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
        return response;
    }
    let endpoint = match routed {
        Routed::To(endpoint) => endpoint,
        Routed::WrongMethod { allow } => {
            let error = Error::method_not_supported(request.method().as_str(), request.path());
            let mut response = respond::refused(Refused::new(error, exchange));
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            return response;
        }
        Routed::Unsupported(entry) => {
            let (what, instead) = (entry.what, entry.instead);
            let error = Error::unsupported_endpoint(request.method().as_str(), request.path(), what, instead);
            return respond::refused(Refused::new(error, exchange));
        }
        Routed::Unknown => {
            let error = Error::unknown_url(request.method().as_str(), request.path());
            return respond::refused(Refused::new(error, exchange));
        }
    };
    let caller = match credential::judge(&worker.snapshot.config.auth, &shared.fingerprinter, request) {
        Ok(caller) => caller,
        Err(error) => return respond::refused(Refused::new(error, exchange)),
    };
    exchange.record.key.clone_from(&caller.name);
    serve(worker, &caller, exchange, endpoint, request, payload).await
}

async fn serve(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    endpoint: Endpoint<'_>,
    request: &HttpRequest,
    payload: &mut Payload,
) -> HttpResponse {
    match endpoint {
        Endpoint::ChatCompletions => {
            create::create(worker, caller, exchange, Question::Chat, request, payload).await
        }
        Endpoint::Responses => create::respond(worker, caller, exchange, request, payload).await,
        Endpoint::Completions => {
            create::create(worker, caller, exchange, Question::Text, request, payload).await
        }
        Endpoint::Models => models::list(worker, caller, exchange),
        Endpoint::Model(name) => models::retrieve(worker, caller, exchange, &name),
        Endpoint::OfResponse(id, what) => {
            stored_responses::serve(worker, caller, exchange, request, &id, what).await
        }
        Endpoint::Conversations => {
            conversations::create(worker, caller, exchange, Body { request, payload }).await
        }
        Endpoint::OfConversation(id, what) => {
            let body = Body { request, payload };
            conversations::serve(worker, caller, exchange, body, &id, what).await
        }
    }
}
