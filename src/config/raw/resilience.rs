//! `upstream.retry` and `upstream.breaker`.

use super::{Deserialize, Duration, JsonSchema, List, NonZeroU32, OrOff, Serialize, Written};
use crate::config::Fault;

/// `upstream.retry`. Only before the first byte of an answer went out, and within `timeouts.total`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Calls in all, the first included; 1 = no retries. Default: 2.
    pub attempts: Option<Written<usize>>,
    /// The longest first wait, of which a random part is waited; doubled each time. Default: 250ms.
    pub backoff: Option<Written<Duration>>,
    /// The longest wait. If Chipp asks for a longer one (`Retry-After`), it is passed on to the client. Default: 5s.
    pub max_backoff: Option<Written<Duration>>,
    /// What is tried again: `connect`, `rate_limit`, `unavailable`; and, where an app's actions may run twice,
    /// `timeout`, `server_error`, `reset`. Default: the first three.
    pub on: Option<List<Fault>>,
}

/// `upstream.breaker`: an app that keeps failing is left alone for a while.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// So many failures of an app in a row open it (no connection, time-outs, 5xx, broken answers), or `off`. Default: 5.
    pub failures: Option<Written<OrOff<NonZeroU32>>>,
    /// Within this time. Default: 30s.
    pub window: Option<Written<Duration>>,
    /// How long it stays open before one request is let through to see. Default: 15s.
    pub cooldown: Option<Written<Duration>>,
}
