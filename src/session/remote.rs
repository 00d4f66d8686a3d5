//! The store in Redis, in which every replica finds the sessions of all.
//!
//! One list for each head, the youngest session at its end, each with the time at which it expires by Redis' clock.
//! Taking and putting are one script, and one round trip, each. What cannot be reached is not there, and what
//! cannot be put is forgotten: a request is served in any case, and its history replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ids::ChatSessionId;
use crate::redis::{Redis, Reply, Script};
use crate::session::Head;
use crate::session::memory::MAX_PER_HEAD;
use crate::session::remote_slots::Scripts;

/// `KEYS`: lists, those to be preferred first. The number of the list and a session of it, or nothing.
const TAKE: &str = r"
local now
for number, key in ipairs(KEYS) do
  local entry = redis.call('RPOP', key)
  while entry do
    if not now then
      local time = redis.call('TIME')
      now = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    local expires, session = string.match(entry, '^(%d+):(.+)$')
    if expires and tonumber(expires) > now then
      return {number, session}
    end
    entry = redis.call('RPOP', key)
  end
end
return false
";

/// `KEYS[1]`: the list; `ARGV`: the session, how many milliseconds it lives, how many may be in the list.
const PUT: &str = r"
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('RPUSH', key, string.format('%.0f:%s', now + tonumber(ARGV[2]), ARGV[1]))
redis.call('LTRIM', key, -tonumber(ARGV[3]), -1)
local oldest = redis.call('LINDEX', key, 0)
while oldest and tonumber(string.match(oldest, '^(%d+):') or 0) <= now do
  redis.call('LPOP', key)
  oldest = redis.call('LINDEX', key, 0)
end
if redis.call('PTTL', key) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', key, ARGV[2])
end
return true
";

/// Sessions by head, in Redis.
#[derive(Debug)]
pub struct Remote {
    redis: Arc<Redis>,
    prefix: String,
    ttl: Duration,
    take: Script,
    put: Script,
    pub(super) slots: Scripts,
    failed_takes: AtomicU64,
    failed_puts: AtomicU64,
}

/// How often Redis could not be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Sessions that were looked for in vain, whether they were there or not.
    pub takes: u64,
    /// Sessions that were forgotten.
    pub puts: u64,
}

impl Remote {
    /// Sessions that live for `ttl`, under keys that begin with `prefix`.
    pub fn new(redis: Arc<Redis>, prefix: String, ttl: Duration) -> Self {
        Self {
            redis,
            prefix,
            ttl,
            take: Script::new(TAKE),
            put: Script::new(PUT),
            slots: Scripts::new(),
            failed_takes: AtomicU64::new(0),
            failed_puts: AtomicU64::new(0),
        }
    }

    /// How often Redis could not be asked so far.
    pub fn failures(&self) -> Failures {
        Failures {
            takes: self.failed_takes.load(Ordering::Relaxed),
            puts: self.failed_puts.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn take(&self, heads: &[(usize, Head)]) -> Option<(usize, ChatSessionId)> {
        let keys: Vec<String> = heads.iter().map(|(_, head)| self.key_of(*head)).collect();
        match self.redis.run(&self.take, &keys, &[]).await {
            Ok(Reply::Nil) => None,
            Ok(reply) => {
                let taken = read_taken(reply).filter(|(place, _)| *place < heads.len());
                if taken.is_none() {
                    self.failed_takes.fetch_add(1, Ordering::Relaxed);
                }
                taken
            }
            Err(_) => {
                self.failed_takes.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    pub(super) async fn put(&self, head: Head, session: &ChatSessionId) {
        let ttl = self.ttl.as_millis().to_string();
        let most = MAX_PER_HEAD.to_string();
        let args = [session.as_str().as_bytes(), ttl.as_bytes(), most.as_bytes()];
        // Not tried again: put twice, it would serve two requests.
        if self.redis.run(&self.put, &[self.key_of(head)], &args).await.is_err() {
            self.failed_puts.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn key_of(&self, head: Head) -> String {
        self.key("session", head)
    }

    /// `PREFIX:KIND:HEAD`
    pub(super) fn key(&self, kind: &str, head: Head) -> String {
        let mut key = String::with_capacity(self.prefix.len() + kind.len() + 2 + 2 * 16);
        for part in [&self.prefix, ":", kind, ":"] {
            key.push_str(part);
        }
        push_hex(head.as_bytes(), &mut key);
        key
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Runs a script that answers with a list or a number; `None` if Redis could not be asked.
    pub(super) async fn ask(&self, script: &Script, keys: &[String], args: &[&[u8]]) -> Option<Vec<Reply>> {
        match self.redis.run(script, keys, args).await {
            Ok(Reply::List(parts)) => Some(parts),
            Ok(part) => Some(vec![part]),
            Err(_) => {
                self.failed_puts.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// `[number from 1, session]`
fn read_taken(reply: Reply) -> Option<(usize, ChatSessionId)> {
    let Reply::List(parts) = reply else { return None };
    let [Reply::Number(number), Reply::Text(session)] = parts.as_slice() else { return None };
    let place = usize::try_from(*number).ok()?.checked_sub(1)?;
    Some((place, ChatSessionId::parse(std::str::from_utf8(session).ok()?)?))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(bytes, &mut text);
    text
}

fn push_hex(bytes: &[u8], text: &mut String) {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
}
