//! Who may call, and what it may use.

use chipp_proxy::emulator::{Keys, Options};
use serde_json::{Value, json};

use crate::raw::{ask, post};
use crate::support::Proxy;
use crate::{proxy_of, question, question_with, sha256};

const INVALID: &str = "invalid_request_error";

fn with_keys() -> Proxy {
    proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{gpt-4o: emu-gpt-4o-1, dialect-a: emu-dialect-a-1, dialect-b: emu-dialect-b-1, 'x-*': emu-gpt-4o-1}}\n\
         limits: {{user: {{requests_per_minute: 1}}}}\n\
         auth:\n  mode: keys\n  keys:\n    \
           - {{name: web, sha256: ['{}', '{}']}}\n    \
           - {{name: old, sha256: ['{}'], expires: 2020-01-01}}\n    \
           - {{name: some, sha256: ['{}'], models: [gpt-4o, 'dialect-*']}}\n    \
           - {{name: trusted, sha256: ['{}'], trust_user: true}}\n",
        sha256("web-key-0123456789-a"),
        sha256("web-key-0123456789-b"),
        sha256("old-key-0123456789-c"),
        sha256("some-key-0123456789-d"),
        sha256("trusted-key-0123456789-e"),
    ))
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[test]
fn keys_are_good_or_not() {
    let proxy = with_keys();
    let body = question("gpt-4o").to_string();
    let ask = |name: &str, value: &str| post(proxy.listen, &[(name, value)], body.as_bytes());
    for (name, value) in [
        ("authorization", "Bearer web-key-0123456789-a"),
        ("authorization", "bearer web-key-0123456789-b"),
        ("Authorization", "BEARER   web-key-0123456789-b "),
        ("api-key", "web-key-0123456789-a"),
    ] {
        assert_eq!(ask(name, value).status, 200, "{name}: {value}");
    }
    for value in [
        "Bearer web-key-0123456789-x",
        "Bearer old-key-0123456789-c",
        "Bearer web-key-0123456789-a,",
        "Bearer WEB-KEY-0123456789-A",
    ] {
        let answer = ask("authorization", value);
        answer.is_error((401, INVALID, Some("invalid_api_key"), None));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("Incorrect API key provided: "), "{message}");
        assert!(!answer.whole.contains("0123456789"), "{message}");
    }
    for (name, value) in [
        ("authorization", ""),
        ("authorization", "Bearer"),
        ("authorization", "Bearer  "),
        ("authorization", "Basic d2ViOmtleQ=="),
        ("api-key", ""),
        ("x-other", "web-key-0123456789-a"),
    ] {
        let answer = ask(name, value);
        answer.is_error((401, INVALID, None, None));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains("Authorization: Bearer"), "{message}");
    }
    let models = ask_models(&proxy, "/v1/models", "nobody-0123456789");
    assert_eq!(models.0, 401);
    for request in proxy.emulator.requests() {
        assert_eq!(request.key, "live_test");
    }
}

fn ask_models(proxy: &Proxy, path: &str, key: &str) -> (u16, Value) {
    let answer = ask(proxy.listen, "GET", path, &[("authorization", &bearer(key))], b"");
    (answer.status, answer.json)
}

