//! Tools and JSON for apps that only speak text: what the client gets, and what Chipp does.

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::shape::keys;
use crate::support::{Answer, Proxy};
use crate::{proxy_of, question_with};

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
    ])
}

fn ask(text: &str, more: &Value) -> Value {
    let mut body =
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "tools": tools()});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// The calls of an answer that is nothing else: names and arguments; the ids are checked.
#[track_caller]
fn calls(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let choice = &answer.json["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = &choice["message"];
    keys(message, &["role", "content", "refusal", "annotations", "tool_calls"]);
    assert!(message["content"].is_null());
    let calls = message["tool_calls"].as_array().unwrap().iter().map(|call| {
        keys(call, &["id", "type", "function"]);
        keys(&call["function"], &["name", "arguments"]);
        assert!(call["id"].as_str().unwrap().starts_with("call_"));
        let arguments = call["function"]["arguments"].as_str().unwrap();
        (call["function"]["name"].as_str().unwrap().to_owned(), serde_json::from_str(arguments).unwrap())
    });
    calls.collect()
}

#[test]
fn a_call_its_result_and_the_answer_in_one_session_with_exact_history() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let mut body = ask("the weather?", &json!({}));
    let called = proxy.chat(&body);
    assert_eq!(calls(&called), [("weather".to_owned(), json!({"city": "example"}))]);
    let message = called.json["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
    let told = proxy.chat(&body);
    assert_eq!(told.header("x-chipp-session"), "continued", "{told:?}");
    assert_eq!(told.content(), "The tool said: [result of weather]\nsunny");
    let requests = proxy.emulator.requests();
    let [first, second] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(first.messages.len(), 2);
    let sent: Vec<_> = second.messages.iter().map(|message| (&*message.role, &*message.content)).collect();
    assert_eq!(sent, [("user", "[result of weather]\nsunny")]);
    let held: Value = serde_json::from_str(&second.before[2].content).unwrap();
    assert_eq!(held, json!({"tool_calls": [{"name": "weather", "arguments": {"city": "example"}}]}));
    // Without the offer it is another history: nothing is gone on with.
    body["tools"] = Value::Null;
    assert_eq!(proxy.chat(&body).header("x-chipp-session"), "replayed");
}

#[test]
fn a_stream_has_the_name_first_and_then_the_arguments() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let body = ask("the weather?", &json!({"stream_options": {"include_usage": true}}));
    let streamed = proxy.stream(&body).read();
    assert!(streamed.done && streamed.error.is_none() && streamed.usage.is_some());
    assert_eq!((streamed.content.as_str(), streamed.finish_reason.as_deref()), ("", Some("tool_calls")));
    let deltas: Vec<&Value> = streamed.chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": "", "refusal": null}));
    let first = &deltas[1]["tool_calls"][0];
    assert_eq!(first["function"], json!({"name": "weather", "arguments": ""}));
    let rest =
        deltas.iter().skip(2).filter_map(|delta| delta["tool_calls"][0]["function"]["arguments"].as_str());
    assert_eq!(rest.collect::<String>(), r#"{"city":"example"}"#);
}

#[test]
fn the_choice_is_followed() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    for (choice, name) in [
        (json!("auto"), Some("weather")),
        (json!("required"), Some("weather")),
        (json!({"type": "function", "function": {"name": "time"}}), Some("time")),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required",
            "tools": [{"type": "function", "function": {"name": "time"}}]}}),
            Some("time"),
        ),
        (json!("none"), None),
    ] {
        let answer = proxy.chat(&ask("the weather?", &json!({"tool_choice": choice})));
        match name {
            Some(name) => assert_eq!(calls(&answer)[0].0, name, "{choice}"),
            None => assert!(answer.content().contains("weather"), "{answer:?}"),
        }
    }
    let unknown = json!({"tool_choice": {"type": "function", "function": {"name": "fly"}}});
    let answer = proxy.chat(&ask("hi", &unknown));
    assert_eq!((answer.status, &answer.json["error"]["param"]), (400, &json!("tool_choice")));
}

