//! The way to Chipp: the only room with awc.
//!
//! It sends one request and hands out the head and the bytes of one answer. It knows neither sessions nor
//! shapes, and follows no redirect. Whether a call is worth another one is decided here too, but never
//! done: `retry` and `breaker` are pure. No awc type leaves it, and no text of its errors holds
//! a key, a URL or a word of the conversation.
//!
//! awc's pool and HTTP/1.1 are used through its `Connector`; sockets, names and TLS are our own (`dial`,
//! `resolve`, `socket`, `tls`), which gives what awc's `Client` has not: the connect phase apart from the
//! sending phase, so that "never sent" is a fact; one connect timeout over lookup, TCP and TLS; an end of file that is
//! an error, so that a cut body is noticed; and no interim responses (`interim`), which awc takes for the response.
//! Content codings are decoded here as well (`coding`), with an end that is checked.

mod body;
pub mod breaker;
pub mod budget;
mod client;
mod coding;
mod dial;
mod error;
mod head;
mod interim;
mod pool;
mod resolve;
pub mod retry;
mod socket;
mod tls;

pub use body::{Body, BodyError, Framing};
pub use client::{Accept, Call, Client, Reply};
pub use error::{BuildError, SendError, SendErrorKind, Sent};
pub use tls::Tls;
