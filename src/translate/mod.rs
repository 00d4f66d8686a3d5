//! Between the two vocabularies, by direction: OpenAI's request to Chipp's, Chipp's answers and errors to OpenAI's.
//!
//! Pure functions over values; no IO, no clock.

pub mod content;
pub mod cut;
pub mod failure;
pub mod format;
pub mod reply;
pub mod request;
pub mod responses;
pub mod schema;
pub mod terms;
pub mod text_completion;
pub mod tools;