#[test]
fn a_key_sees_and_uses_only_its_models() {
    let proxy = with_keys();
    let listed = |key: &str| {
        let (status, list) = ask_models(&proxy, "/v1/models", key);
        assert_eq!(status, 200);
        let ids = list["data"].as_array().unwrap().iter();
        ids.map(|model| model["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("web-key-0123456789-a"), ["gpt-4o", "dialect-a", "dialect-b"]);
    let some = "some-key-0123456789-d";
    assert_eq!(listed(some), ["gpt-4o", "dialect-a", "dialect-b"]);
    for (model, status) in [("gpt-4o", 200), ("dialect-b", 200), ("x-1", 404), ("nobody", 404)] {
        assert_eq!(ask_models(&proxy, &format!("/v1/models/{model}"), some).0, status, "{model}");
        let answer =
            post(proxy.listen, &[("authorization", &bearer(some))], question(model).to_string().as_bytes());
        if status == 200 {
            assert_eq!(answer.status, 200);
            continue;
        }
        answer.is_error((404, INVALID, Some("model_not_found"), Some("model")));
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert_eq!(message, format!("The model `{model}` does not exist or you do not have access to it."));
    }
    assert_eq!(ask_models(&proxy, "/v1/models/x-1", "web-key-0123456789-a").0, 200);
}

#[test]
fn a_list_leaves_out_what_the_key_may_not_use() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\n\
         models: {{b: emu-gpt-4o-1, a: emu-gpt-4o-1, c: emu-gpt-4o-1}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: ['{}'], models: [c, b]}}]}}",
        sha256("web-key-0123456789-a")
    ));
    let (_, list) = ask_models(&proxy, "/v1/models", "web-key-0123456789-a");
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["b", "c"]);
}

#[test]
fn only_a_trusted_key_speaks_for_its_users_in_headers() {
    let proxy = with_keys();
    let body = question("gpt-4o");
    let ask = |key: &str, user: &str| {
        let bearer = bearer(key);
        let headers = [("authorization", bearer.as_str()), ("x-user-id", user)];
        proxy.chat_with(&body, &headers).status
    };
    let trusted = "trusted-key-0123456789-e";
    assert_eq!([ask(trusted, "ann"), ask(trusted, "bob"), ask(trusted, "ann")], [200, 200, 429]);
    // From anybody else the header says nothing: neither whom to count nor whom to refuse.
    let web = "web-key-0123456789-a";
    assert_eq!([ask(web, "ann"), ask(web, "ann")], [200, 200]);
    let long = "u".repeat(300);
    assert_eq!([ask(trusted, &long), ask(web, &long)], [400, 200]);
    // The body's user counts for both, and not together with another key's of the same name.
    let in_body = question_with("gpt-4o", &json!({"user": "cid"}));
    for key in [web, trusted] {
        let bearer = bearer(key);
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(proxy.chat_with(&in_body, &headers).status, 200);
        assert_eq!(proxy.chat_with(&in_body, &headers).status, 429);
    }
}

#[test]
fn in_passthrough_the_clients_key_goes_to_chipp() {
    let options = Options {
        keys: Keys::PerApp(vec![("emu-gpt-4o-1".into(), "chipp_of_the_client_42".into())]),
        ..Options::default()
    };
    let emulator = chipp_proxy::emulator::Emulator::start(options).unwrap();
    let text = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n\
         upstream: {{base_url: '{}'}}\n\
         models: {{gpt-4o: emu-gpt-4o-1, plan: emu-plan-401-1}}\n\
         auth: {{mode: passthrough}}",
        emulator.base_url()
    );
    let config =
        chipp_proxy::config::Config::parse(&text, &chipp_proxy::config::Environment::default()).unwrap();
    let proxy = Proxy::run(config, emulator);
    let body = question("gpt-4o").to_string();
    let ask = |headers: &[(&str, &str)]| post(proxy.listen, headers, body.as_bytes());

    assert_eq!(ask(&[("authorization", "Bearer chipp_of_the_client_42")]).status, 200);
    assert_eq!(ask(&[("api-key", "chipp_of_the_client_42")]).status, 200);
    assert!(proxy.emulator.requests().iter().all(|request| request.key == "chipp_of_the_client_42"));
    let refused = ask(&[("authorization", "Bearer chipp_of_another_app_43")]);
    refused.is_error((401, INVALID, Some("invalid_api_key"), None));
    assert!(!refused.whole.contains("another_app") && !refused.whole.contains("emu-"));
    ask(&[]).is_error((401, INVALID, None, None));
    assert_eq!(proxy.emulator.requests().len(), 3);
}
