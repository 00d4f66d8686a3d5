//! A Redis of one's own: in a folder of its own, gone with its value.

#![allow(
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "test code outside of test functions, of which each test binary uses its part"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::PATIENCE;

/// Ports that are tried before it is taken for a failure.
const ATTEMPTS: usize = 20;

/// A `redis-server` that keeps nothing, unless it is asked to.
pub struct Server {
    folder: tempfile::TempDir,
    /// 0: a socket in the folder.
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Behind a socket in its folder: nobody else can have that.
    pub fn start() -> Self {
        let mut server = Self::prepare();
        server.restart();
        server
    }

    /// Not started yet.
    pub fn prepare() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: 0, process: None }
    }

    /// Behind a port on loopback.
    pub fn start_on_port() -> Self {
        let mut server = Self::prepare();
        for _ in 0..ATTEMPTS {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            server.port = free.expect("a free port").port();
            // Somebody else may have taken it meanwhile.
            if let Some(process) = server.spawn() {
                server.process = Some(process);
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    /// Starts it, at the address that it has had before.
    pub fn restart(&mut self) {
        self.process = Some(self.spawn().expect("redis-server starts"));
    }

    /// `None` if it ends before it listens.
    fn spawn(&self) -> Option<Child> {
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"]);
        command.arg(self.port.to_string()).arg("--dir").arg(self.folder.path());
        if self.port == 0 {
            command.arg("--unixsocket").arg(self.socket());
        }
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
        let mut process = spawned.expect("redis-server is installed (Debian: apt-get install redis-server)");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        if !lines.any(|line| line.is_ok_and(|line| line.contains("eady to accept connections"))) {
            process.wait().expect("it has ended");
            return None;
        }
        // It must not be stopped by what nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Some(process)
    }

    /// For `redis.url`.
    pub fn url(&self) -> String {
        match self.port {
            0 => format!("unix://{}", self.socket().display()),
            port => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it has ended");
        }
    }

    /// It takes connections and commands, and does nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It does all that has been waiting.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// One command; the first line of its answer.
    pub fn tell(&self, command: &str) -> String {
        self.tell_lines(command, 1).concat()
    }

    /// One command; so many lines of its answer.
    pub fn tell_lines(&self, command: &str, count: usize) -> Vec<String> {
        let mut connection = self.connect();
        write!(connection, "{command}\r\n").expect("it reads");
        let lines = BufReader::new(connection).lines().take(count);
        lines.map(|line| line.expect("text")).collect()
    }

    /// A section of what it says of itself.
    pub fn info(&self, section: &str) -> String {
        let mut connection = self.connect();
        write!(connection, "INFO {section}\r\nQUIT\r\n").expect("it reads");
        let mut text = String::new();
        connection.read_to_string(&mut text).expect("text");
        text
    }

    /// All keys.
    pub fn keys(&self) -> Vec<String> {
        let mut connection = self.connect();
        write!(connection, "KEYS *\r\nQUIT\r\n").expect("it reads");
        let mut text = String::new();
        connection.read_to_string(&mut text).expect("text");
        let lines = text.lines().filter(|line| !line.starts_with(['*', '$', '+']));
        lines.map(str::to_owned).collect()
    }

    fn connect(&self) -> Box<dyn Connection> {
        if self.port == 0 {
            let connection = UnixStream::connect(self.socket()).expect("it listens");
            connection.set_read_timeout(Some(PATIENCE)).expect("a time-out");
            Box::new(connection)
        } else {
            let connection = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
            connection.set_read_timeout(Some(PATIENCE)).expect("a time-out");
            Box::new(connection)
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(done.success());
    }
}

trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
