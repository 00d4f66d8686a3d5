//! Parameters: what is done, what is left out and named, what is refused.

use chipp_proxy::emulator::{Options, Outcome};
use serde_json::{Value, json};

use crate::raw::{ask, post};
use crate::support::{PATIENCE, Proxy, dialogue};
use crate::{proxy_of, question, question_with};

const INVALID: &str = "invalid_request_error";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn tool() -> Value {
    json!([{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}])
}

#[test]
fn what_has_no_effect_is_named_in_the_clients_order_unknown_fields_last() {
    let proxy = Proxy::start();
    let body = br#"{"zeta":1,"seed":3,"model":"gpt-4o","temperature":0.2,"metadata":{"a":"b"},"top_p":null,
        "stop":"zz","alpha":{},"messages":[{"role":"user","content":"hi"}],"user":"u","frequency_penalty":1}"#;
    let answer = post(proxy.listen, &[], body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-chipp-ignored-params"), "seed,temperature,frequency_penalty,zeta,alpha");
    let streamed = proxy.stream(&question_with("gpt-4o", &json!({"temperature": 1})));
    assert_eq!(streamed.header("x-chipp-ignored-params"), "temperature");
    assert_eq!(proxy.chat(&question("gpt-4o")).header("x-chipp-ignored-params"), "");
}

#[test]
fn names_that_do_not_fit_a_header_are_made_to() {
    let proxy = Proxy::start();
    let mut body = question_with("gpt-4o", &json!({"temperature": 1, "a\r\nx-evil: 1": 1, "schlüssel": 1}));
    let answer = proxy.chat(&body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-evil"), "");
    let named = answer.header("x-chipp-ignored-params").to_owned();
    assert!(named.split(',').any(|name| name == "temperature"), "{named}");
    assert!(named.contains("schl"), "{named}");
    for number in 0..100 {
        body[format!("{number}-{}", "x".repeat(2000))] = json!(1);
    }
    let answer = proxy.chat(&body);
    assert_eq!(answer.status, 200);
    let named = answer.header("x-chipp-ignored-params");
    assert!(named.starts_with("temperature,") && named.len() <= 1024, "{}", named.len());
}

#[test]
fn what_would_change_the_answer_is_refused() {
    let proxy = Proxy::start();
    for (more, param, code) in [
        (json!({"logprobs": true}), "logprobs", "unsupported_parameter"),
        (json!({"logprobs": true, "top_logprobs": 2}), "logprobs", "unsupported_parameter"),
        (json!({"modalities": ["text", "audio"]}), "modalities", "unsupported_parameter"),
        (json!({"audio": {"voice": "alloy", "format": "mp3"}}), "audio", "unsupported_parameter"),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
            ]}]}),
            "messages[0].content[0].type",
            "unsupported_value",
        ),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "x"}, {"type": "file", "file": {"file_id": "f"}}
            ]}]}),
            "messages[0].content[1].type",
            "unsupported_value",
        ),
    ] {
        for stream in [false, true] {
            let mut body = question_with("gpt-4o", &more);
            body["stream"] = json!(stream);
            post(proxy.listen, &[], body.to_string().as_bytes()).is_error((
                400,
                INVALID,
                Some(code),
                Some(param),
            ));
        }
    }
    assert!(proxy.emulator.requests().is_empty());
}

