//! `chipp-proxy explain` against the proxy that it speaks for: the same requests, explained and sent.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{Emulator, Message, Options};
use serde_json::{Value, json};

use crate::support::Proxy;

const SETTINGS: &str = "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1, body_limit: 64KiB}\n\
    upstream: {base_url: '{base_url}', api_key: live_test}\n\
    models: {gpt-4o: emu-gpt-4o-1, 'lax-*': {app: emu-gpt-4o-1, tools: ignore}}\n\
    auth: {mode: open}\n";

fn explain(settings: &str, body: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let (config, request) = (directory.path().join("config.yaml"), directory.path().join("request.json"));
    std::fs::write(&config, settings).unwrap();
    std::fs::write(&request, body).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chipp-proxy"));
    command.arg("explain").arg(&request).arg("--config").arg(&config).output().unwrap()
}

/// What follows a word at the beginning of a line.
fn after<'t>(told: &'t str, word: &str) -> Option<&'t str> {
    told.lines().find_map(|line| line.trim_start().strip_prefix(word)).map(str::trim)
}

/// Four that are answered, and five that are not.
fn requests() -> Vec<Value> {
    let hi = json!([{"role": "user", "content": "hi"}]);
    let talk = json!([
        {"role": "developer", "content": "Be brief.\nVery."},
        {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "\"two\""}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{ \"a\": 1 }"}}
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "user", "content": "and?"}
    ]);
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    vec![
        json!({"model": "gpt-4o", "messages": hi}),
        json!({"model": "gpt-4o", "messages": talk}),
        json!({"model": "gpt-4o", "messages": hi, "seed": 1, "foo": 2, "top_p": null, "user": "u", "logprobs": false}),
        json!({"model": "lax-1", "messages": hi, "tools": tools, "temperature": 1, "max_tokens": 50}),
        json!({"model": "nobody", "messages": hi}),
        json!({"model": "gpt-4o", "messages": []}),
        json!({"model": "gpt-4o", "messages": hi, "logprobs": true}),
        json!({"model": "gpt-4o", "messages": hi, "user": "u".repeat(70_000)}),
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}),
    ]
}

#[test]
fn what_is_told_is_what_happens() {
    let mut answered = 0;
    for strategy in ["conversation", "sticky", "off"] {
        for body in requests() {
            let emulator = Emulator::start(Options::default()).unwrap();
            let settings = SETTINGS.replace("{base_url}", &emulator.base_url());
            let settings = format!("{settings}sessions: {{strategy: {strategy}}}\n");
            let output = explain(&settings, &body.to_string());
            assert!(emulator.requests().is_empty());
            let told = std::str::from_utf8(&output.stdout).unwrap();

            let config = Config::parse(&settings, &Environment::default()).unwrap();
            let proxy = Proxy::run(config, emulator);
            let answer = proxy.chat(&body);
            if answer.status != 200 {
                let status = answer.status;
                assert_eq!(output.status.code(), Some(1), "{body}");
                assert_eq!(serde_json::from_str::<Value>(told).unwrap(), answer.json);
                let said = std::str::from_utf8(&output.stderr).unwrap();
                assert!(said.ends_with(&format!("with status {status}\n")), "{said}");
                continue;
            }
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let received = proxy.emulator.requests();
            assert_eq!(after(told, "app "), Some(received[0].app.as_str()));
            let line = |message: &Message| format!("  {:<9} {}", message.role, json!(*message.content));
            let sent = received[0].messages.iter().map(line).collect::<Vec<_>>().join("\n");
            assert!(told.contains(&format!("all sent\n{sent}\nparameters\n")), "{sent}{told}");
            let outcome = after(told, "session ").unwrap().split(',').next();
            assert_eq!(outcome, Some(answer.header("x-chipp-session")), "{told}");
            let ignored = after(told, "ignored ").map_or("", |line| line.split(':').next().unwrap());
            assert_eq!(ignored.replace(", ", ","), answer.header("x-chipp-ignored-params"), "{told}");
            answered += 1;
        }
    }
    assert_eq!(answered, 12);
}

#[test]
fn a_request_can_come_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, SETTINGS.replace("{base_url}", "http://127.0.0.1:9/v1")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chipp-proxy"))
        .args(["explain", "-", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(crate::question("gpt-4o").to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(std::str::from_utf8(&output.stdout).unwrap().starts_with("model       \"gpt-4o\"\n"));
}

#[test]
fn files_that_are_not_there_are_named() {
    let program = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_chipp-proxy")).args(arguments).output().unwrap()
    };
    let output = program(&["explain", "/nowhere/request.json", "--config", "/nowhere/config.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(std::str::from_utf8(&output.stderr).unwrap().contains("/nowhere/config.yaml"));
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, SETTINGS.replace("{base_url}", "http://127.0.0.1:9/v1")).unwrap();
    let output = program(&["explain", "/nowhere/request.json", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(std::str::from_utf8(&output.stderr).unwrap().contains("cannot read /nowhere/request.json"));
    assert!(output.stdout.is_empty());
}
