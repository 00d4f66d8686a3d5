//! From text to a [`Config`] that cannot be wrong.
//!
//! The way: `yaml` reads the file, `shape` finds unknown keys, `raw` is the file format with its values still as
//! text, `overlay` lays `CHIPP_PROXY__…` over it, `check` fills in `${VAR}` and makes the checked types below; `schema`
//! and `show` print. Only files that the configuration names are read, and the process's environment in
//! [`Environment::from_process`] alone. A message never holds a value from the environment, nor a key from the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::allowance::Allowance;
use crate::catalog::Catalog;
use crate::certificate;
use crate::secret::Secret;
use crate::translate::request::Parameters;

mod check;
mod choice;
pub mod diff;
mod environment;
mod fill;
mod load;
mod overlay;
mod problem;
mod raw;
mod resilience;
mod schema;
mod shape;
mod show;
mod sources;
mod values;
mod written;
mod yaml;

pub use environment::Environment;
pub use problem::{Problem, Problems};
pub use resilience::{Breaker, Fault, Retry};
pub use schema::schema;
pub use sources::Sources;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener and the process.
    pub server: Server,
    /// Chipp.
    pub upstream: Upstream,
    /// `models`: which alias is which app.
    pub models: Catalog,
    /// Who may call.
    pub auth: Auth,
    /// How conversations are kept.
    pub sessions: Sessions,
    /// What is kept for the Responses API.
    pub responses: Responses,
    /// How much they may call.
    pub limits: Limits,
    /// `redis`, for whatever is kept there; there if `redis.url` is set.
    pub redis: Option<Redis>,
    /// What becomes of parameters that Chipp has not.
    pub parameters: Parameters,
    /// What is told to operators.
    pub telemetry: Telemetry,
}

/// `server`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Health and metrics; `None` = off.
    pub admin: Option<SocketAddr>,
    /// Worker threads, at least 1 (0 in the file = one per core, resolved here).
    pub workers: usize,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// How long running requests may take to finish after SIGTERM.
    pub drain: Duration,
    /// How often a silent stream gets an SSE comment; `None` = never.
    pub keep_alive_comment: Option<Duration>,
    /// How long a client may take.
    pub timeouts: ServerTimeouts,
    /// HTTPS for clients; `None` = plain HTTP. The files could be used when they were checked.
    pub tls: Option<certificate::Files>,
    /// Pages of other origins that may call; `None` = none.
    pub cors: Option<Cors>,
}

/// `server.timeouts`.
#[derive(Clone, Copy, Debug)]
pub struct ServerTimeouts {
    /// To send the head of the first request of a connection.
    pub head: Duration,
    /// To send the body of a request.
    pub body: Duration,
    /// Between two requests of a connection, the head of the second included.
    pub keep_alive: Duration,
}

/// `server.cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Of any origin.
    Any,
    /// Of these, as browsers write them.
    Only(Vec<String>),
}

/// `upstream`.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `https://app.chipp.ai/api/v1`, without a slash at its end; http or https, with a host.
    pub base_url: String,
    /// The four clocks.
    pub timeouts: Timeouts,
    /// What is tried again.
    pub retry: Retry,
    /// When an app is left alone.
    pub breaker: Breaker,
    /// How the session of a first, streamed turn is learnt.
    pub learn_session: LearnSession,
    /// What becomes of an empty reply.
    pub empty_reply: EmptyReply,
    /// More roots to trust, a PEM file (read and parsed when the client is built; existence is checked here).
    pub ca_file: Option<PathBuf>,
    /// `false` closes each connection after its request.
    pub reuse_connections: bool,
}

/// `upstream.learn_session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnSession {
    /// From the stream, if that names it; else the next turn is replayed.
    Stream,
    /// The turn is asked for unstreamed, which names it always, and streamed to the client when it is there.
    BufferFirst,
}

/// `upstream.empty_reply`. An app's turn can end on a tool step, without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyReply {
    /// The client gets an empty answer.
    Return,
    /// The client gets an error.
    Error,
    /// The answer is looked for in the session's transcript.
    Transcript,
}

