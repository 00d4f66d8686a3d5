//! The proxy from outside: what a client meets on the wire, over real sockets, in front of the emulator.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod command_line;
mod completions;
mod conversations;
mod cors;
mod errors;
mod explain;
mod failures;
mod headers;
mod lifecycle;
mod limits;
mod logs;
mod models;
mod parameters;
mod raw;
mod recovery;
mod reload;
mod responses;
mod schema;
mod shape;
mod shutdown;
mod slots;
mod stored_responses;
mod streams;
mod tls;
mod tools;
mod unsupported;
mod wire;

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{Emulator, Options};
use serde_json::{Value, json};
use support::Proxy;

/// A proxy with a whole configuration of its own: `{base_url}` stands for the emulator. Lines that are indented by two
/// at its beginning belong to `server`.
fn proxy_of(yaml: &str) -> Proxy {
    let emulator = Emulator::start(Options::default()).unwrap();
    let yaml = yaml.replace("{base_url}", &emulator.base_url());
    let text = format!("server:\n  listen: 127.0.0.1:0\n  admin: 127.0.0.1:0\n  workers: 2\n{yaml}");
    let config =
        Config::parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}"));
    Proxy::run(config, emulator)
}

/// A question that every app answers.
fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

/// The same with more fields.
fn question_with(model: &str, more: &Value) -> Value {
    let mut body = question(model);
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// SHA-256 in hexadecimal digits, as `auth.keys` has it.
fn sha256(key: &str) -> String {
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    Sha256::digest(key.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
