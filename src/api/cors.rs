//! Pages of other origins: what a browser must be told before it lets them call, and read the answer.
//!
//! Written here, and not taken from `actix-cors`: that refuses with plain text, keeps its settings for a worker's life,
//! and costs every request a boxed future. There are no cookies to protect, the key is in a header that a page must
//! have been given; so headers and methods are allowed as they are asked for, and credentials never.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

use crate::config::Cors;

/// Every method of ours.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE");

/// Seconds for which a browser need not ask again; more than two hours it does not believe.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Anything: all origins, and all headers of an answer.
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The answer to a browser that asks whether a page may call; `None` if this is no such question, or the page may not.
pub(super) fn preflight(cors: &Cors, request: &HttpRequest) -> Option<HttpResponse> {
    let is_asked = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && allowed(cors, request).is_some();
    if !is_asked {
        return None;
    }
    let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    allow(cors, request, headers);
    Some(response)
}

/// Lets the page that asked read the answer, if it may, be it an error.
pub(super) fn allow(cors: &Cors, request: &HttpRequest, headers: &mut HeaderMap) {
    if let Some(origin) = allowed(cors, request) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    }
    if let Cors::Only(_) = cors {
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
}

fn allowed(cors: &Cors, request: &HttpRequest) -> Option<HeaderValue> {
    let origin = request.headers().get(ORIGIN)?;
    match cors {
        Cors::Any => Some(ANY),
        Cors::Only(origins) => {
            let is_one = origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
            is_one.then(|| origin.clone())
        }
    }
}