#[test]
fn what_asks_for_nothing_passes() {
    let proxy = Proxy::start();
    for more in [
        json!({"n": 1}),
        json!({"response_format": {"type": "text"}}),
        json!({"logprobs": false}),
        json!({"modalities": ["text"]}),
        json!({"tools": []}),
        json!({"tools": tool(), "tool_choice": "none"}),
        json!({"functions": [{"name": "look_up"}], "function_call": "none"}),
        json!({"tool_choice": "auto"}),
        json!({"stop": []}),
        json!({"stop": ""}),
    ] {
        let answer = proxy.chat(&question_with("gpt-4o", &more));
        assert_eq!(answer.status, 200, "{more}: {answer:?}");
    }
    let nulls: Value = chipp_proxy::openai::chat::PARAMETERS
        .iter()
        .filter(|parameter| !matches!(parameter.name, "model" | "messages"))
        .map(|parameter| (parameter.name.to_owned(), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let answer = proxy.chat(&question_with("gpt-4o", &nulls));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-chipp-ignored-params"), "");
}

#[test]
fn an_operator_may_refuse_what_has_no_effect() {
    let yaml = "auth: {mode: open}\nparameters: {unsupported: reject}";
    let proxy = Proxy::with(yaml, Options::default());
    let body = question_with("gpt-4o", &json!({"foo": 1, "top_p": 0.5}));
    post(proxy.listen, &[], body.to_string().as_bytes()).is_error((
        400,
        INVALID,
        Some("unsupported_parameter"),
        Some("top_p"),
    ));
    let unknown = proxy.chat(&question_with("gpt-4o", &json!({"foo": 1})));
    assert_eq!((unknown.status, unknown.header("x-chipp-ignored-params")), (200, "foo"));

    let yaml = "auth: {mode: open}\nparameters: {unknown: reject}";
    let proxy = Proxy::with(yaml, Options::default());
    post(proxy.listen, &[], body.to_string().as_bytes()).is_error((
        400,
        INVALID,
        Some("unknown_parameter"),
        Some("foo"),
    ));
    let ignored = proxy.chat(&question_with("gpt-4o", &json!({"top_p": 0.5})));
    assert_eq!((ignored.status, ignored.header("x-chipp-ignored-params")), (200, "top_p"));
}

#[test]
fn an_alias_decides_on_tools_and_images() {
    let proxy = proxy_of(
        "upstream: {base_url: '{base_url}', api_key: live_test}\n\
         models: {easy: {app: emu-gpt-4o-1, tools: ignore}, blind: {app: emu-gpt-4o-1, images: reject, tools: reject}}\n\
         auth: {mode: open}",
    );
    let answer = proxy.chat(&question_with("easy", &json!({"tools": tool(), "seed": 1})));
    assert_eq!((answer.status, answer.header("x-chipp-ignored-params")), (200, "tools,seed"));
    let functions = json!([{"name": "look_up"}]);
    for (more, param) in [
        (json!({"tools": tool()}), "tools"),
        (json!({"tools": tool(), "tool_choice": "auto"}), "tools"),
        (json!({"functions": functions}), "functions"),
    ] {
        let body = question_with("blind", &more).to_string();
        let code = Some("unsupported_parameter");
        post(proxy.listen, &[], body.as_bytes()).is_error((400, INVALID, code, Some(param)));
    }
    let silent = proxy.chat(&question_with("blind", &json!({"tools": tool(), "tool_choice": "none"})));
    assert_eq!((silent.status, silent.header("x-chipp-ignored-params")), (200, ""));
    let with_image = |model: &str, url: &str| {
        json!({"model": model, "messages": [{"role": "user", "content": [
            {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}
        ]}]})
    };
    let address = "https://example.com/cat.png";
    assert_eq!(proxy.chat(&with_image("easy", address)).status, 200);
    let heard = proxy.emulator.requests().last().unwrap().heard();
    assert_eq!(&*heard[0].content, "what is this?\n![](https://example.com/cat.png)\n");
    let input = json!([{"role": "user", "content": [{"type": "input_image", "image_url": address}]}]);
    let body = json!({"model": "easy", "input": input}).to_string();
    assert_eq!(ask(proxy.listen, "POST", "/v1/responses", JSON, body.as_bytes()).status, 200);
    let heard = proxy.emulator.requests().last().unwrap().heard();
    assert_eq!(&*heard[0].content, "![](https://example.com/cat.png)\n");
    let refused = |body: Value, param| {
        post(proxy.listen, &[], body.to_string().as_bytes()).is_error((
            400,
            INVALID,
            Some("unsupported_value"),
            Some(param),
        ));
    };
    refused(with_image("blind", address), "messages[0].content[1].type");
    refused(with_image("easy", "data:image/png;base64,AAAA"), "messages[0].content[1].image_url.url");
}

#[test]
fn roles_and_forms_of_content_reach_chipp_as_it_knows_them() {
    let proxy = Proxy::start();
    let body = json!({"model": "gpt-4o", "messages": [
        {"role": "developer", "content": "be kind"},
        {"role": "system", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": "Hello!", "refusal": null, "annotations": [], "audio": null,
            "function_call": null, "reasoning_content": "hm", "tool_calls": null},
        {"role": "user", "content": "and?"}
    ]});
    assert_eq!(proxy.chat(&body).status, 200);
    let heard: Vec<_> = proxy.emulator.requests()[0]
        .heard()
        .iter()
        .map(|message| format!("{}: {}", message.role, message.content))
        .collect();
    assert_eq!(heard, ["system: be kind", "system: be brief", "user: hi", "assistant: Hello!", "user: and?"]);
}

/// Text, finish reason, tokens of the answer: plain and streamed.
fn both(proxy: &Proxy, body: &Value) -> [(String, String, u64); 2] {
    let plain = proxy.chat(body);
    assert_eq!(plain.status, 200, "{plain:?}");
    let mut body = body.clone();
    body["stream_options"] = json!({"include_usage": true});
    let told = crate::shape::stream(proxy.stream(&body), body["model"].as_str().unwrap(), true);
    let reason = plain.json["choices"][0]["finish_reason"].as_str().unwrap();
    [
        (
            plain.content().to_owned(),
            reason.to_owned(),
            plain.json["usage"]["completion_tokens"].as_u64().unwrap(),
        ),
        (told.content, told.finish_reason, told.usage.unwrap()["completion_tokens"].as_u64().unwrap()),
    ]
}

#[test]
fn answers_are_cut_at_the_same_place_plain_and_streamed() {
    let proxy = Proxy::start();
    // What is repeated is split into words by dialects, and into bytes by some of the apps.
    let text = "one, two STOP three ENDE four STOPP five";
    for (model, suffix) in
        [("gpt-4o", ""), ("dialect-a", ""), ("dialect-b", ""), ("split-a", "å"), ("split-b", "å")]
    {
        for (more, content, reason) in [
            (json!({"stop": "STOP"}), "one, two ", "stop"),
            (json!({"stop": ["ENDE", "P three"]}), "one, two STO", "stop"),
            (json!({"stop": ["never", "wo STOP thr"]}), "one, t", "stop"),
            (json!({"stop": "STOPP"}), "one, two STOP three ENDE four ", "stop"),
            (json!({"max_tokens": 3}), "one, two STO", "length"),
            (json!({"max_completion_tokens": 2, "stop": "three"}), "one, two", "length"),
        ] {
            let mut body = dialogue(model, &[&format!("repeat exactly: {text}{suffix}")]);
            for (key, value) in more.as_object().unwrap() {
                body[key] = value.clone();
            }
            let tokens = u64::try_from(content.len().div_ceil(4)).unwrap();
            let expected = (content.to_owned(), reason.to_owned(), tokens);
            assert_eq!(both(&proxy, &body), [expected.clone(), expected], "{model} {more}");
        }
    }
}

#[test]
fn a_stop_sequence_that_does_not_come_changes_nothing() {
    let proxy = Proxy::start();
    let mut body = dialogue("dialect-b", &["repeat exactly: to be or not to b"]);
    body["stop"] = json!(["to be or not to be"]);
    for (content, reason, _) in both(&proxy, &body) {
        assert_eq!((content.as_str(), reason.as_str()), ("to be or not to b", "stop"));
    }
}

#[test]
fn a_cut_stream_lets_chipp_go() {
    let proxy = Proxy::start();
    let mut body = question("gated");
    body["stop"] = json!("You");
    for _ in 0..2 {
        proxy.emulator.open("hi");
    }
    let streamed = proxy.stream(&body).read();
    assert!(streamed.done);
    assert_eq!(streamed.content, "Hello! ");
    assert_eq!(streamed.finish_reason.as_deref(), Some("stop"));
    let left = proxy
        .emulator
        .wait_for(|state| state.requests().all(|request| request.outcome == Outcome::ClientLeft), PATIENCE);
    assert!(left);
}
