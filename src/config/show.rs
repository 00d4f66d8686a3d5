//! The effective configuration as YAML: every default filled in, every secret masked. Reading it again gives the same
//! configuration, but for the secrets.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::choice::word;
use super::{
    Auth, Breaker, ClientKey, Config, Cors, Limits, Redis, Responses, Retry, ServerTimeouts, Sessions,
    Timeouts,
};
use crate::allowance::Allowance;
use crate::catalog::Route;
use crate::secret::Secret;

/// What stands for a secret.
const MASK: &str = "***";

/// A piece of YAML; a section keeps its order.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    /// Is shown as a mask.
    Secret(Secret),
    Number(u64),
    Bool(bool),
    List(Vec<Node>),
    Section(Vec<(String, Node)>),
}

impl Config {
    /// What `chipp-proxy config` prints.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "writing text, numbers and lists into a string cannot fail"
    )]
    pub fn show(&self) -> String {
        serde_saphyr::to_string(&self.node()).expect("YAML of plain values")
    }

    pub(super) fn node(&self) -> Node {
        let mut keys = vec![
            ("server", self.server_node()),
            ("upstream", self.upstream_node()),
            (
                "models",
                Node::Section(
                    self.models.routes().map(|route| (route.alias.to_string(), model(route))).collect(),
                ),
            ),
            ("auth", auth(&self.auth)),
            ("sessions", sessions(&self.sessions)),
            ("responses", responses(&self.responses)),
            ("limits", self.limits_node()),
        ];
        keys.extend(self.redis.as_ref().map(|settings| ("redis", redis(settings))));
        keys.extend([
            (
                "parameters",
                section([
                    ("unsupported", text(word(self.parameters.unsupported))),
                    ("unknown", text(word(self.parameters.unknown))),
                ]),
            ),
            (
                "telemetry",
                section([
                    ("log", text(word(self.telemetry.log))),
                    ("level", text(word(self.telemetry.level))),
                    ("content", Node::Bool(self.telemetry.content)),
                    ("otlp", text("off")),
                ]),
            ),
        ]);
        section(keys)
    }

    fn server_node(&self) -> Node {
        let server = &self.server;
        let mut keys = vec![
            ("listen", text(server.listen)),
            ("admin", server.admin.map_or_else(|| text("off"), text)),
            ("workers", number(server.workers)),
            ("body_limit", size(server.body_limit)),
            ("drain", duration(server.drain)),
            ("keep_alive_comment", server.keep_alive_comment.map_or_else(|| text("off"), duration)),
        ];
        let ServerTimeouts { head, body, keep_alive } = server.timeouts;
        let timeouts =
            [("head", duration(head)), ("body", duration(body)), ("keep_alive", duration(keep_alive))];
        keys.push(("timeouts", section(timeouts)));
        if let Some(tls) = &server.tls {
            let files = section([("cert", text(tls.cert.display())), ("key", text(tls.key.display()))]);
            keys.push(("tls", files));
        }
        if let Some(cors) = &server.cors {
            let origins = match cors {
                Cors::Any => Node::List(vec![text("*")]),
                Cors::Only(origins) => texts(origins),
            };
            keys.push(("cors", section([("origins", origins)])));
        }
        section(keys)
    }

    fn upstream_node(&self) -> Node {
        let upstream = &self.upstream;
        let Timeouts { connect, first_byte, idle, total } = upstream.timeouts;
        let timeouts = section([
            ("connect", duration(connect)),
            ("first_byte", duration(first_byte)),
            ("idle", duration(idle)),
            ("total", duration(total)),
        ]);
        let mut keys = vec![
            ("base_url", text(&upstream.base_url)),
            ("timeouts", timeouts),
            ("retry", retry(&upstream.retry)),
            ("breaker", breaker(upstream.breaker)),
            ("learn_session", text(word(upstream.learn_session))),
            ("empty_reply", text(word(upstream.empty_reply))),
            ("reuse_connections", Node::Bool(upstream.reuse_connections)),
        ];
        if let Some(path) = &upstream.ca_file {
            keys.push(("ca_file", text(path.display())));
        }
        section(keys)
    }

    fn limits_node(&self) -> Node {
        let Limits { store, on_store_failure, all, key, user } = &self.limits;
        let mut keys =
            vec![("store", text(word(*store))), ("on_store_failure", text(word(*on_store_failure)))];
        let given = [("all", all), ("key", key), ("user", user)].into_iter();
        keys.extend(
            given.filter(|(_, limits)| !limits.is_empty()).map(|(name, limits)| (name, allowance(limits))),
        );
        section(keys)
    }
}

