//! A running proxy with an emulator behind it, and a client for both, for the tests of the whole.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "test code outside of test functions, of which each test binary uses its part"
)]

pub mod program;
pub mod redis;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chipp_proxy::app::Application;
use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Emulator, Options};
use chipp_proxy::proxy::Shared;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy on free ports, with every behaviour of the emulator as an alias. Dropping it drains and stops it.
pub struct Proxy {
    pub emulator: Arc<Emulator>,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    agent: ureq::Agent,
}

impl Proxy {
    /// With the settings of the sandbox.
    pub fn start() -> Self {
        Self::with("auth: {mode: open}", Options::default())
    }

    /// With more YAML (sections other than `server`, `upstream` and `models`) and an emulator of one's own.
    pub fn with(yaml: &str, options: Options) -> Self {
        Self::with_sections("", "", yaml, options)
    }

    /// As [`with`](Self::with), with more keys for `server` and `upstream`: `"drain: 1s, "`.
    pub fn with_sections(server: &str, upstream: &str, yaml: &str, options: Options) -> Self {
        let emulator = Emulator::start(options).expect("the emulator starts");
        Self::run(config(&emulator, server, upstream, yaml), emulator)
    }

    /// Another proxy before the same emulator.
    pub fn replica(&self, yaml: &str) -> Self {
        self.replica_with("", yaml)
    }

    /// As [`replica`](Self::replica), with more keys for `upstream`.
    pub fn replica_with(&self, upstream: &str, yaml: &str) -> Self {
        Self::run(config(&self.emulator, "", upstream, yaml), Arc::clone(&self.emulator))
    }

