//! The admin address: for probes and Prometheus, not for clients.

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};

use crate::proxy::Shared;

/// Answers any request on the admin address.
///
/// `/healthz`: the process lives. `/readyz`: it takes requests; well or, in a part that it can do without, badly.
/// `/metrics`: counters.
pub fn answer(shared: &Shared, request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return HttpResponse::NotFound().body("not found; there are /healthz, /readyz and /metrics\n");
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
