//! The file format: every key, as text that is not yet read (see [`Written`]).
//!
//! The doc comments here are what an editor shows: they go into the JSON Schema. Every key is optional in these
//! types, and unknown ones pass: `shape` finds those, `check` knows what is missing.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::Mode;
use super::values::{BaseUrl, Expiry, HeaderName, KeyHash, OrOff, Origin};
use super::written::{List, Written};
use super::{
    EmptyReply, LearnSession, LimitsStore, LogFormat, LogLevel, OnStoreFailure, ResponsesStore, SessionStore,
    Strategy,
};
use crate::secret::Secret;
use crate::translate::request::OnParameter;

mod models;
mod resilience;

pub(crate) use models::{RawEntry, RawModel, RawModels};
pub(crate) use resilience::{RawBreaker, RawRetry};

/// The configuration of chipp-proxy.
///
/// `${VAR}` and `${VAR:-default}` in a value are filled from the environment, and
/// `CHIPP_PROXY__SECTION__KEY=value` in the environment overrides any key outside of `models` and `auth.keys`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "chipp-proxy")]
pub(crate) struct RawConfig {
    /// The listener and the process.
    pub server: Option<RawServer>,
    /// Chipp, and how it is called.
    pub upstream: Option<RawUpstream>,
    /// Which Chipp app answers to which model name.
    #[serde(skip_serializing)]
    pub models: Option<RawModels>,
    /// Who may call.
    pub auth: Option<RawAuth>,
    /// How conversations are kept.
    pub sessions: Option<RawSessions>,
    /// What is kept for the Responses API and the Conversations API.
    pub responses: Option<RawResponses>,
    /// How much may be called; each limit is optional, and an alias and a key can have their own.
    pub limits: Option<RawLimits>,
    /// What several replicas share.
    pub redis: Option<RawRedis>,
    /// What becomes of parameters that Chipp does not have.
    pub parameters: Option<RawParameters>,
    /// Logs and traces.
    pub telemetry: Option<RawTelemetry>,
}

/// `server`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawServer {
    /// Where clients connect: IP and port. Default: 127.0.0.1:8080.
    pub listen: Option<Written<SocketAddr>>,
    /// Health, metrics and dashboard: IP and port, or `off`. Default: 127.0.0.1:9090.
    pub admin: Option<Written<OrOff<SocketAddr>>>,
    /// Worker threads; 0 = one per core. Default: 0.
    pub workers: Option<Written<usize>>,
    /// Largest request body, from 1KiB to 1GiB. Default: 10MiB.
    pub body_limit: Option<Written<ByteSize>>,
    /// After SIGTERM: how long running requests may take to finish. Default: 30s.
    pub drain: Option<Written<Duration>>,
    /// How often a silent stream gets an SSE comment, or `off`. Default: 15s.
    pub keep_alive_comment: Option<Written<OrOff<Duration>>>,
    /// How long a client may take.
    pub timeouts: Option<RawServerTimeouts>,
    /// HTTPS for clients. Default: plain HTTP.
    pub tls: Option<RawTls>,
    /// Pages of other origins that may call, from a browser. Default: none.
    pub cors: Option<RawCors>,
}

/// `server.timeouts`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawServerTimeouts {
    /// To send the head of the first request of a connection. Default: 5s.
    pub head: Option<Written<Duration>>,
    /// To send the body of a request. Default: 2m.
    pub body: Option<Written<Duration>>,
    /// Between two requests of a connection, the head of the second included. Default: 75s.
    pub keep_alive: Option<Written<Duration>>,
}

/// `server.tls`. Files whose content changes are read again; the admin address stays plain.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTls {
    /// The certificate chain, the server's own first, a PEM file.
    pub cert: Option<Written<PathBuf>>,
    /// Its private key, a PEM file.
    pub key: Option<Written<PathBuf>>,
}

/// `server.cors`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCors {
    /// Origins, `https://chat.example.com`, or `*` for all.
    pub origins: Option<List<Origin>>,
}