/// `upstream.timeouts`.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until connected, TLS included.
    pub connect: Duration,
    /// From the start until the head of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// For the whole exchange.
    pub total: Duration,
}

/// `auth`.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Anybody (loopback, or allowed in so many words).
    Open,
    /// The client sends its Chipp key, which is passed on.
    Passthrough,
    /// The client sends a key of ours.
    Keys(Vec<ClientKey>),
}

impl Auth {
    /// The word of the configuration.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Passthrough => "passthrough",
            Self::Keys(_) => "keys",
        }
    }
}

/// An entry of `auth.keys`.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// Its name in logs and limits.
    pub name: String,
    /// SHA-256 of the key, one or two.
    pub sha256: Vec<[u8; 32]>,
    /// Aliases and patterns that it may use; `None` = all.
    pub models: Option<Vec<String>>,
    /// First second (Unix time) at which it is no longer good.
    pub expires: Option<u64>,
    /// It is not good at present.
    pub disabled: bool,
    /// Whether its identity and conversation headers are believed.
    pub trust_user: bool,
    /// `limits` of this key, instead of `limits.key`.
    pub limits: Option<Allowance>,
}

/// `sessions`.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// How a request finds its session.
    pub strategy: Strategy,
    /// Where sessions are kept.
    pub store: SessionStore,
    /// How long an unused session is remembered.
    pub ttl: Duration,
    /// How many are remembered, in memory.
    pub capacity: usize,
    /// Headers that may carry a user's id; lower case.
    pub user_headers: Vec<String>,
    /// Headers that may carry a conversation's id; lower case.
    pub conversation_headers: Vec<String>,
    /// Whether clients are told the ids of their sessions, and may come back with them.
    pub expose: bool,
}

/// `sessions.strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By the history that the client sends.
    Conversation,
    /// Each user, or conversation with a header, has one: for clients that send only what is new.
    Sticky,
    /// Never: always the full history.
    Off,
}

/// `sessions.store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStore {
    /// In the process.
    Memory,
    /// In Redis, where all replicas find them; `Config::redis` is there then.
    Redis,
}

/// `responses`: also what is kept of conversations.
#[derive(Clone, Debug)]
pub struct Responses {
    /// Where they are kept.
    pub store: ResponsesStore,
    /// How long an unused one is.
    pub ttl: Duration,
    /// What all of them may take in memory.
    pub max_bytes: usize,
    /// The largest one.
    pub max_entry: usize,
}

/// `responses.store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsesStore {
    /// In the process.
    Memory,
    /// In Redis, where all replicas find them; `Config::redis` is there then.
    Redis,
}

/// `redis`.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `redis://…`, `rediss://…` or `unix://…`, checked; it may hold a password.
    pub url: Secret,
    /// What its keys begin with.
    pub prefix: String,
    /// How long one call may take.
    pub timeout: Duration,
}

/// `limits`; empty ones limit nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Where it is counted.
    pub store: LimitsStore,
    /// What happens when that is away.
    pub on_store_failure: OnStoreFailure,
    /// Over all callers.
    pub all: Allowance,
    /// For each key.
    pub key: Allowance,
    /// For each user of a key.
    pub user: Allowance,
}

/// `limits.store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitsStore {
    /// In the process.
    #[default]
    Memory,
    /// In Redis, for all replicas together; `Config::redis` is there then.
    Redis,
}

/// `limits.on_store_failure`. Memory does not fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Each process counts by itself.
    #[default]
    Local,
    /// What has limits is refused.
    Deny,
}

/// `telemetry`.
#[derive(Clone, Copy, Debug)]
pub struct Telemetry {
    /// The form of the log.
    pub log: LogFormat,
    /// How much of its own the proxy tells in the log, if `RUST_LOG` does not say so.
    pub level: LogLevel,
    /// Whether requests and answers are logged, word for word.
    pub content: bool,
}

/// `telemetry.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What could not be served for a reason that an operator should see to.
    Error,
    /// And what goes on in spite of something.
    Warn,
    /// And a line for each request.
    #[default]
    Info,
    /// And steps on the way.
    Debug,
    /// All there is.
    Trace,
}

/// `telemetry.log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's eyes.
    Pretty,
}
