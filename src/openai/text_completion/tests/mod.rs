//! The request's strictness as tables, and answers and chunks against OpenAI's published schema.

mod request;
mod schema;
mod wire;

use super::*;

/// A request of one prompt, and these fields.
fn with(fields: &str) -> String {
    format!(r#"{{"model":"m","prompt":"hi",{fields}}}"#)
}

fn accepted(body: &str) -> TextRequest<'_> {
    TextRequest::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

fn refusal(body: &str) -> Error {
    match TextRequest::parse(body.as_bytes()) {
        Ok(request) => panic!("accepted {body}: {request:?}"),
        Err(error) => error,
    }
}
