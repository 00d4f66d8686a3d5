//! A pretend Chipp, for tests, for the sandbox, and for whoever has no account.
//!
//! It behaves as Chipp is documented and as it has been seen to behave; each of its apps shows one
//! behaviour by its id ([`BEHAVIOURS`]). It is an independent judge of the proxy: it has its own wire code,
//! down to HTTP, which it must be able to break, and never uses the code that it judges.
//!
//! The way of a request: `server` (IO) → `http` (reading) → `chat` (key, body, app) → `place` (session) →
//! `answer` (the text) → `stream` or `plain` (a `script`) → `server` again, which plays the script.

mod answer;
mod behaviour;
mod chat;
mod coder;
mod dialect;
mod exchange;
mod http;
mod instructions;
mod place;
mod plain;
mod record;
mod reply_head;
mod request;
mod script;
mod server;
mod state;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio_util::sync::CancellationToken;

pub use behaviour::{BEHAVIOURS, Behaviour, Ends, describe};
pub use record::{Message, Outcome, Received, Session};
pub use state::State;

use state::Shared;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How exact a request has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Whatever is not documented is a 400 that names it.
    Strict,
    /// Undocumented fields, roles and forms of content are taken.
    Lenient,
}

/// Which keys are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// All but those that begin with `invalid`.
    Any,
    /// Pairs of an app's id and its key, as Chipp has it.
    PerApp(Vec<(String, String)>),
}

/// What is done with a session id that is unknown, or another app's or key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownSession {
    /// Silently a new session.
    StartNew,
    /// 404 for an unknown id, 403 for another app's.
    Refuse,
}

/// How streams are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// A write for each event, so that streaming can be seen.
    PerEvent,
    /// As few writes as can be, for benchmarks.
    Batched,
}

/// How the emulator behaves as a whole; the apps have their own behaviours.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How exact requests have to be.
    pub strict: Strictness,
    /// Which keys are good.
    pub keys: Keys,
    /// What becomes of unknown session ids.
    pub unknown_session: UnknownSession,
    /// How streams are written.
    pub writes: Writes,
    /// How long slow apps think, and their tools run.
    pub think: Duration,
    /// The pause before each word of a slow speaker.
    pub word_pause: Duration,
    /// How long a connection may be silent between and inside requests.
    pub keep_alive: Duration,
    /// Most requests to remember; the oldest are forgotten.
    pub requests_kept: usize,
    /// Most sessions to remember; the oldest are forgotten.
    pub sessions_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            strict: Strictness::Strict,
            keys: Keys::Any,
            unknown_session: UnknownSession::StartNew,
            writes: Writes::PerEvent,
            think: Duration::from_secs(3),
            word_pause: Duration::from_millis(50),
            keep_alive: Duration::from_secs(60),
            requests_kept: 10_000,
            sessions_kept: 10_000,
        }
    }
}

/// A running emulator. It has its own thread and runtime, so it can run beside any other; dropping it stops it.
#[derive(Debug)]
pub struct Emulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Emulator {
    /// Listens and serves.
    ///
    /// # Errors
    /// If the address cannot be listened on, or no thread can be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let socket = listen(options.listen)?;
        let listener = std::net::TcpListener::from(socket);
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(options));
        let stop = CancellationToken::new();
        let (serving, stopped) = (Arc::clone(&shared), stop.clone());
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let thread = std::thread::Builder::new()
            .name("emulator".into())
            .spawn(move || runtime.block_on(server::serve(listener, serving, stopped)))?;
        Ok(Self { addr, shared, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to configure as Chipp's base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.addr)
    }

    /// Closes every connection and waits for the thread. What has been seen can still be asked for.
    pub fn stop(&self) {
        self.stop.cancel();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ = thread.join();
        }
    }

    /// Every chat request that reached it, in the order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.lock().requests().cloned().collect()
    }

    /// All sessions, the oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        self.shared.lock().sessions().cloned().collect()
    }

    /// What a session holds.
    pub fn transcript(&self, session: &str) -> Option<Vec<Message>> {
        self.shared.lock().transcript(session).map(<[Message]>::to_vec)
    }

    /// Forgets requests, sessions and gates.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// Forgets the sessions only: every id that was given out is unknown from now on.
    pub fn forget_sessions(&self) {
        self.shared.forget_sessions();
    }

    /// Lets the gated stream that answers a message with this text continue by one word, or one tool (a plain
    /// reply: at all).
    pub fn open(&self, gate: &str) {
        self.shared.open(gate);
    }

    /// Lets the gated streams that answer a message with this text run to their ends.
    pub fn open_wide(&self, gate: &str) {
        self.shared.open_wide(gate);
    }

    /// Blocks the thread until the condition holds; false if it does not within the limit.
    #[must_use]
    pub fn wait_for(&self, condition: impl Fn(&State) -> bool, limit: Duration) -> bool {
        self.shared.wait_for(condition, limit)
    }

    /// The same for async code on tokio, whose thread stays free for what is being tested.
    pub async fn until(&self, condition: impl Fn(&State) -> bool, limit: Duration) -> bool {
        self.shared.until(condition, limit).await
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
