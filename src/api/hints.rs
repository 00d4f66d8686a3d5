//! What a request says in headers of whose behalf it is on, and of sessions.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use crate::api::headers::{X_CHAT_SESSION_ID, X_CHIPP_SESSION};
use crate::config::Sessions;
use crate::ids::{ChatSessionId, MAX_ID_BYTES};
use crate::openai::{Error, ErrorType};
use crate::proxy::caller::{Caller, Trust};
use crate::proxy::{Hints, SessionWish};

/// Reads them; identity only from a caller whose word on it is taken.
///
/// # Errors
/// 400 for an id that is too long or not text: cut short it could be somebody else's.
pub(super) fn of(request: &HttpRequest, settings: &Sessions, caller: &Caller) -> Result<Hints, Error> {
    let session = match request.headers().get(X_CHIPP_SESSION).map(HeaderValue::as_bytes) {
        None => SessionWish::Usual,
        Some(b"new") => SessionWish::New,
        Some(b"off") => SessionWish::Off,
        Some(_) => {
            let message = "Invalid header 'x-chipp-session'. Supported values are: 'new' and 'off'.";
            return Err(Error::new(400, ErrorType::InvalidRequest, Some("invalid_value"), message));
        }
    };
    let chat_session = request.headers().get(X_CHAT_SESSION_ID).filter(|_| settings.expose);
    let chat_session = chat_session.map(|id| id.to_str().ok().and_then(ChatSessionId::parse));
    let chat_session = chat_session.map(|id| id.ok_or_else(Error::session_not_found)).transpose()?;
    if caller.trust == Trust::BodyOnly {
        return Ok(Hints { session, chat_session, ..Hints::default() });
    }
    let user = first(request, &settings.user_headers)?;
    let conversation = first(request, &settings.conversation_headers)?;
    Ok(Hints { user, conversation, session, chat_session })
}

/// The first of these headers that is there and not empty.
fn first(request: &HttpRequest, names: &[String]) -> Result<Option<String>, Error> {
    for name in names {
        let Some(value) = request.headers().get(name) else {
            continue;
        };
        let text = std::str::from_utf8(value.as_bytes())
            .ok()
            .filter(|text| text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control));
        let Some(text) = text else {
            let message = format!("Invalid header '{name}': expected at most {MAX_ID_BYTES} bytes of text.");
            return Err(Error::new(400, ErrorType::InvalidRequest, Some("invalid_value"), message));
        };
        if !text.trim().is_empty() {
            return Ok(Some(text.trim().to_owned()));
        }
    }
    Ok(None)
}
