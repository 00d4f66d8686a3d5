//! Sections of the file format that this version does not support: known, so that using one is a clear problem and
//! an editor knows their keys.

use super::{Deserialize, Duration, JsonSchema, List, PathBuf, Serialize, Written};

/// `upstream.retry`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Calls in all, the first included.
    pub attempts: Option<Written<usize>>,
    /// The first wait; doubled each time.
    pub backoff: Option<Written<Duration>>,
    /// The longest wait.
    pub max_backoff: Option<Written<Duration>>,
    /// What is tried again: `connect`, `rate_limit`, `unavailable`.
    pub on: Option<List<String>>,
}

/// `upstream.breaker`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// So many failures open it…
    pub failures: Option<Written<usize>>,
    /// …within this time.
    pub window: Option<Written<Duration>>,
    /// How long it stays open.
    pub cooldown: Option<Written<Duration>>,
}

/// `server.tls`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTls {
    /// The certificate chain, a PEM file.
    pub cert: Option<Written<PathBuf>>,
    /// Its key, a PEM file.
    pub key: Option<Written<PathBuf>>,
}

/// `server.cors`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCors {
    /// Origins that may call.
    pub origins: Option<List<String>>,
}
