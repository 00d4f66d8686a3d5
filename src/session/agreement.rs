//! The key of the hashes, on which all replicas agree: so the same caller, and the same history, has the same name
//! everywhere.
//!
//! It lies in Redis, and belongs to one run of the server: a Redis that comes back from a snapshot, or a replica of it
//! that is promoted, may hold sessions as they were before somebody took them and went on. Under a new key nobody
//! finds those.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::redis::{Down, Link, Reply, Script};
use crate::session::Fingerprinter;
use crate::session::remote::hex;

/// How much longer the key lives than what is kept under it, when no replica is there to look after it.
const OUTLIVES: Duration = Duration::from_secs(60);

/// `KEYS[1]`: where the key is; `ARGV`: what to put there if there is none, how many seconds it lives.
const AGREE: &str = r"
local key = redis.call('GET', KEYS[1]) or ARGV[1]
redis.call('SET', KEYS[1], key, 'EX', ARGV[2])
return key
";

/// How the replicas of one Redis come to one key.
#[derive(Debug)]
pub struct Agreement {
    prefix: String,
    lives: Duration,
    script: Script,
    /// The run of the server whose key is used.
    run: Mutex<Option<String>>,
}

impl Agreement {
    /// Under a key that begins with `prefix`, for names that are kept for as long as `longest`.
    pub fn new(prefix: String, longest: Duration) -> Self {
        Self { prefix, lives: longest + OUTLIVES, script: Script::new(AGREE), run: Mutex::new(None) }
    }

    /// Takes over the key that the other replicas use, or makes them use ours. To be done before a server is asked for
    /// anything else, and now and then: a server that has lost its keys gets this one again.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn reach(&self, link: &Link, fingerprinter: &Fingerprinter) -> Result<(), Down> {
        let run = link.server_run().await?;
        let is_known = self.run().as_ref() == Some(&run);
        let proposed = if is_known { fingerprinter.key() } else { random_key()? };
        let seconds = self.lives.as_secs().to_string();
        let key = format!("{}:fingerprint-key:{run}", self.prefix);
        let args = [hex(&proposed), seconds];
        let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        let Reply::Text(agreed) = link.run(&self.script, &[key], &args).await? else {
            return Err(Down::new("has something odd for a fingerprint key"));
        };
        let agreed = unhex(&agreed).ok_or_else(|| Down::new("has something odd for a fingerprint key"))?;
        fingerprinter.adopt(agreed);
        if !is_known && run.is_empty() {
            tracing::warn!(
                "Redis does not tell its run_id: after a restart from a snapshot, sessions may be stale"
            );
        }
        *self.run() = Some(run);
        Ok(())
    }

    fn run(&self) -> MutexGuard<'_, Option<String>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_key() -> Result<[u8; blake3::KEY_LEN], Down> {
    let mut key = [0; blake3::KEY_LEN];
    getrandom::fill(&mut key).map_err(|_| Down::new("is of no use: the system gives no randomness"))?;
    Ok(key)
}

fn unhex(digits: &[u8]) -> Option<[u8; blake3::KEY_LEN]> {
    let hash = blake3::Hash::from_hex(digits).ok()?;
    Some(*hash.as_bytes())
}