fn retry(retry: &Retry) -> Node {
    section([
        ("attempts", Node::Number(retry.attempts.into())),
        ("backoff", duration(retry.backoff)),
        ("max_backoff", duration(retry.max_backoff)),
        ("on", Node::List(retry.on.iter().map(|fault| text(word(*fault))).collect())),
    ])
}

fn breaker(breaker: Breaker) -> Node {
    let failures =
        breaker.failures.map_or_else(|| text("off"), |failures| Node::Number(failures.get().into()));
    section([
        ("failures", failures),
        ("window", duration(breaker.window)),
        ("cooldown", duration(breaker.cooldown)),
    ])
}

fn model(route: &Route) -> Node {
    let mut keys = vec![("app", text(route.app.as_str()))];
    keys.extend(route.key.clone().map(|key| ("api_key", Node::Secret(key))));
    keys.push(("hidden", Node::Bool(route.hidden)));
    keys.push(("tools", text(word(route.tools))));
    keys.push(("images", text(word(route.images))));
    if !route.fallbacks.is_empty() {
        keys.push(("fallbacks", Node::List(route.fallbacks.iter().map(text).collect())));
    }
    keys.extend(route.limits.map(|limits| ("limits", allowance(&limits))));
    section(keys)
}

fn auth(auth: &Auth) -> Node {
    match auth {
        Auth::Open => section([("mode", text("open"))]),
        Auth::Passthrough => section([("mode", text("passthrough"))]),
        Auth::Keys(keys) => {
            section([("mode", text("keys")), ("keys", Node::List(keys.iter().map(client_key).collect()))])
        }
    }
}

fn client_key(key: &ClientKey) -> Node {
    let hashes = key.sha256.iter().map(|hash| text(hex(hash))).collect();
    let mut keys = vec![("name", text(&key.name)), ("sha256", Node::List(hashes))];
    if let Some(models) = &key.models {
        keys.push(("models", texts(models)));
    }
    if let Some(expires) = key.expires {
        let moment = UNIX_EPOCH + Duration::from_secs(expires);
        keys.push(("expires", text(humantime::format_rfc3339_seconds(moment))));
    }
    keys.push(("disabled", Node::Bool(key.disabled)));
    keys.push(("trust_user", Node::Bool(key.trust_user)));
    keys.extend(key.limits.map(|limits| ("limits", allowance(&limits))));
    section(keys)
}

fn sessions(sessions: &Sessions) -> Node {
    section([
        ("strategy", text(word(sessions.strategy))),
        ("store", text(word(sessions.store))),
        ("ttl", duration(sessions.ttl)),
        ("capacity", number(sessions.capacity)),
        ("user_headers", texts(&sessions.user_headers)),
        ("conversation_headers", texts(&sessions.conversation_headers)),
        ("expose", Node::Bool(sessions.expose)),
    ])
}

fn responses(responses: &Responses) -> Node {
    section([
        ("store", text(word(responses.store))),
        ("ttl", duration(responses.ttl)),
        ("max_bytes", size(responses.max_bytes)),
        ("max_entry", size(responses.max_entry)),
    ])
}

fn redis(redis: &Redis) -> Node {
    section([
        ("url", Node::Secret(redis.url.clone())),
        ("prefix", text(&redis.prefix)),
        ("timeout", duration(redis.timeout)),
    ])
}

fn allowance(limits: &Allowance) -> Node {
    let numbers = [
        ("requests_per_minute", limits.requests_per_minute),
        ("burst", limits.burst),
        ("requests_per_day", limits.requests_per_day),
        ("tokens_per_minute", limits.tokens_per_minute),
        ("tokens_per_day", limits.tokens_per_day),
        ("concurrent", limits.concurrent),
    ];
    section(numbers.into_iter().filter_map(|(name, number)| Some((name, Node::Number(number?.get().into())))))
}

fn section<'a>(keys: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    Node::Section(keys.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they have at hand")]
fn text(value: impl ToString) -> Node {
    Node::Text(value.to_string())
}

fn texts(values: &[String]) -> Node {
    Node::List(values.iter().map(text).collect())
}

fn number(value: usize) -> Node {
    Node::Number(u64::try_from(value).unwrap_or(u64::MAX))
}

fn duration(value: Duration) -> Node {
    text(humantime::format_duration(value))
}

/// In the largest unit that divides it, so that nothing is rounded.
fn size(bytes: usize) -> Node {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes.is_multiple_of(factor) {
            return text(format!("{}{unit}", bytes / factor));
        }
    }
    number(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Secret(_) => serializer.serialize_str(MASK),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::List(nodes) => nodes.serialize(serializer),
            Self::Section(keys) => {
                let mut map = serializer.serialize_map(Some(keys.len()))?;
                for (key, node) in keys {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
        }
    }
}