/// `upstream`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawUpstream {
    /// Chipp's API. Default: <https://app.chipp.ai/api/v1>.
    pub base_url: Option<Written<BaseUrl>>,
    /// The Chipp key of every alias that has none of its own. Not used with `auth.mode: passthrough`.
    pub api_key: Option<Written<Secret>>,
    /// A file that holds the key, instead of `api_key`.
    pub api_key_file: Option<Written<PathBuf>>,
    /// The four clocks of a call.
    pub timeouts: Option<RawTimeouts>,
    /// What is tried again.
    pub retry: Option<RawRetry>,
    /// When an app is left alone for a while.
    pub breaker: Option<RawBreaker>,
    /// How the session of a first, streamed turn is learnt: `stream` (if the stream names it) or `buffer_first` (the
    /// turn is asked for unstreamed, and streamed when it is there). Default: stream.
    pub learn_session: Option<Written<LearnSession>>,
    /// What becomes of an empty reply: `return`, `error` (502), or `transcript` (the answer is looked for in the
    /// session's transcript; 502 if it is not there either). Default: return.
    pub empty_reply: Option<Written<EmptyReply>>,
    /// More root certificates to trust, a PEM file.
    pub ca_file: Option<Written<PathBuf>>,
    /// `false` closes each connection after its request. Default: true.
    pub reuse_connections: Option<Written<bool>>,
}

/// `upstream.timeouts`. A default that would be longer than `total` is cut to it.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTimeouts {
    /// Until connected, TLS included. Default: 10s.
    pub connect: Option<Written<Duration>>,
    /// Until the head of the answer: an app's tools can be silent for minutes. Default: 5m.
    pub first_byte: Option<Written<Duration>>,
    /// Between two pieces of an answer. Default: 2m.
    pub idle: Option<Written<Duration>>,
    /// For the whole exchange. Default: 10m.
    pub total: Option<Written<Duration>>,
}

/// `auth`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAuth {
    /// `keys`: the client sends a key listed below; `passthrough`: it sends its Chipp key; `open`: anybody, on
    /// loopback only. Default: keys.
    pub mode: Option<Written<Mode>>,
    /// The keys that are good, with `mode: keys`; `chipp-proxy key new NAME` makes one.
    pub keys: Option<Vec<RawKey>>,
    /// Lets `mode: open` listen on an address that others can reach. Default: false.
    pub allow_open_on_network: Option<Written<bool>>,
}

/// An entry of `auth.keys`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawKey {
    /// Its name in logs and limits.
    pub name: Option<Written<String>>,
    /// SHA-256 of the key in hexadecimal digits: one, or two while it is changed.
    pub sha256: Option<List<KeyHash>>,
    /// Aliases and patterns that it may use. Default: all.
    pub models: Option<List<String>>,
    /// When it stops being good: a date, or a date and time in UTC. Default: never.
    pub expires: Option<Written<Expiry>>,
    /// `true`: it is refused, as if it were not listed. Default: false.
    pub disabled: Option<Written<bool>>,
    /// Whether its headers for user and conversation are believed. Default: false.
    pub trust_user: Option<Written<bool>>,
    /// Its own limits, instead of `limits.key`.
    pub limits: Option<RawRule>,
}

/// `sessions`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawSessions {
    /// `conversation`: by the history that the client sends; `off`: always the full history; `sticky`: each user, or
    /// conversation with a header, has one session, for clients that send only what is new. Default: conversation.
    pub strategy: Option<Written<Strategy>>,
    /// `memory`: each process for itself; `redis`: all replicas together, see `redis`. Default: memory.
    pub store: Option<Written<SessionStore>>,
    /// How long an unused session is remembered. Default: 24h.
    pub ttl: Option<Written<Duration>>,
    /// How many are remembered, with `store: memory`. Default: 100000.
    pub capacity: Option<Written<usize>>,
    /// Headers that may carry a user's id. Default: [X-User-ID, X-OpenWebUI-User-Id].
    pub(crate) user_headers: Option<List<HeaderName>>,
    /// Headers that may carry a conversation's id. Default: [X-Conversation-ID, X-OpenWebUI-Chat-Id].
    pub conversation_headers: Option<List<HeaderName>>,
    /// Whether answers carry the session's id in `X-Chat-Session-ID`, and clients may send it back, to go on with a
    /// session of their own. Default: false.
    pub expose: Option<Written<bool>>,
}

