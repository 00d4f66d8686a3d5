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
fn a_wrong_base_url_is_one_error_of_a_request_in_words_to_search_for() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let yaml = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{}', api_key: live_test}}\n\
         models: {{lost: emu-route-404-1}}\n\
         auth: {{mode: open}}\n\
         telemetry: {{log: json}}\n",
        emulator.base_url(),
    );
    std::fs::write(&file, yaml).unwrap();
    let program = Program::serve(&file, "chipp_proxy=info");
    let body = json!({"model": "lost", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    assert_eq!(post(program.listen, &[("x-request-id", "id-1")], body.as_bytes()).status, 502);
    let (log, _) = program.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    let [line] = told[..] else { panic!("{log}") };
    assert_eq!(line["message"], "upstream.base_url: the upstream has no such route");
    assert_eq!((&line["alias"], &line["request_id"]), (&json!("lost"), &json!("id-1")));
    assert_eq!(emulator.requests().len(), 1, "no retry helps");
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

/// What nobody is to be told, wherever it was said: each is a word that occurs nowhere else.
const SECRETS: [&str; 8] = [
    "key-that-clients-keep",
    "key-that-is-wrong-here",
    "live_key_of_the_operator",
    "person-in-the-body",
    "person-in-a-header",
    "thread-of-the-client",
    "whisper-to-the-model",
    "emu-",
];

#[test]
fn nothing_that_is_secret_is_told_to_anybody() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let hash = sha256("key-that-clients-keep");
    let yaml = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{}', api_key: live_key_of_the_operator, retry: {{attempts: 1}}}}\n\
         models: {{good: emu-gpt-4o-1, bad-1: emu-error-500-1, bad-2: emu-rate-429-1, bad-3: emu-key-401-1,\n\
         \x20 bad-4: emu-plan-401-1, bad-5: emu-credits-402-1, bad-6: emu-cut-c-1, bad-7: emu-html-502-1, bad-8: emu-unknown-1,\n\
         \x20 bad-9: emu-stream-error-b-1, few: {{app: emu-gpt-4o-1, limits: {{requests_per_day: 1}}}}}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: ['{hash}'], trust_user: true}}]}}\n\
         limits: {{user: {{requests_per_minute: 1000, concurrent: 5}}}}\n",
        emulator.base_url()
    );
    std::fs::write(&file, yaml).unwrap();
    let program = Program::serve(&file, "trace");
    let ask_with = |key: &str, body: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-user-id", "person-in-a-header"),
            ("x-conversation-id", "thread-of-the-client"),
        ];
        post(program.listen, &headers, body.as_bytes())
    };
    let mut told = Vec::new();
    for model in [
        "good", "good", "few", "few", "bad-1", "bad-2", "bad-3", "bad-4", "bad-5", "bad-6", "bad-7", "bad-8",
        "bad-9",
    ] {
        for stream in [false, true] {
            for extra in
                [json!({}), json!({"n": 2}), json!({"logprobs": true}), json!({"temperature": "whisper"})]
            {
                let mut body = json!({
                    "model": model, "stream": stream, "user": "person-in-the-body",
                    "messages": [{"role": "user", "content": "whisper-to-the-model"}]
                });
                body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
                let answer = ask_with("key-that-clients-keep", &body.to_string());
                if answer.status != 200 || model.starts_with("bad") {
                    // What the answer says is the client's own; how it says that it failed is not.
                    told.push(answer.whole);
                }
            }
        }
    }
    told.push(ask_with("key-that-is-wrong-here", "{}").whole);
    told.push(ask_with("key-that-clients-keep", "{\"whisper-to-the-model\": ").whole);
    for path in ["/metrics", "/readyz", "/healthz", "/", "/reload"] {
        told.push(ask(program.admin, "GET", path, &[], b"").whole);
    }
    told.push(ask(program.admin, "POST", "/reload", &[], b"").whole);
    let (log, code) = program.stop();
    assert_eq!(code, Some(0), "{log}");
    // It has been listened to where something was told.
    assert!(log.lines().count() > 100 && log.contains("bad-9") && log.contains("\"web\""), "{log}");
    assert!(told.iter().any(|told| told.contains("insufficient_quota")));
    assert!(told.iter().any(|told| told.contains("chipp_proxy_requests_total{alias=\"few\"")));
    told.push(log);
    let mut secrets: Vec<String> = SECRETS.map(str::to_owned).into();
    secrets.push(hash);
    let sessions: Vec<String> = emulator.sessions().into_iter().map(|session| session.id).collect();
    assert!(!sessions.is_empty());
    for secret in secrets.iter().chain(&sessions) {
        for told in &told {
            let shown = told.lines().find(|line| line.contains(secret.as_str()));
            // The models that answer repeat what was said before they break.
            let is_the_answer =
                secret == "whisper-to-the-model" && shown.is_some_and(|line| line.contains("\"choices\""));
            assert!(shown.is_none() || is_the_answer, "{secret}: {shown:?}");
        }
    }
}
