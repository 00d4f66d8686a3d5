//! Fallbacks: with whose key, in which session, and which are not asked.

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{Emulator, Options};
use serde_json::json;

use crate::support::{Proxy, dialogue};

fn proxy(yaml: &str) -> Proxy {
    let emulator = Emulator::start(Options::default()).unwrap();
    let text = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1}}\n{}",
        yaml.replace("BASE_URL", &emulator.base_url())
    );
    let config =
        Config::parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{text}{problems}"));
    Proxy::run(config, emulator)
}

/// `broken` falls back to `spare`, each with a key of its own.
fn with_spare(spare: &str) -> Proxy {
    proxy(&format!(
        "upstream: {{base_url: 'BASE_URL'}}\nauth: {{mode: open}}\nmodels:\n  \
         broken: {{app: emu-error-500-1, api_key: live_broken, fallbacks: [spare]}}\n  \
         other: {{app: emu-gpt-4o-1, api_key: live_other}}\n  spare: {spare}\n"
    ))
}

/// The apps that were asked.
fn apps(proxy: &Proxy) -> Vec<String> {
    let apps = proxy.emulator.requests().into_iter().map(|request| request.app);
    apps.map(|app| app.trim_start_matches("emu-").trim_end_matches("-1").to_owned()).collect()
}

#[test]
fn each_alias_has_its_own_key_and_keeps_what_it_heard() {
    let proxy = with_spare("{app: emu-gpt-4o-1, api_key: live_spare, hidden: true}");
    let answer = proxy.chat(&dialogue("broken", &["hi"]));
    assert_eq!((answer.status, answer.header("x-chipp-session")), (200, "new"));
    assert_eq!(answer.json["model"], "broken");
    let keys: Vec<_> = proxy.emulator.requests().into_iter().map(|request| request.key).collect();
    assert_eq!(keys, ["live_broken", "live_spare"]);
    // It is the spare's conversation now.
    let next = proxy.chat(&dialogue("spare", &["hi", answer.content(), "and now?"]));
    assert_eq!(next.header("x-chipp-session"), "continued");
    assert_eq!(apps(&proxy), ["error-500", "gpt-4o", "gpt-4o"]);
}

#[test]
fn what_a_request_says_of_sessions_holds_for_the_fallback_too() {
    let proxy = with_spare("{app: emu-gpt-4o-1, api_key: live_spare}");
    for (wish, outcome) in [("off", "stateless"), ("new", "new")] {
        let body = dialogue("broken", &["hi", "Hello!", "and now?"]);
        let answer = proxy.chat_with(&body, &[("x-chipp-session", wish)]);
        assert_eq!((answer.status, answer.header("x-chipp-session")), (200, outcome));
        let next = dialogue("spare", &["hi", "Hello!", "and now?", answer.content(), "well?"]);
        let kept = proxy.chat(&next).header("x-chipp-session") == "continued";
        assert_eq!(kept, wish == "new");
    }
}

#[test]
fn fallbacks_of_fallbacks_are_not_asked() {
    let proxy = with_spare("{app: emu-html-502-1, api_key: live_spare, fallbacks: [other]}");
    assert_eq!(proxy.chat(&dialogue("broken", &["hi"])).status, 502);
    assert_eq!(apps(&proxy), ["error-500", "html-502"]);
}

#[test]
fn an_alias_that_cannot_take_the_request_is_left_out() {
    let proxy = with_spare("{app: emu-gpt-4o-1, api_key: live_spare, images: reject}");
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}});
    let body = json!({"model": "broken", "messages": [{"role": "user", "content": [image]}]});
    let answer = proxy.chat(&body);
    assert_eq!((answer.status, answer.code()), (502, "upstream_error"));
    assert_eq!(answer.header("x-should-retry"), "false", "the app may have carried it out");
    assert_eq!(apps(&proxy), ["error-500"]);
}

#[test]
fn a_clients_own_key_is_used_for_the_fallback_too() {
    let proxy = proxy(
        "upstream: {base_url: 'BASE_URL'}\nauth: {mode: passthrough}\nmodels:\n  \
         broken: {app: emu-error-500-1, fallbacks: [spare]}\n  spare: emu-gpt-4o-1\n",
    );
    let answer = proxy.chat_with(&dialogue("broken", &["hi"]), &[("authorization", "Bearer live_mine")]);
    assert_eq!(answer.status, 200);
    assert!(proxy.emulator.requests().iter().all(|request| request.key == "live_mine"));
    // A key that is no good is the client's to mend.
    let answer = proxy.chat_with(&dialogue("broken", &["hi"]), &[("authorization", "Bearer invalid_mine")]);
    assert_eq!((answer.status, answer.code()), (401, "invalid_api_key"));
    assert_eq!(apps(&proxy), ["error-500", "gpt-4o", "error-500"]);
}

#[test]
fn a_key_that_may_not_use_the_fallback_by_name_gets_its_answer_all_the_same() {
    // SHA-256 of "test".
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let proxy = proxy(&format!(
        "upstream: {{base_url: 'BASE_URL', api_key: live_test}}\n\
         auth: {{mode: keys, keys: [{{name: web, sha256: {hash}, models: [broken]}}]}}\nmodels:\n  \
         broken: {{app: emu-error-500-1, fallbacks: [spare]}}\n  spare: emu-gpt-4o-1\n"
    ));
    let key = [("authorization", "Bearer test")];
    assert_eq!(proxy.chat_with(&dialogue("spare", &["hi"]), &key).status, 404);
    assert_eq!(proxy.chat_with(&dialogue("broken", &["hi"]), &key).status, 200);
}
