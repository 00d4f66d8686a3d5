//! Sections of the file format that this version does not support: known, so that using one is a clear problem and
//! an editor knows their keys.

use super::{Deserialize, Duration, JsonSchema, List, PathBuf, Secret, Serialize, Written};

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

/// `redis`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRedis {
    /// `redis://host:6379`.
    pub url: Option<Written<Secret>>,
    /// A file that holds the URL, instead of `url`.
    pub url_file: Option<Written<PathBuf>>,
    /// What its keys begin with.
    pub prefix: Option<Written<String>>,
}