#[test]
fn the_older_functions_have_one_call_without_an_id() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let more = json!({"tools": null, "functions": [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]});
    let answer = proxy.chat(&ask("the weather?", &more));
    let choice = &answer.json["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], json!({"name": "weather", "arguments": "{}"}));
    let streamed = proxy.stream(&ask("the weather?", &more)).read();
    assert_eq!(streamed.finish_reason.as_deref(), Some("function_call"));
    let mut body = ask("the weather?", &more);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    messages.push(json!({"role": "function", "name": "weather", "content": "sunny"}));
    let told = proxy.chat(&body);
    assert_eq!(told.header("x-chipp-session"), "continued");
    assert!(told.content().ends_with("[result of weather]\nsunny"), "{told:?}");
}

#[test]
fn json_by_a_schema_plain_and_streamed() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let format = json!({"type": "json_schema", "json_schema": {"name": "point", "strict": true, "schema": {
        "type": "object", "properties": {"x": {"type": "integer"}, "label": {"enum": ["red"]}},
        "required": ["x", "label"], "additionalProperties": false}}});
    let body = question_with("gpt-4o", &json!({"response_format": format}));
    let answer = proxy.chat(&body);
    let value: Value = serde_json::from_str(answer.content()).unwrap();
    assert_eq!(value, json!({"x": 1, "label": "red"}));
    let streamed = proxy.stream(&body).read();
    assert_eq!(streamed.content, answer.content());
    let object = question_with("gpt-4o", &json!({"response_format": {"type": "json_object"}}));
    assert!(serde_json::from_str::<Value>(proxy.chat(&object).content()).unwrap().is_object());
    let bad = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "thing"}}});
    let refused = proxy.chat(&question_with("gpt-4o", &json!({"response_format": bad})));
    assert_eq!((refused.status, refused.code()), (400, "invalid_json_schema"));
}

/// An app that knows nothing of tools and JSON, and says what it always says.
#[test]
fn what_is_not_what_was_asked_for_is_asked_for_once_more_and_then_refused() {
    let proxy = proxy_of(
        "upstream: {base_url: '{base_url}', api_key: live_test}\n\
         models: {deaf: emu-relative-link-1}\nauth: {mode: open}",
    );
    let must = json!({"model": "deaf", "tool_choice": "required"});
    let format = json!({"model": "deaf", "tools": null, "response_format": {"type": "json_object"}});
    for (at, more) in [must, format].into_iter().enumerate() {
        for stream in [false, true] {
            let mut body = ask("hi", &more);
            body["stream"] = json!(stream);
            let before = proxy.emulator.requests().len();
            let answer = proxy.events("chat/completions", &body).into_answer();
            assert_eq!((answer.status, answer.code()), (502, "invalid_answer"), "{at} {stream}: {answer:?}");
            assert_eq!(answer.header("x-should-retry"), "false");
            let requests = proxy.emulator.requests();
            let [first, second] = &requests[before..] else { panic!("{requests:?}") };
            assert_eq!(second.session, first.session);
            let [message] = &second.messages[..] else { panic!("{second:?}") };
            assert!(message.content.starts_with("Your last answer cannot be used:"), "{message:?}");
        }
    }
    assert!(proxy.metrics().contains("chipp_proxy_answers_repaired_total 4"));
}

