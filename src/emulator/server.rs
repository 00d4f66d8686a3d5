//! Connections: reads requests, plays the scripts that answer them, and notices when a client leaves.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::chat;
use super::http::{Framing, Head, MAX_BODY, MAX_HEAD, Unreadable, take_chunks};
use super::record::Outcome;
use super::script::{Script, Step};
use super::state::Shared;

/// First size of a connection's read buffer, and the room made before each read, in bytes.
const READ: usize = 4 * 1024;
/// How long a refused client may go on sending before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait before the next accept after one has failed (no more file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop; then every connection is closed at once.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(Connection::new(socket, Arc::clone(&shared)).run());
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The connection is over: the client has left it, or the script has reset it.
struct Over;

/// Why no request could be read.
enum Unserved {
    /// There is none: the client has closed, or been silent for too long.
    Gone,
    Refused(Unreadable),
}

impl From<Unreadable> for Unserved {
    fn from(error: Unreadable) -> Self {
        Self::Refused(error)
    }
}

struct Connection {
    socket: TcpStream,
    buffer: BytesMut,
    shared: Arc<Shared>,
}

impl Connection {
    fn new(socket: TcpStream, shared: Arc<Shared>) -> Self {
        // Without it a stream's events would wait for each other's acknowledgements.
        let _ = socket.set_nodelay(true);
        Self { socket, buffer: BytesMut::with_capacity(READ), shared }
    }

    async fn run(mut self) {
        loop {
            match self.request().await {
                Ok((head, body)) => {
                    let (number, script) = chat::serve(&self.shared, &head, &body);
                    // Given back to the read buffer.
                    drop(body);
                    let close = script.close || head.close;
                    if self.perform(number, script).await.is_err() {
                        return;
                    }
                    if close {
                        let _ = self.socket.shutdown().await;
                        return;
                    }
                }
                Err(Unserved::Gone) => return,
                Err(Unserved::Refused(error)) => return self.refuse(error).await,
            }
        }
    }

    async fn request(&mut self) -> Result<(Head, BytesMut), Unserved> {
        let (head, length) = loop {
            if let Some(found) = Head::read(&self.buffer)? {
                break found;
            }
            self.fill().await?;
        };
        self.buffer.advance(length);
        if head.expects_continue {
            let go_on = self.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            go_on.map_err(|_| Unserved::Gone)?;
        }
        let body = match head.framing {
            Framing::Length(length) => {
                self.buffer.reserve(length.saturating_sub(self.buffer.len()));
                while self.buffer.len() < length {
                    self.fill().await?;
                }
                self.buffer.split_to(length)
            }
            Framing::Chunked => {
                let mut body = BytesMut::new();
                while !take_chunks(&mut self.buffer, &mut body)? {
                    self.fill().await?;
                }
                body
            }
        };
        Ok((head, body))
    }

    async fn fill(&mut self) -> Result<(), Unserved> {
        self.buffer.reserve(READ);
        let read = self.socket.read_buf(&mut self.buffer);
        match timeout(self.shared.options.keep_alive, read).await {
            Ok(Ok(bytes)) if bytes > 0 => Ok(()),
            _ => Err(Unserved::Gone),
        }
    }

    /// Plays a script to its end and notes how the request ended.
    async fn perform(&mut self, number: Option<usize>, script: Script) -> Result<(), Over> {
        let outcome = script.outcome;
        let settle = |shared: &Shared, outcome| {
            if let Some(number) = number {
                shared.settle(number, outcome);
            }
        };
        let mut steps = script.steps.into_iter();
        while let Some(step) = steps.next() {
            // Before the last write, so that whoever has the whole reply also finds the outcome.
            if steps.len() == 0 && !matches!(step, Step::Hang) {
                settle(&self.shared, outcome);
            }
            let done = self.play(step, number, outcome).await;
            if done.is_err() {
                settle(&self.shared, Outcome::ClientLeft);
                return done;
            }
        }
        Ok(())
    }

    async fn play(&mut self, step: Step, number: Option<usize>, outcome: Outcome) -> Result<(), Over> {
        let shared = Arc::clone(&self.shared);
        match step {
            Step::Write(bytes) => self.socket.write_all(&bytes).await.map_err(|_| Over),
            Step::Pause(time) => self.unless_left(sleep(time)).await,
            Step::Gate(name) => self.unless_left(shared.pass(&name)).await,
            Step::Hang => self.unless_left(pending()).await,
            Step::Begin { session, messages } => {
                shared.begin(&session, messages);
                Ok(())
            }
            Step::Store { session, answer } => {
                if let Some(number) = number {
                    shared.store(number, &session, answer, outcome);
                }
                Ok(())
            }
            Step::Reset => {
                let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
                Err(Over)
            }
        }
    }

    /// Waits, but not longer than the client does. Requests that it pipelines meanwhile are kept.
    async fn unless_left(&mut self, wait: impl Future<Output = ()>) -> Result<(), Over> {
        tokio::pin!(wait);
        loop {
            self.buffer.reserve(READ);
            let room = self.buffer.len() < MAX_HEAD + MAX_BODY;
            tokio::select! {
                biased;
                () = &mut wait => return Ok(()),
                read = self.socket.read_buf(&mut self.buffer), if room => match read {
                    Ok(bytes) if bytes > 0 => {}
                    _ => return Err(Over),
                },
            }
        }
    }

    /// Answers what cannot be read. What the client still sends is read away for a moment: a close with
    /// unread bytes is a reset, and might overtake the answer.
    async fn refuse(mut self, error: Unreadable) {
        let script = Script::error(error.status(), "Bad Request");
        if self.perform(None, script).await.is_err() || self.socket.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut sink = [0; READ];
            while matches!(self.socket.read(&mut sink).await, Ok(bytes) if bytes > 0) {}
        };
        let _ = timeout(LINGER, drain).await;
    }
}
