//! The connection, and its keeper.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo as _, RedisError, ServerErrorKind,
    Value,
};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::redis::{Down, OpenError, Reply, Script};
use crate::secret::Secret;

/// How long a connection may take, with TLS and log-in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// How often the connection is looked after while nobody has doubts.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// How long is waited before the second attempt to connect; then twice as long each time…
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// …but not longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// One Redis, which may be away.
pub struct Redis {
    client: Client,
    deadline: Duration,
    /// There while calls have a chance.
    link: RwLock<Option<Link>>,
    /// A call has failed in a way that may concern others.
    suspected: Notify,
}

/// One connection.
#[derive(Clone)]
pub struct Link {
    connection: MultiplexedConnection,
    deadline: Duration,
    /// Tells it from earlier ones.
    number: u64,
}

impl Redis {
    /// Redis at a URL, which is not connected to yet. A call takes `deadline` at the most.
    ///
    /// # Errors
    /// The URL is none of Redis.
    pub fn open(url: &Secret, deadline: Duration) -> Result<Self, OpenError> {
        let info = url.expose().into_connection_info().map_err(|_| OpenError::Url)?;
        // Small requests would wait for each other's acknowledgements.
        let settings = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(settings)).map_err(|_| OpenError::Url)?;
        Ok(Self { client, deadline, link: RwLock::new(None), suspected: Notify::new() })
    }

    /// Whether calls have a chance.
    pub fn is_up(&self) -> bool {
        self.link.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Runs a script, once at the most.
    ///
    /// # Errors
    /// Redis is away, has become so, or does not like it. It may have been run all the same.
    pub async fn run(&self, script: &Script, keys: &[String], args: &[&[u8]]) -> Result<Reply, Down> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner).clone();
        let link = link.ok_or_else(|| Down::new("is away"))?;
        match link.call(script, keys, args).await {
            Ok(reply) => Ok(reply),
            Err(failed) => {
                if failed.concerns_others {
                    self.suspect(&link);
                }
                Err(failed.down)
            }
        }
    }

    /// Connects, and connects again, for as long as it is polled. Each connection is greeted before anybody gets it,
    /// and every few seconds after that; one whose greeting fails is given up. What it means that Redis is away is said
    /// in the log in the words of `without`.
    pub async fn keep(&self, greet: impl AsyncFn(&Link) -> Result<(), Down>, without: &str) {
        let mut wait = FIRST_WAIT;
        let mut is_told_away = false;
        for number in 0.. {
            let down = match self.connect(number, &greet).await {
                Ok(link) => {
                    tracing::info!("Redis is there");
                    wait = FIRST_WAIT;
                    is_told_away = false;
                    self.watch(link, &greet).await
                }
                Err(down) => down,
            };
            if !is_told_away {
                is_told_away = true;
                tracing::warn!(reason = %down, without, "Redis is away");
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn connect(
        &self,
        number: u64,
        greet: &impl AsyncFn(&Link) -> Result<(), Down>,
    ) -> Result<Link, Down> {
        // Each call has its own deadline.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = timeout(CONNECT_DEADLINE, connecting).await.map_err(|_| slow())?;
        let connection = connection.map_err(|error| Down::new(reason(&error)))?;
        let link = Link { connection, deadline: self.deadline, number };
        greet(&link).await?;
        Ok(link)
    }

    /// Lends the connection out until a greeting fails.
    async fn watch(&self, link: Link, greet: &impl AsyncFn(&Link) -> Result<(), Down>) -> Down {
        loop {
            self.set(Some(link.clone()));
            let _ = timeout(CHECK_EVERY, self.suspected.notified()).await;
            if let Err(down) = greet(&link).await {
                self.set(None);
                return down;
            }
        }
    }

    fn set(&self, link: Option<Link>) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// Nobody gets the connection until the keeper has looked after it.
    fn suspect(&self, suspected: &Link) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if link.as_ref().is_some_and(|link| link.number == suspected.number) {
            *link = None;
            self.suspected.notify_one();
        }
    }
}

/// A call that failed.
struct Failed {
    down: Down,
    /// Whether others would fare no better.
    concerns_others: bool,
}

impl Link {
    /// Runs a script, once at the most.
    ///
    /// # Errors
    /// It took too long, the connection is broken, or Redis does not like it.
    pub async fn run(&self, script: &Script, keys: &[String], args: &[&[u8]]) -> Result<Reply, Down> {
        self.call(script, keys, args).await.map_err(|failed| failed.down)
    }

    /// A name for the server's process, from its start to its end; empty if it does not tell.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub async fn server_run(&self) -> Result<String, Down> {
        let mut command = Cmd::new();
        command.arg("INFO").arg("server");
        match self.send(&command).await {
            Ok(Value::BulkString(text)) => {
                let text = String::from_utf8_lossy(&text);
                let run = text.lines().find_map(|line| line.strip_prefix("run_id:"));
                Ok(run.unwrap_or_default().to_owned())
            }
            // Whoever may not ask this may still use the rest.
            Err(Sent::Refused(_)) => Ok(String::new()),
            Ok(_) => Err(Down::new("answered something odd")),
            Err(sent) => Err(Failed::from(sent).down),
        }
    }

    async fn call(&self, script: &Script, keys: &[String], args: &[&[u8]]) -> Result<Reply, Failed> {
        let by = |how: &str, what: &str| {
            let mut command = Cmd::new();
            command.arg(how).arg(what).arg(keys.len());
            for key in keys {
                command.arg(key);
            }
            for arg in args {
                command.arg(arg);
            }
            command
        };
        let value = match self.send(&by("EVALSHA", &script.hash)).await {
            // It has not been run then.
            Err(Sent::Refused(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send(&by("EVAL", script.code)).await
            }
            sent => sent,
        };
        read(value?).ok_or(Failed { down: Down::new("answered something odd"), concerns_others: false })
    }

    async fn send(&self, command: &Cmd) -> Result<Value, Sent> {
        let mut connection = self.connection.clone();
        match timeout(self.deadline, connection.send_packed_command(command)).await {
            Ok(Ok(value)) => value.extract_error().map_err(Sent::Refused),
            Ok(Err(error)) => Err(match error.kind() {
                ErrorKind::Server(_) | ErrorKind::Extension => Sent::Refused(error),
                _ => Sent::Broken(error),
            }),
            Err(_) => Err(Sent::Slow),
        }
    }
}

/// What became of a command that brought nothing.
enum Sent {
    /// Redis answered with an error.
    Refused(RedisError),
    /// The connection is not what it was.
    Broken(RedisError),
    Slow,
}

impl From<Sent> for Failed {
    fn from(sent: Sent) -> Self {
        match sent {
            // What one script or key is to blame for says nothing of the others.
            Sent::Refused(error) => Self {
                concerns_others: !matches!(
                    error.kind(),
                    ErrorKind::Extension | ErrorKind::Server(ServerErrorKind::ResponseError)
                ),
                down: Down::new(reason(&error)),
            },
            Sent::Broken(error) => Self { down: Down::new(reason(&error)), concerns_others: true },
            Sent::Slow => Self { down: slow(), concerns_others: true },
        }
    }
}

fn slow() -> Down {
    Down::new("did not answer in time")
}

/// Words without an address or anything that was sent: the server's error code, or a class of failure.
fn reason(error: &RedisError) -> Cow<'static, str> {
    if let Some(code) = error.code() {
        return code.to_owned().into();
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.map_or_else(|| error.category().to_owned(), |io| io.kind().to_string()).into()
}

fn read(value: Value) -> Option<Reply> {
    Some(match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Number(number),
        Value::BulkString(bytes) => Reply::Text(bytes),
        Value::SimpleString(text) => Reply::Text(text.into()),
        Value::Okay => Reply::Text("OK".into()),
        Value::Array(values) => Reply::List(values.into_iter().map(read).collect::<Option<_>>()?),
        _ => return None,
    })
}

/// The name by which Redis knows a script.
pub(super) fn hash(code: &str) -> String {
    ::redis::Script::new(code).get_hash().to_owned()
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}
