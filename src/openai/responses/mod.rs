//! `POST /v1/responses`: the request is in `request`, the answer as an object in `object`, as events in `stream`.
//!
//! As strict and as lenient as [`chat`](crate::openai::chat). What was said before is not in the request where it names
//! it (`previous_response_id`, `conversation`, `item_reference`): whoever answers looks that up.

mod fields;
mod object;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub use object::{Draft, Status, Whole};
pub use request::{Given, PARAMETERS, ResponseParameter, ResponseRequest};
pub use stream::{Stream, replay};
