//! `sessions`.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Read, Reader};
use crate::config::raw::RawSessions;
use crate::config::values::HeaderName;
use crate::config::written::List;
use crate::config::{SessionStore, Sessions, Strategy};
use crate::redis;

const TTL: Duration = Duration::from_secs(24 * 60 * 60);
const TTL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 60 * 60);
const CAPACITY: usize = 100_000;
const MAX_CAPACITY: usize = 10_000_000;
const USER_HEADERS: [&str; 2] = ["x-user-id", "x-openwebui-user-id"];
const CONVERSATION_HEADERS: [&str; 2] = ["x-conversation-id", "x-openwebui-chat-id"];

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawSessions) -> Sessions {
    let strategy = reader.value("sessions.strategy", raw.strategy.as_ref());
    let store = reader.value("sessions.store", raw.store.as_ref()).or(SessionStore::Memory);
    if store == SessionStore::Redis && !redis::IS_BUILT_IN {
        reader.problem("sessions.store", "`redis` is not part of this build (feature `redis`); use `memory`");
    }
    let ttl = reader.within("sessions.ttl", raw.ttl.as_ref(), &TTL_RANGE, "from 1s to 365days");
    let capacity =
        reader.within("sessions.capacity", raw.capacity.as_ref(), &(1..=MAX_CAPACITY), "from 1 to 10000000");
    let strategy = strategy.or(Strategy::Conversation);
    let expose = reader.value("sessions.expose", raw.expose.as_ref()).or(false);
    if expose && strategy == Strategy::Sticky {
        reader.problem(
            "sessions.expose",
            "does not go with `strategy: sticky`, where nobody chooses a session",
        );
    }
    let mut seen = HashMap::new();
    Sessions {
        strategy,
        expose,
        store,
        ttl: ttl.or(TTL),
        capacity: capacity.or(CAPACITY),
        user_headers: headers(
            reader,
            "sessions.user_headers",
            raw.user_headers.as_ref(),
            &USER_HEADERS,
            &mut seen,
        ),
        conversation_headers: headers(
            reader,
            "sessions.conversation_headers",
            raw.conversation_headers.as_ref(),
            &CONVERSATION_HEADERS,
            &mut seen,
        ),
    }
}

/// A list of headers. One that was `seen` before would make a user of a conversation, or count twice.
fn headers(
    reader: &mut Reader<'_>,
    path: &str,
    list: Option<&List<HeaderName>>,
    default: &[&str],
    seen: &mut HashMap<String, String>,
) -> Vec<String> {
    let Read::Good(list) = reader.list(path, list) else {
        return default.iter().map(|name| (*name).to_owned()).collect();
    };
    for (path, HeaderName(name)) in &list {
        if let Some(first) = seen.insert(name.clone(), path.clone()) {
            reader.problem(path, format!("is the same as {first}"));
        }
    }
    list.into_iter().map(|(_, HeaderName(name))| name).collect()
}
