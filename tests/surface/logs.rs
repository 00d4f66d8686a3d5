//! The real program's log, at its most talkative: one line for each request, and no word of what was said.

use chipp_proxy::emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::raw::{ask, post};
use crate::sha256;
use crate::support::program::Program;

#[test]
fn what_is_said_is_logged_if_the_operator_asks_for_it() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let yaml = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{}', api_key: live_test_of_the_operator}}\n\
         models: {{gpt-4o: emu-gpt-4o-1}}\n\
         auth: {{mode: open}}\n\
         telemetry: {{content: true}}\n",
        emulator.base_url(),
    );
    std::fs::write(&file, yaml).unwrap();
    let program = Program::serve(&file, "chipp_proxy=info");
    for stream in [false, true] {
        let body = json!({
            "model": "gpt-4o", "stream": stream,
            "messages": [{"role": "user", "content": "Repeat exactly: a \"secret\"\nof two lines"}]
        });
        assert_eq!(post(program.listen, &[], body.to_string().as_bytes()).status, 200);
    }

    let (log, _) = program.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |message: &str, field: &str| -> Vec<String> {
        let lines = lines.iter().filter(|line| line["target"] == "chipp_proxy::content");
        let lines = lines.filter(|line| line["message"] == message && line["request_id"].is_string());
        lines.map(|line| line[field].as_str().unwrap().to_owned()).collect()
    };
    let questions = said("question", "body");
    assert_eq!(questions.len(), 2);
    assert!(questions.iter().all(|body| body.contains("of two lines")));
    assert_eq!(said("answer", "text"), ["a \"secret\"\nof two lines"; 2]);
    assert!(!log.contains("live_test"));
}

#[test]
fn the_log_holds_one_line_for_each_request_and_no_secret() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let yaml = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{}', api_key: live_test_of_the_operator}}\n\
         models: {{gpt-4o: emu-gpt-4o-1, b: emu-dialect-b-1, bad: emu-error-500-1, cut: emu-cut-c-1, 'no': emu-key-401-1}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: ['{}']}}]}}\n\
         telemetry: {{log: json}}\n",
        emulator.base_url(),
        sha256("client-key-0123456789")
    );
    std::fs::write(&file, yaml).unwrap();
    let program = Program::serve(&file, "trace");

    let bearer = ("authorization", "Bearer client-key-0123456789");
    let chat = |model: &str, stream: bool, id: &str| {
        let body = json!({
            "model": model, "stream": stream, "user": "user-nobody-may-know",
            "messages": [{"role": "user", "content": "whisper-of-the-client"}]
        });
        let headers = [bearer, ("x-request-id", id)];
        post(program.listen, &headers, body.to_string().as_bytes()).status
    };
    assert_eq!(chat("gpt-4o", false, "id-1"), 200);
    assert_eq!(chat("gpt-4o", true, "id-2"), 200);
    assert_eq!(chat("b", true, "id-3"), 200);
    assert_eq!(chat("bad", false, "id-4"), 502);
    assert_eq!(chat("cut", true, "id-5"), 200);
    assert_eq!(chat("no", true, "id-6"), 502);
    assert_eq!(chat("whisper-model", false, "id-7"), 404);
    let wrong = [("authorization", "Bearer wrong-key-9876543210"), ("x-request-id", "id-8")];
    assert_eq!(post(program.listen, &wrong, b"{\"whisper\": 1}").status, 401);
    let broken = [bearer, ("x-request-id", "id-9")];
    assert_eq!(post(program.listen, &broken, b"{\"whisper\": ").status, 400);
    let listed = [bearer, ("x-request-id", "id-10")];
    assert_eq!(ask(program.listen, "GET", "/v1/models?whisper=1", &listed, b"").status, 200);
    let lost = [bearer, ("x-request-id", "id-11")];
    assert_eq!(ask(program.listen, "GET", "/v1/whisper", &lost, b"").status, 404);
    let metrics = ask(program.admin, "GET", "/metrics", &[], b"").whole;

    let (log, code) = program.stop();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let access: Vec<&Value> = lines.iter().filter(|line| line["target"] == "chipp_proxy::access").collect();
    let mut ids: Vec<_> = access.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    ids.sort_unstable_by_key(|id| id[3..].parse::<u32>().unwrap());
    let expected: Vec<String> = (1..=11).map(|number| format!("id-{number}")).collect();
    assert_eq!(ids, expected);
    let line = |id: &str| *access.iter().find(|line| line["request_id"] == id).unwrap();
    assert_eq!(line("id-1")["status"], 200);
    assert_eq!(line("id-1")["alias"], "gpt-4o");
    assert_eq!(line("id-1")["key"], "web");
    assert_eq!(line("id-1")["end"], "complete");
    assert_eq!(line("id-5")["end"], "broken");
    assert_eq!(line("id-5")["error"], "upstream_error");
    assert_eq!(line("id-7").get("alias"), None);
    assert_eq!(line("id-8")["error"], "invalid_api_key");

    let mut secrets = vec![
        "whisper".to_owned(),
        "Hello!".to_owned(),
        "user-nobody".to_owned(),
        "live_test".to_owned(),
        "client-key".to_owned(),
        "wrong-key".to_owned(),
        "emu-".to_owned(),
    ];
    secrets.extend(emulator.sessions().into_iter().map(|session| session.id));
    assert!(secrets.len() > 9);
    for secret in secrets {
        assert!(!metrics.contains(&secret), "{secret} in {metrics}");
        let shown = log.lines().find(|line| line.contains(&secret));
        assert_eq!(shown, None, "{secret}");
    }
}
