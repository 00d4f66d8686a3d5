//! What is told to operators: one log line a request, and counters. Never a key, an id of Chipp's, or text.

mod log;
mod metrics;
mod record;

pub use log::{Guard, init};
pub use metrics::Metrics;
pub use record::{End, Record};
