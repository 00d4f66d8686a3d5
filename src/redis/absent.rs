//! What stands for Redis in a build without it: types of which there are no values.

use std::time::Duration;

use crate::redis::{Down, OpenError, Reply, Script};
use crate::secret::Secret;

/// Cannot be had.
#[derive(Debug)]
pub enum Redis {}

/// Cannot be had.
#[derive(Debug)]
pub enum Link {}

impl Redis {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(_url: &Secret, _deadline: Duration) -> Result<Self, OpenError> {
        Err(OpenError::NotBuiltIn)
    }

    /// Whether calls have a chance.
    pub fn is_up(&self) -> bool {
        match *self {}
    }

    /// Runs a script.
    #[expect(clippy::unused_async, reason = "it is one where Redis is built in")]
    pub async fn run(&self, _: &Script, _: &[String], _: &[&[u8]]) -> Result<Reply, Down> {
        match *self {}
    }

    /// Connects, for ever.
    #[expect(clippy::unused_async, reason = "it is one where Redis is built in")]
    pub async fn keep(&self, _greet: impl AsyncFn(&Link) -> Result<(), Down>, _without: &str) {
        match *self {}
    }
}

impl Link {
    /// Runs a script.
    #[expect(clippy::unused_async, reason = "it is one where Redis is built in")]
    pub async fn run(&self, _: &Script, _: &[String], _: &[&[u8]]) -> Result<Reply, Down> {
        match *self {}
    }

    /// Which run of a server this is.
    #[expect(clippy::unused_async, reason = "it is one where Redis is built in")]
    pub async fn server_run(&self) -> Result<String, Down> {
        match *self {}
    }
}
