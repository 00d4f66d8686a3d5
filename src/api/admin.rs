//! The admin address: for probes and Prometheus, not for clients.

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::config::Problems;
use crate::config::diff::Changes;
use crate::proxy::Shared;

/// That the configuration is to be read again, with where to tell what came of it.
pub type ReloadRequest = oneshot::Sender<Result<Changes, Problems>>;

/// Answers any request on the admin address.
///
/// `/healthz`: the process lives. `/readyz`: it takes requests; well or, in a part that it can do without, badly.
/// `/metrics`: counters. `POST /reload`: the configuration is read again.
pub async fn answer(
    shared: &Shared,
    ask: &mpsc::Sender<ReloadRequest>,
    request: &HttpRequest,
) -> HttpResponse {
    let path = request.path();
    if path == "/reload" {
        return if request.method() == Method::POST {
            reload(ask).await
        } else {
            HttpResponse::MethodNotAllowed().insert_header(("allow", "POST")).finish()
        };
    }
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return HttpResponse::NotFound()
            .body("not found; there are /healthz, /readyz, /metrics and /reload\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return HttpResponse::MethodNotAllowed().insert_header(("allow", "GET, HEAD")).finish();
    }
    match path {
        "/metrics" => {
            let text = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            HttpResponse::Ok().insert_header((CONTENT_TYPE, text)).body(shared.render_metrics())
        }
        "/readyz" if shared.draining.is_cancelled() => HttpResponse::ServiceUnavailable()
            .content_type("application/json")
            .body(r#"{"status":"draining"}"#),
        "/readyz" => {
            let away = shared.replicas.as_ref().filter(|replicas| !replicas.are_reached());
            let body = away.map_or_else(
                || r#"{"status":"ok"}"#.to_owned(),
                |away| format!(r#"{{"status":"degraded","detail":{{"redis":"away: {}"}}}}"#, away.without()),
            );
            HttpResponse::Ok().content_type("application/json").body(body)
        }
        _ => HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#),
    }
}

async fn reload(ask: &mpsc::Sender<ReloadRequest>) -> HttpResponse {
    let (tell, told) = oneshot::channel();
    let answered = match ask.send(tell).await {
        Ok(()) => told.await.ok(),
        Err(_) => None,
    };
    let (mut response, body) = match answered {
        Some(Ok(changes)) => {
            let body = json!({"status": "applied", "changed": changes.live, "restart": changes.restart});
            (HttpResponse::Ok(), body)
        }
        Some(Err(problems)) => {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| json!({"field": problem.path, "message": problem.message}))
                .collect();
            (HttpResponse::UnprocessableEntity(), json!({"status": "kept", "problems": problems}))
        }
        None => {
            (HttpResponse::Conflict(), json!({"status": "kept", "detail": "there is no file to read again"}))
        }
    };
    response.content_type("application/json").body(body.to_string())
}
