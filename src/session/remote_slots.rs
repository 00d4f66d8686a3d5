//! Slots in Redis: what a slot names is one key, and that it is in use is another, which expires by itself: a replica
//! that dies keeps nothing in use for long. While a turn runs, it is made to last.

use std::time::Duration;

use tokio::time::sleep;

use crate::ids::ChatSessionId;
use crate::redis::{Reply, Script};
use crate::session::remote::hex;
use crate::session::slot::{Claim, Held, Ticket};
use crate::session::{Head, Remote};

/// How long a slot is in use unless its turn says that it still runs.
const IN_USE: Duration = Duration::from_secs(30);

/// How often it says so.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// `KEYS`: the slot, whether it is in use; `ARGV`: who claims it, for how many milliseconds. 0, or 1 and what it names.
const CLAIM: &str = r"
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {0}
end
local held = redis.call('GET', KEYS[1])
if held then return {1, held} end
return {1}
";

/// The same `KEYS`; `ARGV`: who has claimed it, for how many milliseconds more. Whether it still is theirs.
const RENEW: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[2], ARGV[2])
";

/// The same `KEYS`; `ARGV`: who has claimed it, what it is to name (or nothing), how many milliseconds that lives.
const RELEASE: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
";

/// `KEYS[1]`: the slot; `ARGV`: what it is to name, how many milliseconds that lives.
const NAME: &str = r"
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// `KEYS[1]`: the list of a head; `ARGV[1]`: the session. Whether it was there; it is not any more.
const TAKE_THIS: &str = r"
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if string.match(entry, '^%d+:(.+)$') == ARGV[1] then
    return redis.call('LREM', KEYS[1], 1, entry)
  end
end
return 0
";

/// The scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    claim: Script,
    renew: Script,
    release: Script,
    name: Script,
    take_this: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(CLAIM),
            renew: Script::new(RENEW),
            release: Script::new(RELEASE),
            name: Script::new(NAME),
            take_this: Script::new(TAKE_THIS),
        }
    }
}

impl Remote {
    /// Claims a slot. If Redis is away nothing is known of it, and it is nobody's: see [`Ticket`].
    pub(super) async fn claim(&self, slot: Head) -> Claim {
        let ticket = getrandom::u64().unwrap_or_default().max(Ticket::ONLY.0);
        let (id, lasts) = (ticket.to_string(), millis(IN_USE));
        let told =
            self.ask(&self.slots.claim, &self.slot_keys(slot), &[id.as_bytes(), lasts.as_bytes()]).await;
        match told.as_deref() {
            Some([Reply::Number(1)]) => Claim::Yours(None, Ticket(ticket)),
            Some([Reply::Number(1), Reply::Text(held)]) => Claim::Yours(parse(held), Ticket(ticket)),
            Some(_) => Claim::Busy,
            None => Claim::Yours(None, Ticket::NONE),
        }
    }

    /// Makes a claim last, until it is no longer held or this is dropped.
    pub(super) async fn renew(&self, slot: Head, ticket: Ticket) {
        let (id, lasts) = (ticket.0.to_string(), millis(IN_USE));
        loop {
            sleep(RENEW_EVERY).await;
            let args = [id.as_bytes(), lasts.as_bytes()];
            if self.ask(&self.slots.renew, &self.slot_keys(slot), &args).await.as_deref()
                == Some(&[Reply::Number(0)])
            {
                return;
            }
        }
    }

    /// Ends a claim; the slot names this from now on.
    pub(super) async fn release(&self, slot: Head, ticket: Ticket, held: Option<&Held>) {
        let (id, held, lives) =
            (ticket.0.to_string(), held.map(write).unwrap_or_default(), millis(self.ttl()));
        let args = [id.as_bytes(), held.as_bytes(), lives.as_bytes()];
        self.ask(&self.slots.release, &self.slot_keys(slot), &args).await;
    }

    /// The slot names this from now on, whoever uses it.
    pub(super) async fn name(&self, slot: Head, held: &Held) {
        let (held, lives) = (write(held), millis(self.ttl()));
        let [slot, _] = self.slot_keys(slot);
        self.ask(&self.slots.name, &[slot], &[held.as_bytes(), lives.as_bytes()]).await;
    }

    /// Takes one session out of those under a head; false if it is not there.
    pub(super) async fn take_this(&self, head: Head, session: &ChatSessionId) -> bool {
        let told =
            self.ask(&self.slots.take_this, &[self.key_of(head)], &[session.as_str().as_bytes()]).await;
        told.as_deref() == Some(&[Reply::Number(1)])
    }

    fn slot_keys(&self, slot: Head) -> [String; 2] {
        [self.key("slot", slot), self.key("in-use", slot)]
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// The session; and, parted by a space, the head in hexadecimal digits if there is one. No id has a space.
fn write(held: &Held) -> String {
    let mut text = held.session.as_str().to_owned();
    if let Some(head) = held.head {
        text.push(' ');
        text.push_str(&hex(head.as_bytes()));
    }
    text
}

fn parse(text: &[u8]) -> Option<Held> {
    let text = std::str::from_utf8(text).ok()?;
    let (session, head) = text.split_once(' ').map_or((text, None), |(session, head)| (session, Some(head)));
    Some(Held { session: ChatSessionId::parse(session)?, head: head.and_then(Head::from_hex) })
}
