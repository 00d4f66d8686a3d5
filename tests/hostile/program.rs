//! The real program in a process of its own, so that its memory can be looked at, and a client that speaks TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chipp_proxy::emulator::{Emulator, Options};
use serde_json::Value;

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program that serves; killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) listen: SocketAddr,
    pub(crate) emulator: Emulator,
    _folder: tempfile::TempDir,
}

impl Program {
    /// With more keys for `server`: `"body_limit: 64KiB, "`.
    pub(crate) fn start(server: &str) -> Self {
        let emulator = Emulator::start(Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let base_url = emulator.base_url();
        let yaml = format!(
            "server: {{{server}listen: '127.0.0.1:0', admin: off, workers: 2}}\n\
             upstream: {{base_url: '{base_url}', api_key: live_test}}\n\
             models: {{gpt-4o: emu-gpt-4o-1}}\n\
             auth: {{mode: open}}\n"
        );
        std::fs::write(&file, yaml).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_chipp-proxy"))
            .args(["serve", "--config", file.to_str().unwrap()])
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let listen = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it served");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "serving" {
                break line["listen"].as_str().unwrap().parse().unwrap();
            }
        };
        // A full pipe would stop its log.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, listen, emulator, _folder: folder }
    }

    /// Bytes of memory that it has.
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.listen).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Sends these bytes and reads to the end. The server may end it before it has taken all.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut socket = self.connect();
        let _ = socket.write_all(bytes);
        read(socket)
    }

    /// Sends a chat completion with these header lines and this body.
    pub(crate) fn post(&self, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut answers = self.send(&[head.as_bytes(), body].concat());
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    /// It serves as if nothing had been.
    #[track_caller]
    pub(crate) fn still_serves(&self) {
        let answer = self.post("", QUESTION);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// A good request.
pub(crate) const QUESTION: &[u8] = br#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}"#;

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An error in OpenAI's shape.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"));
        let mut keys: Vec<_> = body["error"].as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        assert!(!self.request_id.is_empty());
    }
}

/// Reads to the end, be it in good order or not.
pub(crate) fn read(mut socket: TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it was not ended"),
        _ => {}
    }
    answers(&bytes)
}

/// The answers in these bytes.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = response.parse(bytes) else {
            panic!("no answer: {:?}", String::from_utf8_lossy(bytes));
        };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or("", |header| std::str::from_utf8(header.value).unwrap()).to_owned()
        };
        let length = header("content-length").parse().unwrap_or(0);
        answers.push(Answer {
            status: response.code.unwrap(),
            request_id: header("x-request-id"),
            body: bytes[head..head + length].to_vec(),
        });
        bytes = &bytes[head + length..];
    }
    answers
}