/// What the app says, what the client gets of it (content, names of calls), how the next turn goes on.
#[test]
fn calls_are_found_in_whatever_an_app_makes_of_them() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let call = r#"{"tool_calls":[{"name":"weather","arguments":{"city":"Ulm"}}]}"#;
    let twice = r#"{"tool_calls":[{"name":"time"},{"name":"time","arguments":{}}]}"#;
    let text = r#"{"name":"weather","arguments":"{\"city\":\"Ulm\"}"}"#;
    let prose = "Send {\"name\": \"Ann\"} as `json`.";
    for (said, content, names, next) in [
        (call, "", &["weather"][..], "continued"),
        (&format!("```json\n{call}\n```"), "", &["weather"], "replayed"),
        (&format!("Let me look.\n\n{call}"), "Let me look.", &["weather"], "continued"),
        (&format!("{call} There."), "", &["weather"], "replayed"),
        (text, "", &["weather"], "replayed"),
        (twice, "", &["time", "time"], "replayed"),
        (prose, prose, &[], "continued"),
        // Wrong, and right when it is told so: the app calls what the complaint names, with what the schema wants.
        (r#"{"tool_calls":[{"name":"weather","arguments":{"city":5}}]}"#, "", &["weather"], "replayed"),
        (r#"{"tool_calls":[{"name":"weather","argu"#, "", &["time"], "replayed"),
        (r#"{"tool_calls":[{"name":"fly","arguments":{}}]}"#, "", &["time"], "replayed"),
        (r#"So: {"tool_calls":[{"name":"fly","arguments":{}}]}"#, "So:", &["time"], "replayed"),
    ] {
        for stream in [false, true] {
            let mut body = ask(&format!("Repeat exactly: {said}"), &json!({}));
            let message = if stream {
                streamed(&proxy, &body)
            } else {
                proxy.chat(&body).json["choices"][0]["message"].clone()
            };
            let told = message["content"].as_str().unwrap_or_default();
            // A second turn may leave the words of the first out, unless the client has had them.
            let content = if said.starts_with("So") && !stream { "" } else { content };
            assert_eq!(told, content, "{said} {stream}: {message}");
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            let called: Vec<_> =
                calls.iter().map(|call| call["function"]["name"].as_str().unwrap()).collect();
            assert_eq!(called, names, "{said} {stream}");
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            for call in calls {
                messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "x"}));
            }
            if names.is_empty() {
                messages.push(json!({"role": "user", "content": "go on"}));
            }
            let answer = proxy.chat(&body);
            assert_eq!(answer.header("x-chipp-session"), next, "{said} {stream}: {answer:?}");
        }
    }
}

/// The message that a stream's deltas make up.
fn streamed(proxy: &Proxy, body: &Value) -> Value {
    let streamed = proxy.stream(body).read();
    assert!(streamed.done, "{streamed:?}");
    let mut calls: Vec<Value> = Vec::new();
    for chunk in &streamed.chunks {
        for delta in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(delta["index"].as_u64().unwrap()).unwrap();
            let Some(call) = calls.get_mut(index) else {
                calls.push(json!({"id": delta["id"], "type": "function", "function": delta["function"]}));
                continue;
            };
            let more = delta["function"]["arguments"].as_str().unwrap();
            let whole = [call["function"]["arguments"].as_str().unwrap(), more].concat();
            call["function"]["arguments"] = whole.into();
        }
    }
    let content = if streamed.content.is_empty() { Value::Null } else { streamed.content.into() };
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

#[test]
fn several_answers_call_each_for_itself() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let answer = proxy.chat(&ask("the weather?", &json!({"n": 3})));
    let choices = answer.json["choices"].as_array().unwrap();
    let ids: std::collections::BTreeSet<&str> =
        choices.iter().map(|choice| choice["message"]["tool_calls"][0]["id"].as_str().unwrap()).collect();
    assert_eq!((choices.len(), ids.len()), (3, 3));
    let streamed = proxy.stream(&ask("the weather?", &json!({"n": 2}))).read();
    assert!(streamed.done, "{streamed:?}");
}

#[test]
fn a_call_that_is_cut_is_none() {
    let proxy = Proxy::with("auth: {mode: open}", Options::default());
    let body = ask("the weather?", &json!({"max_tokens": 3}));
    let answer = proxy.chat(&body);
    assert_eq!(answer.json["choices"][0]["finish_reason"], "length");
    assert_eq!(answer.content(), "");
    let streamed = proxy.stream(&body).read();
    assert_eq!((streamed.content.as_str(), streamed.finish_reason.as_deref()), ("", Some("length")));
}
