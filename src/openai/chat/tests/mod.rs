//! The request's strictness, as tables: what is refused with which words, and what is not.

mod accepted;
mod fields;
mod hostile;
mod messages;
mod refused;
mod schema;

use super::*;

/// A request of one greeting, and these fields.
fn with(fields: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{fields}}}"#)
}

/// A request of these messages.
fn talk(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":[{messages}]}}"#)
}

fn refusal(body: impl AsRef<[u8]>) -> Error {
    let body = body.as_ref();
    match ChatRequest::parse(body) {
        Ok(request) => panic!("accepted {}: {request:?}", String::from_utf8_lossy(body)),
        Err(error) => error,
    }
}

fn accepted(body: &str) -> ChatRequest<'_> {
    ChatRequest::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

/// What holds for every refusal, whatever the reason.
fn check_shape(error: &Error) {
    assert_eq!((error.status, error.kind), (400, crate::openai::ErrorType::InvalidRequest), "{error:?}");
    let json: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
    let keys: Vec<_> = json["error"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(json.as_object().unwrap().len(), 1);
    assert_eq!(keys, ["code", "message", "param", "type"]);
    assert_eq!(json["error"]["type"], "invalid_request_error");
    assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert!(error.message.len() < 1200, "{error:?}");
}
