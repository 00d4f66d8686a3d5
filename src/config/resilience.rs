//! `upstream.retry` and `upstream.breaker`: what is tried again, and when an app is left alone.

use std::num::NonZeroU32;
use std::time::Duration;

/// `upstream.retry`.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Calls of one app for one request, the first included; 1 = nothing is tried again.
    pub attempts: u32,
    /// The longest first wait; the bound doubles with each further call.
    pub backoff: Duration,
    /// The longest wait, also one that Chipp asks for.
    pub max_backoff: Duration,
    /// What is tried again.
    pub on: Vec<Fault>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(5),
            on: vec![Fault::Connect, Fault::RateLimit, Fault::Unavailable],
        }
    }
}

/// A way in which Chipp can fail, of those that may be worth another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No connection: nothing was sent.
    Connect,
    /// 429.
    RateLimit,
    /// 503, 529.
    Unavailable,
    /// No answer in time. The app may have done its work.
    Timeout,
    /// Any other 5xx, or an answer that is none. The app may have done its work.
    ServerError,
    /// The connection broke after something was sent. The app may have done its work.
    Reset,
}

/// `upstream.breaker`: for each app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures open it; `None` = it never opens.
    pub failures: Option<NonZeroU32>,
    /// Within this time.
    pub window: Duration,
    /// How long it stays open before one request is let through to see.
    pub cooldown: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::new(5),
            window: Duration::from_secs(30),
            cooldown: Duration::from_secs(15),
        }
    }
}