    /// With a configuration of one's own.
    pub fn run(config: Config, emulator: impl Into<Arc<Emulator>>) -> Self {
        let emulator = emulator.into();
        let stop = CancellationToken::new();
        let (started, addresses) = mpsc::channel();
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let application = Application::build(config).expect("the proxy starts");
                let admin = application.admin().expect("an admin address");
                let shared = Arc::clone(application.shared());
                started.send((application.listen(), admin, shared)).expect("the test waits");
                application.run_until(until.cancelled_owned()).await
            })
        });
        let (listen, admin, shared) = addresses.recv_timeout(PATIENCE).expect("the proxy starts");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self { emulator, listen, admin, shared, stop, thread: Some(thread), agent }
    }

    /// `http://…/v1/PATH`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.listen)
    }

    /// Asks for a plain answer.
    pub fn chat(&self, body: &Value) -> Answer {
        self.chat_with(body, &[])
    }

    /// Asks for a plain answer, with more headers.
    pub fn chat_with(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut response = self.send(body, headers);
        let text = response.body_mut().read_to_string().expect("a body of text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text, json }
    }

    /// Asks for a stream; `stream: true` is added.
    pub fn stream(&self, body: &Value) -> Events {
        self.stream_with(body, &[])
    }

    /// Asks for a stream, with more headers.
    pub fn stream_with(&self, body: &Value, headers: &[(&str, &str)]) -> Events {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let response = self.send(&body, headers);
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Events { status, headers, lines: BufReader::new(response.into_body().into_reader()) }
    }

    /// Sends a request and leaves its answer unread; dropping the socket is going away.
    pub fn begin(&self, body: &Value, headers: &[(&str, &str)]) -> TcpStream {
        let body = body.to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.listen,
            body.len()
        );
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| [*name, ": ", *value, "\r\n"].concat()).collect();
        let request = [&head, &headers.concat(), "\r\n", &body].concat();
        let mut socket = TcpStream::connect(self.listen).expect("the proxy listens");
        socket.write_all(request.as_bytes()).expect("the proxy reads");
        socket
    }

    /// Asks for any path.
    pub fn get(&self, path: &str) -> Answer {
        self.get_url(&self.url(path), &[])
    }

    /// Asks for any address.
    pub fn get_url(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().expect("an answer");
        let text = response.body_mut().read_to_string().expect("a body of text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text, json }
    }

    /// Asks any address for an answer to a body.
    pub fn post_url(&self, url: &str, body: &Value) -> Answer {
        let request = self.agent.post(url).header("content-type", "application/json");
        let mut response = request.send(body.to_string()).expect("an answer");
        let text = response.body_mut().read_to_string().expect("a body of text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text, json }
    }

    /// Asks any endpoint for a stream.
    pub fn events(&self, path: &str, body: &Value) -> Events {
        self.events_with(path, body, &[])
    }

    /// The same, with more headers.
    pub fn events_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Events {
        let mut request = self.agent.post(self.url(path)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send(body.to_string()).expect("an answer");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Events { status, headers, lines: BufReader::new(response.into_body().into_reader()) }
    }

    /// Asks any path for a stream of what has been.
    pub fn get_events(&self, path: &str) -> Events {
        let response = self.agent.get(self.url(path)).call().expect("an answer");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Events { status, headers, lines: BufReader::new(response.into_body().into_reader()) }
    }

    /// Asks for something to be deleted.
    pub fn delete(&self, path: &str) -> Answer {
        let mut response = self.agent.delete(self.url(path)).call().expect("an answer");
        let text = response.body_mut().read_to_string().expect("a body of text");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text, json }
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> Value {
        let answer = self.get_url(&format!("http://{}/readyz", self.admin), &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Waits until `/readyz` has this status.
    pub fn until_ready(&self, status: &str) {
        let started = Instant::now();
        while self.readiness()["status"] != status {
            assert!(started.elapsed() < PATIENCE, "waited for {status} in vain: {}", self.readiness());
        }
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        self.get_url(&format!("http://{}/metrics", self.admin), &[]).text
    }

    /// Tells it to stop, as SIGTERM does; it drains.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended.
    pub fn join(&mut self) -> std::io::Result<()> {
        self.stop.cancel();
        match self.thread.take() {
            Some(thread) => thread.join().expect("the proxy does not panic"),
            None => Ok(()),
        }
    }

    fn send(&self, body: &Value, headers: &[(&str, &str)]) -> ureq::http::Response<ureq::Body> {
        let mut request =
            self.agent.post(self.url("chat/completions")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(body.to_string()).expect("an answer")
    }
}

/// Every behaviour as an alias, and more YAML.
fn config(emulator: &Emulator, server: &str, upstream: &str, yaml: &str) -> Config {
    let alias = |behaviour: &Behaviour| [behaviour.name, ": ", behaviour.app].concat();
    let models = BEHAVIOURS.iter().map(alias).collect::<Vec<_>>().join("\n  ");
    let base_url = emulator.base_url();
    let text = format!(
        "server: {{{server}listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 2}}\n\
         upstream: {{{upstream}base_url: '{base_url}', api_key: live_test}}\n\
         models:\n  {models}\n{yaml}\n"
    );
    Config::parse(&text, &Environment::default()).expect("the configuration is good")
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the proxy does not panic").expect("the proxy ends well");
            }
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
    /// Null if it is no JSON.
    pub json: Value,
}

impl Answer {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The text of the first choice.
    pub fn content(&self) -> &str {
        self.json["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_else(|| panic!("no content in {self:?}"))
    }

    /// `error.code`
    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }
}

/// A stream of server-sent events. Dropping it closes the connection.
pub struct Events {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    lines: BufReader<ureq::BodyReader<'static>>,
}

/// What a stream brought in all.
#[derive(Debug, Default)]
pub struct Streamed {
    /// All deltas' content of the first choice, joined.
    pub content: String,
    /// Why the first choice ended.
    pub finish_reason: Option<String>,
    /// From the usage chunk.
    pub usage: Option<Value>,
    /// An error event's `error`.
    pub error: Option<Value>,
    /// Whether `[DONE]` came, as the last event.
    pub done: bool,
    /// Comments.
    pub comments: usize,
    /// Every chunk, in order.
    pub chunks: Vec<Value>,
}

impl Events {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// All the rest as a whole answer, for what is no stream after all.
    pub fn into_answer(mut self) -> Answer {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).expect("a body of text");
        Answer {
            status: self.status,
            headers: self.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// The next `data` (or comment, with its colon) as text; `None` at the end.
    pub fn next_data(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a readable stream") == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(data.to_owned());
            }
            if line.starts_with(':') {
                return Some(line.to_owned());
            }
            let is_name = line.starts_with("event: response.");
            assert!(line.is_empty() || is_name, "an odd line: {line:?}");
        }
    }

    /// Reads on until some text has come.
    pub fn next_text(&mut self) -> String {
        loop {
            let data = self.next_data().expect("more of the stream");
            let chunk: Value = serde_json::from_str(&data).unwrap_or(Value::Null);
            let text = chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
            if !text.is_empty() {
                return text.to_owned();
            }
        }
    }

    /// Reads all the rest.
    pub fn read(mut self) -> Streamed {
        let mut all = Streamed::default();
        while let Some(data) = self.next_data() {
            assert!(!all.done, "something after [DONE]: {data}");
            if data.starts_with(':') {
                all.comments += 1;
                continue;
            }
            if data == "[DONE]" {
                all.done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(&data).expect("JSON");
            if let Some(error) = chunk.get("error") {
                all.error = Some(error.clone());
                continue;
            }
            let choice = &chunk["choices"][0];
            if choice["index"] == 0 {
                all.content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                if let Some(reason) = choice["finish_reason"].as_str() {
                    assert!(all.finish_reason.is_none(), "two finish reasons");
                    all.finish_reason = Some(reason.to_owned());
                }
            }
            if chunk["usage"].is_object() {
                all.usage = Some(chunk["usage"].clone());
            }
            all.chunks.push(chunk);
        }
        all
    }
}

/// `{"model": …, "messages": […]}` of a dialogue that the user begins.
pub fn dialogue(model: &str, texts: &[&str]) -> Value {
    let roles = ["user", "assistant"];
    let messages: Vec<Value> = texts
        .iter()
        .zip(roles.iter().cycle())
        .map(|(text, role)| json!({"role": role, "content": text}))
        .collect();
    json!({"model": model, "messages": messages})
}
