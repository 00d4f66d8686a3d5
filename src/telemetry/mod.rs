//! What is told to operators: one log line a request, and counters. Never a key or an id of Chipp's, and text only
//! where the operator asks for it.

pub mod content;
mod log;
mod metrics;
mod record;

pub use log::{Dial, Guard, init};
pub use metrics::Metrics;
pub use record::{End, Record};
