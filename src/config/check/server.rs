//! `server`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

use super::reader::{Read, Reader};
use crate::certificate::{self, File, Files};
use crate::config::raw::{RawCors, RawServer, RawServerTimeouts, RawTls};
use crate::config::values::{OrOff, Origin};
use crate::config::written::Written;
use crate::config::{Cors, Server, ServerTimeouts};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
const MAX_WORKERS: usize = 1024;
const BODY_LIMIT: ByteSize = ByteSize::mib(10);
const DRAIN: Duration = Duration::from_secs(30);
const MAX_DRAIN: Duration = Duration::from_secs(60 * 60);
const COMMENT: Duration = Duration::from_secs(15);
/// Enough for any head, over any line.
const HEAD: Duration = Duration::from_secs(5);
/// Enough for 10 MiB over a slow line.
const BODY: Duration = Duration::from_secs(2 * 60);
/// Longer than load balancers keep theirs: who closes first must not be the one that is about to be asked.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
const COMMENT_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawServer) -> Server {
    let listen = reader.value("server.listen", raw.listen.as_ref()).or(LISTEN);
    let admin = reader.value("server.admin", raw.admin.as_ref()).or(OrOff(Some(ADMIN))).0;
    if admin.is_some_and(|admin| collide(listen, admin)) {
        reader.problem("server.admin", "is the same address as `server.listen`");
    }
    let workers = reader.within(
        "server.workers",
        raw.workers.as_ref(),
        &(0..=MAX_WORKERS),
        "from 0 (one per core) to 1024",
    );
    let body_limit = reader.within(
        "server.body_limit",
        raw.body_limit.as_ref(),
        &(ByteSize::kib(1)..=ByteSize::gib(1)),
        "from 1KiB to 1GiB",
    );
    let drain =
        reader.within("server.drain", raw.drain.as_ref(), &(Duration::ZERO..=MAX_DRAIN), "at most 1h");
    Server {
        listen,
        admin,
        workers: match workers.or(0) {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        },
        body_limit: usize::try_from(body_limit.or(BODY_LIMIT).as_u64()).unwrap_or(usize::MAX),
        drain: drain.or(DRAIN),
        keep_alive_comment: keep_alive_comment(reader, raw),
        timeouts: timeouts(reader, raw.timeouts.as_ref()),
        tls: raw.tls.as_ref().and_then(|raw| tls(reader, raw)),
        cors: raw.cors.as_ref().and_then(|raw| cors(reader, raw)),
    }
}

fn keep_alive_comment(reader: &mut Reader<'_>, raw: &RawServer) -> Option<Duration> {
    let path = "server.keep_alive_comment";
    match reader.value(path, raw.keep_alive_comment.as_ref()) {
        Read::Good(OrOff(None)) => None,
        Read::Good(OrOff(Some(every))) => {
            if !COMMENT_RANGE.contains(&every) {
                reader.problem(path, "must be from 10ms to 1h, or `off`");
            }
            Some(every)
        }
        Read::Absent | Read::Bad => Some(COMMENT),
    }
}

fn timeouts(reader: &mut Reader<'_>, raw: Option<&RawServerTimeouts>) -> ServerTimeouts {
    let none = RawServerTimeouts::default();
    let raw = raw.unwrap_or(&none);
    let mut timeout = |key: &str, written: Option<&Written<Duration>>, default: Duration| {
        let path = format!("server.timeouts.{key}");
        reader.within(&path, written, &TIMEOUT_RANGE, "from 10ms to 1h").or(default)
    };
    ServerTimeouts {
        head: timeout("head", raw.head.as_ref(), HEAD),
        body: timeout("body", raw.body.as_ref(), BODY),
        keep_alive: timeout("keep_alive", raw.keep_alive.as_ref(), KEEP_ALIVE),
    }
}

/// The files are looked into: what is wrong with them is to be known before the old process is stopped.
fn tls(reader: &mut Reader<'_>, raw: &RawTls) -> Option<Files> {
    const CERT: &str = "server.tls.cert";
    const KEY: &str = "server.tls.key";
    let [cert, key] = [(CERT, &raw.cert), (KEY, &raw.key)].map(|(path, written)| {
        let file = reader.value(path, written.as_ref());
        if matches!(file, Read::Absent) {
            reader.problem(path, "is missing: TLS takes a certificate and its key");
        }
        file.good()
    });
    let files = Files { cert: cert?, key: key? };
    if let Err(fault) = certificate::check(&files) {
        let (path, written) = match fault.file() {
            File::Cert => (CERT, &raw.cert),
            File::Key => (KEY, &raw.key),
        };
        let written = written.as_ref().map(Written::as_str).unwrap_or_default();
        reader.problem(path, format!("`{written}` {fault}"));
    }
    Some(files)
}

fn cors(reader: &mut Reader<'_>, raw: &RawCors) -> Option<Cors> {
    let path = "server.cors.origins";
    let is_empty = raw.origins.as_ref().is_none_or(|origins| origins.len_as_written() == 0);
    if is_empty {
        reader.problem(path, "is missing: name the origins, or `*` for all");
    }
    let origins = reader.list(path, raw.origins.as_ref()).good()?;
    let named: Option<Vec<String>> = origins.into_iter().map(|(_, Origin(origin))| origin).collect();
    Some(named.map_or(Cors::Any, Cors::Only))
}

/// Whether two listeners would take the same port. Port 0 is any free one.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}
