//! What clients speak: OpenAI's requests, answers, chunks and errors, as values and as bytes.
//!
//! Pure: this room knows neither Chipp nor any IO. What "strict" means stands with each type.

pub mod chat;
pub mod chunk;
pub mod completion;
pub mod conversation;
pub mod error;
pub mod json;
pub mod model;
pub mod page;
pub mod responses;
pub mod text_completion;
pub mod tokens;
pub mod usage;

pub use error::{Error, ErrorType};