/// `responses`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawResponses {
    /// `memory`: each process for itself; `redis`: all replicas together, see `redis`. Default: memory.
    pub store: Option<Written<ResponsesStore>>,
    /// How long an unused response or conversation is kept. Default: 30d.
    pub ttl: Option<Written<Duration>>,
    /// What all of them may take, with `store: memory`; then those go that nobody has used for longest. From 1MiB to
    /// 1TiB. Default: 256MiB.
    pub max_bytes: Option<Written<ByteSize>>,
    /// The largest response, with the conversation that it ends, and the largest conversation. From 1KiB to 512MiB.
    /// Default: 16MiB, or `max_bytes` if that is less.
    pub max_entry: Option<Written<ByteSize>>,
}

/// `limits`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// `memory`: each process counts by itself; `redis`: all replicas together, see `redis`. Default: memory.
    pub store: Option<Written<LimitsStore>>,
    /// While Redis is away, with `store: redis`: `local` (each process counts by itself) or `deny` (what has limits is
    /// refused with a 503). Default: local.
    pub on_store_failure: Option<Written<OnStoreFailure>>,
    /// Over all callers.
    pub all: Option<RawRule>,
    /// For each key.
    pub key: Option<RawRule>,
    /// For each user of a key.
    pub(crate) user: Option<RawRule>,
}

/// `redis`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRedis {
    /// `redis://host:6379/0`, `rediss://…` for TLS, or `unix:///path`. It may hold a password.
    pub url: Option<Written<Secret>>,
    /// A file that holds the URL, instead of `url`.
    pub url_file: Option<Written<PathBuf>>,
    /// What its keys begin with. Default: chipp-proxy.
    pub prefix: Option<Written<String>>,
    /// How long one call may take; then it is away. Default: 100ms.
    pub timeout: Option<Written<Duration>>,
}

/// A set of limits.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRule {
    /// Requests a minute, on average.
    pub requests_per_minute: Option<Written<NonZeroU32>>,
    /// Requests a day, on average.
    pub requests_per_day: Option<Written<NonZeroU32>>,
    /// Tokens a minute, of prompts and answers.
    pub tokens_per_minute: Option<Written<NonZeroU32>>,
    /// Tokens a day.
    pub tokens_per_day: Option<Written<NonZeroU32>>,
    /// How many of `requests_per_minute` may come at once. Default: all of them.
    pub burst: Option<Written<NonZeroU32>>,
    /// Requests that run at the same time; others wait for up to 5 seconds.
    pub concurrent: Option<Written<NonZeroU32>>,
}

/// `parameters`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawParameters {
    /// Parameters of OpenAI without effect here: `ignore` (named in a header) or `reject`. Default: ignore.
    pub unsupported: Option<Written<OnParameter>>,
    /// Fields that OpenAI does not know either: `ignore` or `reject`. Default: ignore.
    pub unknown: Option<Written<OnParameter>>,
}

/// `telemetry`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    /// `json` or `pretty`. Default: json.
    pub log: Option<Written<LogFormat>>,
    /// How much the proxy logs: `error`, `warn`, `info` (a line for each request), `debug` or `trace`. `RUST_LOG` in the
    /// environment comes before it. Default: info.
    pub level: Option<Written<LogLevel>>,
    /// Whether requests and answers are logged, word for word. Default: false.
    pub content: Option<Written<bool>>,
    /// Where traces go. `off`; an address is not supported yet. Default: off.
    pub otlp: Option<Written<OrOff<String>>>,
}
