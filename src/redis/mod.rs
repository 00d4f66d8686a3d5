//! Redis: the only door to its crate.
//!
//! All workers share one connection, which [`Redis::keep`] makes and makes anew; it must run on a runtime that
//! outlives the workers, since the connection's own task lives there. A call has a deadline and is never repeated:
//! what may have been carried out is not carried out twice. While Redis is away calls fail at once, so that its
//! absence costs a request no time; whoever calls goes on without.
//!
//! The room knows nothing of what is kept in Redis. Without the feature `redis` it is empty, and cannot be opened.

use std::borrow::Cow;
use std::fmt;

#[cfg(not(feature = "redis"))]
mod absent;
#[cfg(feature = "redis")]
mod link;

#[cfg(not(feature = "redis"))]
pub use absent::{Link, Redis};
#[cfg(feature = "redis")]
pub use link::{Link, Redis};

/// Whether this build has it.
pub const IS_BUILT_IN: bool = cfg!(feature = "redis");

/// A script that Redis runs as one step. Sent by its hash; by its text only if Redis does not have it yet.
#[derive(Debug)]
pub struct Script {
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "there is nobody to send it to"))]
    code: &'static str,
    #[cfg(feature = "redis")]
    hash: String,
}

impl Script {
    /// Prepares it.
    pub fn new(code: &'static str) -> Self {
        Self {
            code,
            #[cfg(feature = "redis")]
            hash: link::hash(code),
        }
    }
}

/// What a script returned.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// Bytes.
    Text(Vec<u8>),
    /// Several of them.
    List(Vec<Reply>),
}

/// Redis did not do it, or it is not known whether it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    reason: Cow<'static, str>,
}

impl Down {
    /// With a few words for the log. They hold no address, no key and no value.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Why Redis cannot even be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Built without it.
    #[error("this program was built without the feature `redis`")]
    NotBuiltIn,
    /// The URL is no URL of Redis.
    #[error("the URL of Redis cannot be used")]
    Url,
}
