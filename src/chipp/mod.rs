//! What Chipp speaks: its requests, replies, errors and streams, as values.
//!
//! Pure: bytes in, values out. This room knows neither OpenAI's shapes nor any IO.

pub mod error;
pub mod event;
pub mod finish;
mod json;
mod metadata;
pub mod reply;
pub mod request;
mod skim;
pub mod stream;
pub mod transcript;

pub use error::{ApiError, ErrorKind, Failure, classify};
pub use event::{Event, FinishReason, Usage};
pub use finish::UnknownWords;
pub use reply::Reply;
pub use request::{Message, Request, Role};
pub use transcript::LastAnswer;
