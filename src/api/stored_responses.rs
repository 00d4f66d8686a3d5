//! `/v1/responses/{id}` and what is below: responses that were kept.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::ready;
use futures_util::stream;
use url::form_urlencoded;

use crate::api::route::OfResponse;
use crate::api::{kept, respond};
use crate::archive::Record;
use crate::ids::ResponseId;
use crate::openai::Error;
use crate::openai::page::Page;
use crate::openai::responses::replay;
use crate::proxy::{Caller, Exchange, Worker};
use crate::telemetry::End;

pub(super) async fn serve(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    request: &HttpRequest,
    id: &str,
    what: OfResponse,
) -> HttpResponse {
    let found = match what {
        OfResponse::Read => match read(worker, caller, id, request.query_string()).await {
            Ok(Read::Events(events)) => return events_of(exchange, request, events),
            Ok(Read::Whole(body)) => Ok(body),
            Err(error) => Err(error),
        },
        OfResponse::Delete => delete(worker, caller, id).await,
        OfResponse::InputItems => input_items(worker, caller, id, request.query_string()).await,
        OfResponse::Cancel => cancel(worker, caller, id).await,
    };
    kept::answer(exchange, found)
}

/// A response, as it is asked for.
enum Read {
    Whole(Vec<u8>),
    Events(Vec<u8>),
}

async fn read(worker: &Worker, caller: &Caller, id: &str, query: &str) -> Result<Read, Error> {
    let (is_stream, after) = (wants_stream(query)?, starting_after(query)?);
    let record = find(worker, caller, id).await?;
    if is_stream {
        return replay(&record.response, after).map(Read::Events).ok_or_else(Error::internal);
    }
    Ok(Read::Whole(record.response.clone().into_bytes()))
}

/// All events at once: they have been for long.
fn events_of(mut exchange: Exchange, request: &HttpRequest, events: Vec<u8>) -> HttpResponse {
    exchange.record.status = 200;
    exchange.record.end = End::Complete;
    let body = stream::once(ready(Ok::<_, Infallible>(Bytes::from(events))));
    let body = BoxBody::new(BodyStream::new(body));
    respond::event_stream(request.version(), &exchange.head(), body)
}

/// `starting_after` of a query: the number of the last event that need not be told again.
fn starting_after(query: &str) -> Result<Option<u64>, Error> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let given = parameters.find(|(name, _)| name == "starting_after");
    let number = given.map(|(_, value)| {
        value.parse().map_err(|_| Error::invalid_type("starting_after", "an integer", "a string"))
    });
    number.transpose()
}

/// `stream` of a query.
fn wants_stream(query: &str) -> Result<bool, Error> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    match parameters.find(|(name, _)| name == "stream").as_ref().map(|(_, value)| &**value) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::invalid_type("stream", "a boolean", "a string")),
    }
}

async fn delete(worker: &Worker, caller: &Caller, id: &str) -> Result<Vec<u8>, Error> {
    let known = ResponseId::parse(id).ok_or_else(|| Error::response_not_found(id))?;
    let deleted = worker.shared.archive.forget(caller.owner(), &known, Instant::now()).await;
    if deleted.map_err(kept::failed)? {
        Ok(format!(r#"{{"id":"{id}","object":"response","deleted":true}}"#).into_bytes())
    } else {
        Err(Error::response_not_found(id))
    }
}

async fn input_items(worker: &Worker, caller: &Caller, id: &str, query: &str) -> Result<Vec<u8>, Error> {
    let page = Page::of(query)?;
    let record = find(worker, caller, id).await?;
    page.list_json(record.input.iter().map(|item| (item.id(), item.json())).collect())
}

/// Only what runs in the background could be cancelled, and nothing does.
async fn cancel(worker: &Worker, caller: &Caller, id: &str) -> Result<Vec<u8>, Error> {
    find(worker, caller, id).await?;
    Err(Error::not_in_background())
}

async fn find(worker: &Worker, caller: &Caller, id: &str) -> Result<Arc<Record>, Error> {
    let known = ResponseId::parse(id).ok_or_else(|| Error::response_not_found(id))?;
    let found = worker.shared.archive.record(caller.owner(), &known, Instant::now()).await;
    found.map_err(kept::failed)?.ok_or_else(|| Error::response_not_found(id))
}
