//! The real program, as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

/// `chipp-proxy serve`. Whoever starts it stops it, or it is killed.
pub struct Program {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    /// The log so far.
    log: String,
}

impl Program {
    /// Starts it with a configuration file, whose log is JSON, and a filter for the log.
    pub fn serve(config: &Path, filter: &str) -> Self {
        Self::start(config, Some(filter))
    }

    /// The same, or without a filter, so that the configuration decides what is logged.
    #[allow(clippy::zombie_processes, reason = "whoever asks for it stops it, or the test fails")]
    pub fn start(config: &Path, filter: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chipp-proxy"));
        command.env_remove("RUST_LOG").envs(filter.map(|filter| ("RUST_LOG", filter)));
        let mut child = command
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut log = String::new();
        loop {
            let mut line = String::new();
            let length = stderr.read_line(&mut line).expect("text");
            assert!(length > 0, "it does not serve: {log}");
            log.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{log}"));
            if line["message"] == "serving" {
                let address = |key: &str| line[key].as_str().expect(key).parse().expect(key);
                return Self { child, stderr, listen: address("listen"), admin: address("admin"), log };
            }
        }
    }

    /// SIGTERM, without waiting for what comes of it.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGHUP, without waiting for what comes of it.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }

    /// SIGTERM; gives the whole log and the exit code.
    pub fn stop(mut self) -> (String, Option<i32>) {
        self.terminate();
        self.stderr.read_to_string(&mut self.log).expect("text");
        let status = self.child.wait().expect("it has ended");
        (std::mem::take(&mut self.log), status.code())
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
