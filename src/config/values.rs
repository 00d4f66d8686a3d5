//! How each kind of value is read from text, and what to say when it cannot be.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use bytesize::ByteSize;
use schemars::{Schema, json_schema};
use url::Url;

use super::written::FromText;
use crate::ids::AppId;
use crate::secret::Secret;

/// What a `${VAR}` looks like to an editor: anywhere in a value.
const VARIABLE: &str = r"\$\{.+\}";

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("is neither `true` nor `false`".into()),
        }
    }

    fn schema() -> Schema {
        json_schema!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": VARIABLE}]})
    }
}

impl FromText for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a whole number".into())
    }

    fn schema() -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": VARIABLE}]})
    }
}

impl FromText for NonZeroU32 {
    fn from_text(text: &str) -> Result<Self, String> {
        let number: u32 =
            text.parse().map_err(|_| format!("is not a whole number from 1 to {}", u32::MAX))?;
        Self::new(number).ok_or_else(|| "is not a limit: leave it out to have none".into())
    }

    fn schema() -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": VARIABLE}]})
    }
}

impl FromText for Duration {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("has no unit: write it like `30s` for seconds, `250ms` or `5m`".into());
        }
        humantime::parse_duration(text)
            .map_err(|_| "is not a duration: write it like `250ms`, `30s`, `5m` or `24h`".into())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["250ms", "30s", "5m", "24h"]})
    }
}

impl FromText for ByteSize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a size: write it like `512KiB` or `10MiB`".into())
    }

    fn schema() -> Schema {
        json_schema!({"type": ["string", "integer"], "examples": ["512KiB", "10MiB"]})
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "is not an address: write IP and port, like `127.0.0.1:8080` or `[::]:8080`".into())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"]})
    }
}

/// A value, or `off` (`false` is taken for it, since older YAML reads `off` so).
pub(crate) struct OrOff<T>(pub Option<T>);

impl<T: FromText> FromText for OrOff<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "off" | "false" => Ok(Self(None)),
            _ => T::from_text(text)
                .map(|value| Self(Some(value)))
                .map_err(|error| format!("{error}; or `off`")),
        }
    }

    fn schema() -> Schema {
        json_schema!({"anyOf": [{"const": "off"}, {"const": false}, T::schema()]})
    }
}

/// `upstream.base_url`, without a slash at its end.
pub(crate) struct BaseUrl(pub String);

impl FromText for BaseUrl {
    // It may be written with a password in it, which is one of the mistakes.
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|_| "is not a URL: write it like `https://app.chipp.ai/api/v1`")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with `https://` or `http://`".into());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("has no host".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user name or password in it: keys go into `api_key`".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("ends in `?…` or `#…`: leave that out".into());
        }
        if url.port() == Some(0) {
            return Err("has port 0".into());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["https://app.chipp.ai/api/v1"]})
    }
}

/// Where a page comes from, as browsers write it; `None` = from anywhere.
pub(crate) struct Origin(pub Option<String>);

impl FromText for Origin {
    fn from_text(text: &str) -> Result<Self, String> {
        let bad =
            || "is not an origin: write it like `https://chat.example.com`, without a path, or `*`".into();
        if text == "*" {
            return Ok(Self(None));
        }
        let (scheme, host) = text.split_once("://").ok_or_else(bad)?;
        let url = Url::parse(text).map_err(|_| bad())?;
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*".contains(&byte)) {
            return Err(bad());
        }
        // Those of apps (`app://obsidian.md`) are opaque to the parser, and are compared as they are written.
        Ok(Self(Some(match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => url.origin().ascii_serialization(),
            _ => text.to_owned(),
        })))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["https://chat.example.com", "http://localhost:3000", "*"]})
    }
}

impl FromText for AppId {
    // Not shown to anybody who does not need it, and the first place where a pasted key ends up.
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            "is not an app's name id: it looks like `myapp-123`, without spaces, at most 255 bytes".into()
        })
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["myapp-123"]})
    }
}

impl FromText for Secret {
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a space, a line break or another character that cannot be part of a key".into());
        }
        if text == "***" {
            return Err("is the mask of a secret, not a secret".into());
        }
        Ok(Self::new(text))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["${CHIPP_API_KEY}"]})
    }
}

/// The SHA-256 of a client's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash(pub [u8; 32]);

/// SHA-256 of nothing: what `printf '' | sha256sum` gives when a variable was empty.
const EMPTY_HASH: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl FromText for KeyHash {
    // The likely mistake is the key itself in the place of its hash.
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut hash = [0_u8; 32];
        let pairs = digits.as_bytes().chunks(2);
        if digits.len() != 64 {
            return Err(
                "is not a SHA-256 in 64 hexadecimal digits: `chipp-proxy key new NAME` makes one".into()
            );
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            *byte = pair
                .iter()
                .try_fold(0_u8, |byte, digit| {
                    let digit = char::from(*digit).to_digit(16)?;
                    Some(byte << 4 | u8::try_from(digit).ok()?)
                })
                .ok_or("has a character that is not a hexadecimal digit")?;
        }
        if hash == EMPTY_HASH {
            return Err("is the SHA-256 of an empty key".into());
        }
        Ok(Self(hash))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": r"^(sha256:)?[0-9a-fA-F]{64}$|\$\{.+\}"})
    }
}

/// The first second at which a key is no longer good, in Unix time.
pub(crate) struct Expiry(pub u64);

impl FromText for Expiry {
    fn from_text(text: &str) -> Result<Self, String> {
        let bad = || {
            "is not a date: write `2027-01-01` (the start of that day, UTC) or `2027-01-01T12:00:00Z`".into()
        };
        let moment = if text.len() == "2027-01-01".len() {
            humantime::parse_rfc3339(&format!("{text}T00:00:00Z"))
        } else {
            humantime::parse_rfc3339(text)
        };
        let moment = moment.map_err(|_| bad())?;
        moment.duration_since(UNIX_EPOCH).map(|since| Self(since.as_secs())).map_err(|_| bad())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["2027-01-01", "2027-01-01T12:00:00Z"]})
    }
}

/// The name of a request header, in lower case.
pub(crate) struct HeaderName(pub String);

/// Headers whose meaning is taken.
const RESERVED: [&str; 9] = [
    "authorization",
    "api-key",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "transfer-encoding",
    "x-chipp-session",
];

impl FromText for HeaderName {
    fn from_text(text: &str) -> Result<Self, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.len() > 255 || !text.bytes().all(token) {
            return Err("is not a header's name: write it like `X-User-ID`".into());
        }
        let name = text.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err("has a meaning of its own and cannot carry an id".into());
        }
        Ok(Self(name))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["X-User-ID"]})
    }
}
