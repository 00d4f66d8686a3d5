use super::*;
use crate::config::Environment;

fn config(more: &str) -> Config {
    let text = format!(
        "upstream: {{api_key: live_secret}}\n\
         models: {{support: {{app: support-1, fallbacks: [other]}}, other: other-2, 'gpt-*': {{app: gpt-3, tools: ignore}}}}\n\
         auth: {{mode: open}}\n{more}"
    );
    Config::parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn explained(body: &str, more: &str) -> Result<String, Error> {
    let fingerprinter = Fingerprinter::random().unwrap();
    let question = Question::guess(body.to_owned().into())?;
    request(&question, &config(more), &fingerprinter).map(|explanation| explanation.to_string())
}

fn talk(model: &str, roles: &[&str], more: &str) -> String {
    let message = |role: &&str| format!(r#"{{"role":"{role}","content":"{role}"}}"#);
    let messages: Vec<String> = roles.iter().map(message).collect();
    format!(r#"{{"model":"{model}","messages":[{}]{more}}}"#, messages.join(","))
}

#[test]
fn a_whole_explanation() {
    let body = r#"{"model":"support","messages":[
        {"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"a\nb"}]},
        {"role":"assistant","content":"A"},{"role":"user","content":"c"}],
        "stream":true,"stop":["x"],"temperature":1,"seed":null,"n":1,"foo":1,"foo":2}"#;
    let expected = r#"model       "support"
  alias     support
  app       support-1
  fallbacks other
endpoint    POST /v1/chat/completions
answer      a stream
session     replayed, in a proxy that has just started
  sought    one that holds exactly the first 3 messages
messages    4, all sent
  system    "Be brief."
  user      "a\nb"
  assistant "A"
  user      "c"
parameters
  honoured  model, messages, stream: does what OpenAI says
"#;
    let told = explained(body, "").unwrap();
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("  emulated  stop") && !told.contains("seed"), "{told}");
    assert!(told.contains("  ignored   temperature, foo: has no effect, and is named in"), "{told}");
}

#[test]
fn every_endpoint_is_known_by_its_body() {
    let told = explained(r#"{"model":"support","prompt":["a","b"],"n":2,"suffix":""}"#, "").unwrap();
    assert!(told.contains("endpoint    POST /v1/completions\n"), "{told}");
    assert!(told.contains("choices   4, each with a call of its own"), "{told}");
    assert!(told.contains("1, all sent for the first prompt\n  user      \"a\"\n"), "{told}");
    let tools = r#"[{"type":"function","name":"f","parameters":{"type":"object"}}]"#;
    let told = explained(&format!(r#"{{"model":"support","input":"hi","tools":{tools}}}"#), "").unwrap();
    assert!(told.contains("endpoint    POST /v1/responses\n"), "{told}");
    assert!(told.contains("  system    \"You can call tools.") && told.contains("emulated  tools"), "{told}");
    let bad = r#"[{"type":"function","name":"f","parameters":{"type":"thing"}}]"#;
    let error = explained(&format!(r#"{{"model":"support","input":"hi","tools":{bad}}}"#), "").unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tools[0].parameters"));
    let error = explained(r#"{"model":"support","input":5}"#, "").unwrap_err();
    assert_eq!((error.param.as_deref(), error.code), (Some("input"), Some("invalid_type")));
}

#[test]
fn sessions_by_strategy_and_history() {
    let rows = [
        ("", &["user"][..], "", "new", "none: no answer"),
        ("", &["user", "assistant"], "", "replayed", "none: no answer"),
        ("", &["user", "assistant", "user"], "", "replayed", "one that holds exactly the first 2 messages"),
        (
            "",
            &["user", "assistant", "user", "assistant", "user"],
            "",
            "replayed",
            "the first 4 or 2 messages",
        ),
        (
            "sessions: {strategy: off}",
            &["user", "assistant", "user"],
            "",
            "stateless",
            "none: no session is kept",
        ),
        ("sessions: {strategy: sticky}", &["user"], r#","user":"u-1""#, "new", r#"the one of user "u-1""#),
        ("sessions: {strategy: sticky}", &["user"], "", "new", "none: no answer"),
    ];
    for (settings, roles, more, outcome, sought) in rows {
        let told = explained(&talk("support", roles, more), settings).unwrap();
        assert!(told.contains(&format!("session     {outcome},")), "{told}");
        let line = told.lines().find(|line| line.starts_with("  sought ")).unwrap();
        assert!(line.contains(sought), "{told}");
    }
}

#[test]
fn what_an_alias_ignores_is_not_called_refused() {
    let tools = r#","tools":[{"type":"function","function":{"name":"f"}}],"logprobs":false"#;
    let told = explained(&talk("gpt-4o", &["user"], tools), "").unwrap();
    assert!(told.contains("  ignored   tools: "), "{told}");
    assert!(
        told.contains("  refused   logprobs: asks for nothing that Chipp has not, so it passes"),
        "{told}"
    );
    assert!(told.contains("  alias     gpt-*\n  app       gpt-3\n"), "{told}");
}

#[test]
fn refusals_are_the_clients() {
    let strict = "parameters: {unsupported: reject, unknown: reject}";
    let rows = [
        ("{".to_owned(), "", 400, None),
        (talk("nobody", &["user"], ""), "", 404, Some("model_not_found")),
        (talk("support", &["boss"], ""), "", 400, Some("invalid_value")),
        (talk("support", &["user"], r#","logprobs":true"#), "", 400, Some("unsupported_parameter")),
        (talk("support", &["user"], r#","seed":1"#), strict, 400, Some("unsupported_parameter")),
        (talk("support", &["user"], r#","foo":1"#), strict, 400, Some("unknown_parameter")),
        (
            talk("support", &["user"], &" ".repeat(2000)),
            "server: {body_limit: 1KiB}",
            413,
            Some("request_too_large"),
        ),
    ];
    for (body, settings, status, code) in rows {
        let error = explained(&body, settings).unwrap_err();
        assert_eq!((error.status, error.code), (status, code), "{body}");
    }
}

#[test]
fn odd_names_and_texts_reach_no_terminal_as_they_are() {
    let told = explained(&talk("gpt-\\u001b[2J", &["user"], r#","a\u001bb":1"#), "").unwrap();
    assert!(!told.contains('\u{1b}'), "{told:?}");
    let body = r#"{"model":"support","messages":[{"role":"user","content":"\u001b[2J\r"}]}"#;
    let told = explained(body, "").unwrap();
    assert!(
        !told.contains('\u{1b}') && !told.contains('\r') && told.contains(r#""\u001b[2J\r""#),
        "{told:?}"
    );
}

#[test]
fn the_table_names_every_parameter_once_and_no_key_is_told() {
    let table = parameter_table();
    for (endpoint, parameters) in ENDPOINTS {
        let rows = table.lines().filter(|row| row.starts_with(&format!("| {endpoint} |")));
        let rows = rows.collect::<Vec<_>>().concat();
        for (name, _) in parameters() {
            assert_eq!(rows.matches(&format!("`{name}`")).count(), 1, "{endpoint} {name}");
        }
    }
    assert!(!explained(&talk("support", &["user"], ""), "").unwrap().contains("live_secret"));
}
