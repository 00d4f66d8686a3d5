//! The command line of the real program: what it prints where, and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chipp-proxy"))
        .args(arguments)
        .env_remove("CHIPP_API_KEY")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn written(directory: &Path, yaml: &str) -> String {
    let file = directory.join("config.yaml");
    std::fs::write(&file, yaml).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn check_prints_every_problem() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(
        directory.path(),
        "server: {listen: nowhere, drian: 1s}\n\
         upstream: {api_key: a-secret-key, base_url: 'ftp://x'}\n\
         models: {a: 'two words'}\n\
         auth: {mode: keys}\n",
    );
    let output = program(&["check", "--config", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = text(&output.stderr);
    for place in ["server.listen", "server.drian", "drain", "upstream.base_url", "models.a", "auth.keys"] {
        assert!(told.contains(place), "{place} in {told}");
    }
    assert!(!told.contains("a-secret-key"), "{told}");
    // What cannot be checked cannot be served either.
    assert_eq!(program(&["serve", "--config", &file]).status.code(), Some(1));

    let missing = program(&["check", "--config", "/nowhere/config.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nowhere/config.yaml"));
}

#[test]
fn a_good_file_is_checked_and_shown_without_its_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(
        directory.path(),
        "upstream: {api_key: a-secret-key}\nmodels: {a: app-1, b: {app: app-2, api_key: another-secret}}\n\
         auth: {mode: open}\n",
    );
    let output = program(&["check", "--config", &file]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("no problems; 2 models"));

    let output = program(&["config", "--config", &file]);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    assert!(shown.contains("app-1") && shown.contains("***") && shown.contains("drain"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn the_schema_is_json() {
    let output = program(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["models"].is_object());
}

#[test]
fn what_is_not_understood_is_exit_code_2() {
    for arguments in [
        &["--no-such-option"][..],
        &["no-such-command"],
        &["check", "--config"],
        &["sandbox", "--listen", "x"],
    ] {
        let output = program(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn help_and_version() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["health", "--help"]] {
        let output = program(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("Usage: chipp-proxy"));
    }
    let version = program(&["--version"]);
    assert_eq!(text(&version.stdout).trim(), concat!("chipp-proxy ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn health_asks_a_running_proxy() {
    let proxy = crate::support::Proxy::start();
    let admin = proxy.admin.to_string();
    let output = program(&["health", "--admin", &admin]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "ready\n"));
    // A port where nobody listens, and nobody else can: it is taken.
    let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    taken.bind(&any.into()).unwrap();
    let address = taken.local_addr().unwrap().as_socket().unwrap();
    let output = program(&["health", "--admin", &address.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not answer"));
}
