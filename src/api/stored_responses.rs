//! `/v1/responses/{id}` and what is below: responses that were kept.

use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use crate::api::kept;
use crate::api::route::OfResponse;
use crate::archive::Record;
use crate::ids::ResponseId;
use crate::openai::Error;
use crate::openai::page::Page;
use crate::proxy::{Caller, Exchange, Worker};

pub(super) async fn serve(
    worker: &Worker,
    caller: &Caller,
    exchange: Exchange,
    request: &HttpRequest,
    id: &str,
    what: OfResponse,
) -> HttpResponse {
    let found = match what {
        OfResponse::Read => read(worker, caller, id, request.query_string()).await,
        OfResponse::Delete => delete(worker, caller, id).await,
        OfResponse::InputItems => input_items(worker, caller, id, request.query_string()).await,
        OfResponse::Cancel => cancel(worker, caller, id).await,
    };
    kept::answer(exchange, found)
}

async fn read(worker: &Worker, caller: &Caller, id: &str, query: &str) -> Result<Vec<u8>, Error> {
    if wants_stream(query)? {
        return Err(Error::unsupported_value("stream", "true", "A stored response is read as a whole."));
    }
    Ok(find(worker, caller, id).await?.response.clone().into_bytes())
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
    if deleted.map_err(|failed| kept::failed(worker, failed))? {
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
    found.map_err(|failed| kept::failed(worker, failed))?.ok_or_else(|| Error::response_not_found(id))
}
