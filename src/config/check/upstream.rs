//! `upstream`, without its key, which belongs to the aliases.

use std::fs::File;
use std::time::Duration;

use super::reader::{Read, Reader};
use super::resilience;
use crate::config::raw::{RawTimeouts, RawUpstream};
use crate::config::values::BaseUrl;
use crate::config::written::Written;
use crate::config::{EmptyReply, LearnSession, Timeouts, Upstream};

const BASE_URL: &str = "https://app.chipp.ai/api/v1";
const CONNECT: Duration = Duration::from_secs(10);
const FIRST_BYTE: Duration = Duration::from_secs(5 * 60);
const IDLE: Duration = Duration::from_secs(2 * 60);
const TOTAL: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawUpstream) -> Upstream {
    let base_url = reader.value("upstream.base_url", raw.base_url.as_ref());
    let base_url = base_url.or(BaseUrl(BASE_URL.into())).0;
    let timeouts = timeouts(reader, raw.timeouts.as_ref());
    let retry = resilience::retry(reader, raw.retry.as_ref());
    let breaker = resilience::breaker(reader, raw.breaker.as_ref());
    let learn_session = reader.value("upstream.learn_session", raw.learn_session.as_ref());
    let empty_reply = reader.value("upstream.empty_reply", raw.empty_reply.as_ref());
    let ca_file = reader.value("upstream.ca_file", raw.ca_file.as_ref()).good();
    if let (Some(path), Some(written)) = (&ca_file, &raw.ca_file)
        && let Err(error) = File::open(path)
    {
        let message = format!("cannot read `{}`: {error}", written.as_str());
        reader.problem("upstream.ca_file", message);
    }
    Upstream {
        base_url,
        timeouts,
        retry,
        breaker,
        learn_session: learn_session.or(LearnSession::Stream),
        empty_reply: empty_reply.or(EmptyReply::Return),
        ca_file,
        reuse_connections: reader
            .value("upstream.reuse_connections", raw.reuse_connections.as_ref())
            .or(true),
    }
}

fn timeouts(reader: &mut Reader<'_>, raw: Option<&RawTimeouts>) -> Timeouts {
    let none = RawTimeouts::default();
    let raw = raw.unwrap_or(&none);
    let total = timeout(reader, "total", raw.total.as_ref(), TOTAL, None);
    let within_total = total.map(|total| ("total", total));
    let first_byte = timeout(reader, "first_byte", raw.first_byte.as_ref(), FIRST_BYTE, within_total);
    let within_first_byte = first_byte.map(|first_byte| ("first_byte", first_byte));
    let connect = timeout(reader, "connect", raw.connect.as_ref(), CONNECT, within_first_byte);
    let idle = timeout(reader, "idle", raw.idle.as_ref(), IDLE, within_total);
    Timeouts {
        connect: connect.unwrap_or(CONNECT),
        first_byte: first_byte.unwrap_or(FIRST_BYTE),
        idle: idle.unwrap_or(IDLE),
        total: total.unwrap_or(TOTAL),
    }
}

/// One clock, `None` if it is wrong. It must not be longer than the `outer` one; a default is cut to it.
fn timeout(
    reader: &mut Reader<'_>,
    key: &str,
    written: Option<&Written<Duration>>,
    default: Duration,
    outer: Option<(&str, Duration)>,
) -> Option<Duration> {
    let path = format!("upstream.timeouts.{key}");
    let range = Duration::from_millis(1)..=LONGEST;
    match (reader.within(&path, written, &range, "from 1ms to 24h"), outer) {
        (Read::Bad, _) => None,
        (Read::Absent, None) => Some(default),
        (Read::Absent, Some((_, limit))) => Some(default.min(limit)),
        (Read::Good(time), Some((name, limit))) if time > limit => {
            reader.problem(&path, format!("must not be longer than `upstream.timeouts.{name}`"));
            None
        }
        (Read::Good(time), _) => Some(time),
    }
}
