//! `POST /v1/completions`: texts, whole and streamed.

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::shape::{keys, usage};
use crate::support::{Answer, Proxy};

const OPEN: &str = "auth: {mode: open}";

fn ask(proxy: &Proxy, more: &Value) -> Answer {
    let mut body = json!({"model": "gpt-4o", "prompt": "hi"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    proxy.post_url(&proxy.url("completions"), &body)
}

/// A whole answer of the strict shape: the texts and the reasons of its choices.
#[track_caller]
fn whole(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-chipp-session"), "stateless");
    let body = &answer.json;
    keys(body, &["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]);
    assert_eq!(body["object"], "text_completion");
    assert!(body["id"].as_str().unwrap().starts_with("cmpl-"));
    usage(&body["usage"]);
    let choices = body["choices"].as_array().unwrap().iter().enumerate();
    choices.map(|(index, choice)| told(choice, index)).collect()
}

#[track_caller]
fn told(choice: &Value, index: usize) -> (String, String) {
    keys(choice, &["text", "index", "logprobs", "finish_reason"]);
    assert_eq!(choice["index"], index);
    assert!(choice["logprobs"].is_null());
    let reason = choice["finish_reason"].as_str().unwrap_or_default();
    (choice["text"].as_str().unwrap().to_owned(), reason.to_owned())
}

#[test]
fn a_prompt_is_said_by_a_user_and_nothing_is_remembered() {
    let proxy = Proxy::with(OPEN, Options::default());
    for _ in 0..2 {
        let [(text, reason)] = &whole(&ask(&proxy, &json!({"max_tokens": 200})))[..] else {
            panic!("not one choice");
        };
        assert_eq!(reason, "stop");
        assert!(text.contains("hi"), "{text}");
    }
    for request in proxy.emulator.requests() {
        let [message] = &request.messages[..] else { panic!("{request:?}") };
        assert_eq!((&*message.role, &*message.content), ("user", "hi"));
        assert_eq!(request.body_session, None);
    }
}

#[test]
fn each_prompt_is_answered_n_times_and_echoed_before_its_answer() {
    let proxy = Proxy::with(OPEN, Options::default());
    let more = json!({"prompt": ["one", "two"], "n": 2, "echo": true, "max_tokens": 200});
    let answer = ask(&proxy, &more);
    let texts: Vec<String> = whole(&answer).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts.len(), 4);
    for (text, prompt) in texts.iter().zip(["one", "one", "two", "two"]) {
        let rest = text.strip_prefix(prompt).unwrap_or_else(|| panic!("{text}"));
        assert!(rest.contains(prompt), "{text}");
    }
    assert_eq!(proxy.emulator.requests().len(), 4);
}

#[test]
fn without_max_tokens_there_are_sixteen_and_stop_cuts_before() {
    let proxy = Proxy::with(OPEN, Options::default());
    let long = "word ".repeat(40);
    let cut = &whole(&ask(&proxy, &json!({"prompt": long})))[0];
    assert_eq!((cut.0.len(), &*cut.1), (64, "length"));
    let stopped = &whole(&ask(&proxy, &json!({"prompt": "a STOP b", "stop": "STOP", "max_tokens": 99})))[0];
    assert!(!stopped.0.contains("STOP"), "{stopped:?}");
    assert_eq!(stopped.1, "stop");
}

#[test]
fn a_stream_has_the_same_choices_in_pieces() {
    let proxy = Proxy::with(OPEN, Options::default());
    let body = json!({
        "model": "gpt-4o", "prompt": ["one", "two"], "echo": true, "max_tokens": 200, "stream": true,
        "stream_options": {"include_usage": true}
    });
    let mut events = proxy.events("completions", &body);
    assert_eq!(events.status, 200);
    let mut texts = vec![String::new(); 2];
    let mut reasons = vec![String::new(); 2];
    let mut usages = 0;
    loop {
        let data = events.next_data().expect("[DONE]");
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap();
        keys(&chunk, &["id", "object", "created", "model", "system_fingerprint", "choices", "usage"]);
        assert_eq!(chunk["object"], "text_completion");
        let [choice] = chunk["choices"].as_array().unwrap().as_slice() else {
            usage(&chunk["usage"]);
            usages += 1;
            continue;
        };
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        let (text, reason) = told(choice, index);
        assert!(reasons[index].is_empty());
        texts[index].push_str(&text);
        reasons[index] = reason;
    }
    assert_eq!((usages, reasons), (1, vec!["stop".to_owned(); 2]));
    assert!(texts[0].starts_with("one") && texts[1].starts_with("two"), "{texts:?}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_asked() {
    let proxy = Proxy::with(OPEN, Options::default());
    for (more, param, code) in [
        (json!({"suffix": "x"}), "suffix", "unsupported_parameter"),
        (json!({"prompt": [1, 2]}), "prompt", "unsupported_value"),
        (json!({"logprobs": 1}), "logprobs", "unsupported_parameter"),
        (json!({"best_of": 2}), "best_of", "unsupported_parameter"),
        (json!({"prompt": null}), "prompt", "missing_required_parameter"),
    ] {
        let answer = ask(&proxy, &more);
        assert_eq!((answer.status, answer.code()), (400, code), "{more}");
        assert_eq!(answer.json["error"]["param"], param);
    }
    let answer = ask(&proxy, &json!({"seed": 1}));
    assert_eq!(answer.header("x-chipp-ignored-params"), "seed");
    let answer = ask(&proxy, &json!({"model": "nobody"}));
    assert_eq!((answer.status, answer.code()), (404, "model_not_found"));
    assert_eq!(proxy.emulator.requests().len(), 1);
}
