//! `GET /v1/models` and `GET /v1/models/{id}`: made from the aliases, since Chipp has no list.

use actix_web::HttpResponse;

use crate::api::respond;
use crate::catalog::CREATED;
use crate::openai::Error;
use crate::openai::model::{Model, list_json};
use crate::proxy::{Caller, Exchange, Refused, Worker};

pub(super) fn list(worker: &Worker, caller: &Caller, exchange: Exchange) -> HttpResponse {
    let names = worker.snapshot.config.models.listed().filter(|name| caller.may_use(name));
    respond::json(exchange, list_json(names.map(entry)))
}

/// Any name that may be asked for is a model, also one that only a pattern covers or that is not listed.
pub(super) fn retrieve(worker: &Worker, caller: &Caller, exchange: Exchange, name: &str) -> HttpResponse {
    let route = worker.snapshot.config.models.resolve(name).filter(|_| caller.may_use(name));
    match route {
        Some(_) => respond::json(exchange, entry(name).to_json()),
        None => respond::refused(Refused::new(Error::model_not_found(name), exchange)),
    }
}

fn entry(id: &str) -> Model<'_> {
    Model { id, created: CREATED, owned_by: "chipp" }
}
