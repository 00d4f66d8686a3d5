//! `redis`.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::reader::{Read, Reader};
use crate::config::Redis;
use crate::config::raw::RawRedis;

const PREFIX: &str = "chipp-proxy";
const MAX_PREFIX_BYTES: usize = 100;
const TIMEOUT: Duration = Duration::from_millis(100);
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Checks the section; `None` if there is no URL in it, which is a problem only if a setting `needs` it.
pub(super) fn check(reader: &mut Reader<'_>, raw: &RawRedis, needs: Option<&str>) -> Option<Redis> {
    let url = reader.secret("redis", "url", raw.url.as_ref(), raw.url_file.as_ref());
    let prefix = reader.value("redis.prefix", raw.prefix.as_ref()).or(PREFIX.into());
    if prefix.len() > MAX_PREFIX_BYTES || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("must be printable ASCII without spaces, at most {MAX_PREFIX_BYTES} bytes");
        reader.problem("redis.prefix", message);
    }
    let timeout = reader.within("redis.timeout", raw.timeout.as_ref(), &TIMEOUT_RANGE, "from 1ms to 60s");
    let url = match url {
        Read::Good(url) => url,
        Read::Bad => return None,
        Read::Absent => {
            if let Some(setting) = needs {
                let message = format!("is needed with `{setting}`; write it like `redis://127.0.0.1:6379`");
                reader.problem("redis.url", message);
            }
            return None;
        }
    };
    if let Err(message) = check_url(url.expose()) {
        reader.problem(if raw.url_file.is_some() { "redis.url_file" } else { "redis.url" }, message);
    }
    Some(Redis { url, prefix, timeout: timeout.or(TIMEOUT) })
}

/// The message quotes nothing: there may be a password in it.
fn check_url(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL: write it like `redis://127.0.0.1:6379`")?;
    if url.fragment().is_some() {
        return Err("ends in `#…`: leave that out");
    }
    match url.scheme() {
        "unix" if !url.path().is_empty() => return Ok(()),
        "unix" => return Err("has no path: write it like `unix:///run/redis.sock`"),
        "redis" | "rediss" => {}
        _ => return Err("must begin with `redis://`, `rediss://` or `unix://`"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host");
    }
    if url.port() == Some(0) {
        return Err("has port 0");
    }
    if url.query().is_some() {
        return Err("ends in `?…`: leave that out");
    }
    let database = url.path().trim_matches('/');
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err("has a path that is not the number of a database, like `/0`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_redis() {
        for (url, expected) in [
            ("redis://127.0.0.1", ""),
            ("redis://redis.internal:6379/1", ""),
            ("rediss://user:p%40ss@redis.internal:6380", ""),
            ("redis://:password@[::1]:6379/", ""),
            ("unix:///run/redis.sock", ""),
            ("unix:///run/redis.sock?db=1&pass=p", ""),
            ("127.0.0.1:6379", "is not a URL"),
            ("http://127.0.0.1:6379", "must begin with"),
            ("redis:///1", "has no host"),
            ("redis://h:0", "has port 0"),
            ("redis://h/x", "number of a database"),
            ("redis://h?db=1", "ends in `?…`"),
            ("rediss://h/#insecure", "ends in `#…`"),
            ("unix://", "has no path"),
        ] {
            let told = check_url(url).err().unwrap_or_default();
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{url}: {told}");
        }
    }
}
