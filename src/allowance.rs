//! How much somebody may call: plain numbers, as the configuration has them.

use std::num::NonZeroU32;

/// A set of limits of one key, user or alias, or of all callers together. `None` = no such limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a minute, on average.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many of them at once; `None` = all of a minute's.
    pub burst: Option<NonZeroU32>,
    /// Requests a day, on average.
    pub requests_per_day: Option<NonZeroU32>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Tokens a day.
    pub tokens_per_day: Option<NonZeroU32>,
    /// Requests that run at the same time.
    pub concurrent: Option<NonZeroU32>,
}

impl Allowance {
    /// Whether there is no limit in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
