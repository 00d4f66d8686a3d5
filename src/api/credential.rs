//! The key that a request brings, and whether it opens the door.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use crate::api::headers::API_KEY;
use crate::config::Auth;
use crate::openai::Error;
use crate::proxy::Caller;
use crate::session::Fingerprinter;

/// Who calls. Judged before anything else of the request is looked at.
///
/// # Errors
/// 401 in OpenAI's words.
pub(super) fn judge(
    auth: &Auth,
    fingerprinter: &Fingerprinter,
    request: &HttpRequest,
) -> Result<Caller, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Caller::authenticate(auth, of(request), fingerprinter, now)
}

/// `Authorization: Bearer KEY`, or Azure's `api-key: KEY`.
fn of(request: &HttpRequest) -> Option<&str> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| text(API_KEY).map(str::trim)).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn keys_are_found_where_clients_put_them() {
        for (name, value, key) in [
            ("authorization", "Bearer k", Some("k")),
            ("authorization", "bearer   k ", Some("k")),
            ("authorization", "Bearer ", None),
            ("authorization", "Bearer", None),
            ("authorization", "Basic k", None),
            ("api-key", "k", Some("k")),
            ("x-other", "k", None),
        ] {
            let request = TestRequest::default().insert_header((name, value)).to_http_request();
            assert_eq!(of(&request), key, "{name}: {value}");
        }
    }
}
