//! `POST /v1/responses`: whole and streamed, with tools and formats, and gone on from.

use serde_json::{Value, json};

use crate::support::{Answer, Proxy};
use crate::{proxy_of, schema, sha256};

fn ask(proxy: &Proxy, more: &Value) -> Answer {
    let mut body = json!({"model": "gpt-4o"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    proxy.post_url(&proxy.url("responses"), &body)
}

/// A response of OpenAI's shape: its text.
#[track_caller]
fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    whole(&answer.json)
}

#[track_caller]
fn whole(response: &Value) -> String {
    schema::is("Response", response);
    assert_eq!(response["status"], "completed");
    let output = response["output"].as_array().unwrap();
    let digits = response["id"].as_str().unwrap().strip_prefix("resp_").unwrap();
    for (place, item) in output.iter().enumerate() {
        assert!(item["id"].as_str().unwrap().ends_with(&format!("_{digits}{place:02x}")), "{item}");
    }
    let messages = output.iter().filter(|item| item["type"] == "message");
    messages.map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

/// The events of a stream, each of OpenAI's shape; numbers without gaps, and ends that repeat what they end.
#[track_caller]
fn events(proxy: &Proxy, more: &Value) -> Vec<Value> {
    let mut body = json!({"model": "gpt-4o", "stream": true});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let answer = proxy.events("responses", &body);
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    read(answer)
}

#[track_caller]
fn read(mut answer: crate::support::Events) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(data) = answer.next_data() {
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["sequence_number"], all.len(), "{event}");
        schema::is("ResponseStreamEvent", &event);
        all.push(event);
    }
    let mut said = String::new();
    for event in &all {
        let add = |said: &mut String| said.push_str(event["delta"].as_str().unwrap());
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => said.clear(),
            "response.output_text.delta"
            | "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta" => add(&mut said),
            "response.output_text.done" => assert_eq!(event["text"], said.as_str()),
            "response.function_call_arguments.done" => assert_eq!(event["arguments"], said.as_str()),
            "response.custom_tool_call_input.done" => assert_eq!(event["input"], said.as_str()),
            _ => {}
        }
    }
    let done = all.iter().filter(|event| event["type"] == "response.output_item.done");
    let done: Vec<&Value> = done.map(|event| &event["item"]).collect();
    assert_eq!(json!(done), all.last().unwrap()["response"]["output"]);
    all
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

fn tools() -> Value {
    json!([
        {"type": "function", "name": "weather", "description": "Of a city.", "strict": false, "parameters":
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        {"type": "custom", "name": "shell"}
    ])
}

#[test]
fn a_text_is_answered_and_the_request_told_back() {
    let proxy = Proxy::start();
    let answer = ask(
        &proxy,
        &json!({"input": "hi", "instructions": "Be kind.", "metadata": {"a": "b"}, "temperature": 0.5, "user": "u",
            "max_output_tokens": 500, "text": {"format": {"type": "text"}, "verbosity": "low"}, "foo": 1}),
    );
    assert_eq!(text(&answer), "Hello! You said: \"hi\".");
    assert_eq!(answer.header("x-chipp-session"), "new");
    let mut ignored: Vec<&str> = answer.header("x-chipp-ignored-params").split(',').collect();
    ignored.sort_unstable();
    assert_eq!(ignored, ["foo", "temperature", "text.verbosity"]);
    for (key, value) in [
        ("instructions", json!("Be kind.")),
        ("metadata", json!({"a": "b"})),
        ("temperature", json!(0.5)),
        ("user", json!("u")),
        ("max_output_tokens", json!(500)),
        ("truncation", json!("disabled")),
        ("previous_response_id", Value::Null),
        ("tools", json!([])),
    ] {
        assert_eq!(answer.json[key], value, "{key}");
    }
    assert!(answer.json["usage"]["input_tokens"].as_u64().unwrap() > 0);
    let [request] = &proxy.emulator.requests()[..] else { panic!("one request") };
    let heard: Vec<_> = request.messages.iter().map(|message| (&*message.role, &*message.content)).collect();
    assert_eq!(heard, [("system", "Be kind."), ("user", "hi")]);
}

#[test]
fn a_stream_has_all_of_openais_events_in_order() {
    let proxy = Proxy::start();
    let events = events(&proxy, &json!({"input": "hi"}));
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let response = &events.last().unwrap()["response"];
    assert_eq!(whole(response), "Hello! You said: \"hi\".");
    let id = response["id"].as_str().unwrap();
    assert_eq!(proxy.get(&format!("responses/{id}")).json, *response);
    let again = read(proxy.get_events(&format!("responses/{id}?stream=true")));
    // All of the text is one delta then.
    assert_eq!(kinds(&again), kinds(&events));
    assert_eq!(again.last().unwrap()["response"], *response);
    let mut rest = proxy.get_events(&format!("responses/{id}?stream=true&starting_after=7"));
    let first: Value = serde_json::from_str(&rest.next_data().unwrap()).unwrap();
    assert_eq!(first["sequence_number"], 8);
}

#[test]
fn a_response_is_gone_on_from_in_its_session_and_branched_from_in_another() {
    let proxy = Proxy::start();
    let first = ask(&proxy, &json!({"input": "my name is Ann"}));
    let id = first.json["id"].clone();
    let second = ask(&proxy, &json!({"input": "who am I?", "previous_response_id": id}));
    assert_eq!(second.header("x-chipp-session"), "continued");
    assert!(text(&second).contains("my name is Ann"), "{second:?}");
    assert_eq!(second.json["previous_response_id"], id);
    let requests = proxy.emulator.requests();
    assert_eq!((requests[1].messages.len(), requests[1].before.len()), (1, 2));
    // From the older one again: its session has gone on, so the history is told anew.
    let branch = ask(&proxy, &json!({"input": "and now?", "previous_response_id": id}));
    assert_eq!(branch.header("x-chipp-session"), "replayed");
    assert!(text(&branch).contains("message 2"), "{branch:?}");
    let third = events(&proxy, &json!({"input": "still?", "previous_response_id": second.json["id"]}));
    assert!(whole(&third.last().unwrap()["response"]).contains("message 3"));
    // A response in the middle is deleted: what goes on from it has all that was said.
    let middle = second.json["id"].as_str().unwrap();
    assert_eq!(proxy.delete(&format!("responses/{middle}")).status, 200);
    let last = &third.last().unwrap()["response"]["id"];
    let fourth = ask(&proxy, &json!({"input": "ok", "previous_response_id": last}));
    assert!(text(&fourth).contains("my name is Ann"));
    let gone = ask(&proxy, &json!({"input": "x", "previous_response_id": middle}));
    assert_eq!((gone.status, gone.code()), (404, "previous_response_not_found"));
    assert_eq!(gone.json["error"]["param"], "previous_response_id");
    let items = proxy.get(&format!("responses/{}/input_items", fourth.json["id"].as_str().unwrap()));
    schema::is("ResponseItemList", &items.json);
    assert_eq!(items.json["data"][0]["content"][0]["text"], "ok");
}

#[test]
fn a_function_is_called_and_its_output_brought_back() {
    let proxy = Proxy::start();
    let first = ask(&proxy, &json!({"input": "the weather?", "tools": tools()}));
    assert_eq!(first.status, 200, "{first:?}");
    schema::is("Response", &first.json);
    let [call] = first.json["output"].as_array().unwrap().as_slice() else { panic!("{first:?}") };
    assert_eq!((&call["type"], &call["name"]), (&"function_call".into(), &"weather".into()));
    assert_eq!(call["arguments"], r#"{"city":"example"}"#);
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"});
    let more = json!({"input": [output], "previous_response_id": first.json["id"], "tools": tools()});
    let told = ask(&proxy, &more);
    assert_eq!(told.header("x-chipp-session"), "continued");
    assert_eq!(text(&told), "The tool said: [result of weather]\nsunny");
    // The same without anything kept: the client brings all of it, or refers to it.
    for by_reference in [false, true] {
        let called =
            if by_reference { json!({"type": "item_reference", "id": call["id"]}) } else { call.clone() };
        let input = json!([{"role": "user", "content": "the weather?"}, called, output]);
        let told = ask(&proxy, &json!({"input": input, "tools": tools()}));
        assert_eq!(text(&told), "The tool said: [result of weather]\nsunny");
    }
    let unknown = ask(&proxy, &json!({"input": [{"type": "item_reference", "id": "msg_1"}]}));
    assert_eq!((unknown.status, &unknown.json["error"]["param"]), (404, &"input".into()));
}

#[test]
fn calls_are_streamed_with_their_arguments() {
    let proxy = Proxy::start();
    let all = events(&proxy, &json!({"input": "the weather?", "tools": tools()}));
    assert_eq!(
        kinds(&all),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let id = all.last().unwrap()["response"]["id"].as_str().unwrap();
    assert_eq!(kinds(&read(proxy.get_events(&format!("responses/{id}?stream=true")))), kinds(&all));
    let said = r#"Repeat exactly: Now: {"tool_calls":[{"name":"shell","input":"ls -l"},{"name":"weather","arguments":{"city":"x"}}]}"#;
    let all = events(&proxy, &json!({"input": said, "tools": tools()}));
    let output = all.last().unwrap()["response"]["output"].as_array().unwrap();
    let types: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["message", "custom_tool_call", "function_call"]);
    let id = all.last().unwrap()["response"]["id"].clone();
    let input: Vec<Value> = output[1..].iter().map(|call| {
        json!({"type": format!("{}_output", call["type"].as_str().unwrap()), "call_id": call["call_id"], "output": "ok"})
    }).collect();
    let told = ask(&proxy, &json!({"input": input, "previous_response_id": id, "tools": tools()}));
    assert!(text(&told).contains("[result of weather]"), "{told:?}");
    let items = proxy.get(&format!("responses/{}/input_items", told.json["id"].as_str().unwrap()));
    schema::is("ResponseItemList", &items.json);
}

#[test]
fn json_by_a_schema() {
    let proxy = Proxy::start();
    let format = json!({"type": "json_schema", "name": "point", "strict": true, "schema": {
        "type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": false}});
    let more = json!({"input": "go", "text": {"format": format}});
    let answer = ask(&proxy, &more);
    assert_eq!(serde_json::from_str::<Value>(&text(&answer)).unwrap(), json!({"x": 1}));
    assert_eq!(answer.json["text"]["format"], format);
    let all = events(&proxy, &more);
    assert_eq!(whole(&all.last().unwrap()["response"]), text(&answer));
}

#[test]
fn a_conversation_keeps_what_is_said_in_it() {
    let proxy = Proxy::start();
    let made = proxy
        .post_url(&proxy.url("conversations"), &json!({"items": [{"role": "user", "content": "I am Ann"}]}));
    let id = made.json["id"].as_str().unwrap().to_owned();
    let first = ask(&proxy, &json!({"input": "hello", "conversation": id}));
    assert_eq!(first.json["conversation"], json!({"id": id}));
    assert!(text(&first).contains("I am Ann"));
    let second = events(&proxy, &json!({"input": "who am I?", "conversation": {"id": id}}));
    assert!(whole(&second.last().unwrap()["response"]).contains("I am Ann"));
    let items = proxy.get(&format!("conversations/{id}/items?order=asc")).json;
    let roles: Vec<&str> =
        items["data"].as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "user", "assistant", "user", "assistant"]);
    let both = ask(&proxy, &json!({"input": "x", "conversation": id, "previous_response_id": "resp_1"}));
    assert_eq!((both.status, both.code()), (400, "invalid_parameter_combination"));
    // What fails leaves nothing.
    let failed = ask(&proxy, &json!({"model": "error-500", "input": "x", "conversation": id}));
    assert_eq!(failed.status, 502);
    assert_eq!(proxy.get(&format!("conversations/{id}/items")).json["data"].as_array().unwrap().len(), 5);
}

#[test]
fn nothing_of_anothers_is_found_and_nothing_is_kept_that_is_not_to_be() {
    let proxy = proxy_of(&format!(
        "upstream: {{base_url: '{{base_url}}', api_key: live_test}}\nmodels: {{gpt-4o: emu-gpt-4o-1}}\n\
         auth: {{mode: keys, keys: [{{name: a, sha256: [{}]}}, {{name: b, sha256: [{}]}}]}}",
        sha256("key-a"),
        sha256("key-b")
    ));
    let as_key = |key: &str, body: &Value| {
        let request = crate::raw::ask(
            proxy.listen,
            "POST",
            "/v1/responses",
            &[("authorization", &format!("Bearer {key}")), ("content-type", "application/json")],
            body.to_string().as_bytes(),
        );
        (request.status, request.json)
    };
    let (status, first) = as_key("key-a", &json!({"model": "gpt-4o", "input": "secret"}));
    assert_eq!(status, 200);
    let follow = json!({"model": "gpt-4o", "input": "x", "previous_response_id": first["id"]});
    assert_eq!(as_key("key-b", &follow).0, 404);
    let refer =
        json!({"model": "gpt-4o", "input": [{"type": "item_reference", "id": first["output"][0]["id"]}]});
    assert_eq!(as_key("key-b", &refer).0, 404);
    assert_eq!(proxy.emulator.requests().len(), 1);
    assert_eq!(as_key("key-a", &follow).0, 200);
    let (_, unkept) = as_key("key-a", &json!({"model": "gpt-4o", "input": "x", "store": false}));
    let follow = json!({"model": "gpt-4o", "input": "x", "previous_response_id": unkept["id"]});
    assert_eq!(as_key("key-a", &follow).0, 404);
}

#[test]
fn what_chipp_has_not_is_refused_by_name() {
    let proxy = Proxy::start();
    for (more, param, code) in [
        (json!({}), "input", "missing_required_parameter"),
        (json!({"input": []}), "input", "empty_array"),
        (json!({"input": "x", "background": true}), "background", "unsupported_parameter"),
        (json!({"input": "x", "tools": [{"type": "web_search"}]}), "tools[0].type", "unsupported_value"),
        (
            json!({"input": "x", "tools": [{"type": "mcp", "server_label": "s"}]}),
            "tools[0].type",
            "unsupported_value",
        ),
        (json!({"input": "x", "tools": [{"type": "thing"}]}), "tools[0].type", "invalid_value"),
        (
            json!({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": {"type": "thing"}}]}),
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
        (
            json!({"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": 1}}}}),
            "text.format.schema",
            "invalid_json_schema",
        ),
        (json!({"input": [{"type": "web_search_call", "id": "ws_1"}]}), "input[0].type", "invalid_value"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}),
            "input[0].content[0]",
            "unsupported_value",
        ),
        (json!({"input": "x", "max_output_tokens": 1}), "max_output_tokens", "integer_below_min_value"),
        (json!({"input": "x", "tool_choice": "required"}), "tool_choice", ""),
        (
            json!({"input": "x", "include": ["message.output_text.logprobs"]}),
            "include[0]",
            "unsupported_value",
        ),
        (json!({"input": "x", "top_logprobs": 2}), "top_logprobs", "unsupported_parameter"),
        (json!({"input": "x", "stream_options": {}}), "stream_options", ""),
        (json!({"input": "x", "model": "nobody"}), "model", "model_not_found"),
    ] {
        let answer = ask(&proxy, &more);
        assert_eq!(
            (answer.json["error"]["param"].as_str(), answer.code()),
            (Some(param), code),
            "{more}: {answer:?}"
        );
    }
    assert!(proxy.emulator.requests().is_empty());
}

#[test]
fn an_answer_that_is_cut_is_incomplete_and_one_that_breaks_has_failed() {
    let proxy = Proxy::start();
    let cut = json!({"input": "say 200 words", "max_output_tokens": 16});
    let answer = ask(&proxy, &cut);
    schema::is("Response", &answer.json);
    assert_eq!(
        (&answer.json["status"], &answer.json["incomplete_details"]["reason"]),
        (&"incomplete".into(), &"max_output_tokens".into())
    );
    let all = events(&proxy, &cut);
    assert_eq!(*kinds(&all).last().unwrap(), "response.incomplete");
    let mut body = json!({"model": "cut-c", "input": "hi", "stream": true});
    let all = read_failed(proxy.events("responses", &body));
    assert_eq!(all.last().unwrap()["type"], "response.failed");
    let response = &all.last().unwrap()["response"];
    assert_eq!((&response["status"], &response["error"]["code"]), (&"failed".into(), &"server_error".into()));
    assert_eq!(proxy.get(&format!("responses/{}", response["id"].as_str().unwrap())).status, 404);
    body["model"] = "error-500".into();
    assert_eq!(proxy.events("responses", &body).status, 502);
}

/// Chipp is silent for so long that the head goes out, and fails then.
#[test]
fn what_fails_after_comments_has_failed_too() {
    let proxy = Proxy::with_sections(
        "keep_alive_comment: 20ms, ",
        "timeouts: {first_byte: 1s}, ",
        "auth: {mode: open}",
        chipp_proxy::emulator::Options::default(),
    );
    let mut answer = proxy.events("responses", &json!({"model": "silent", "input": "hi", "stream": true}));
    assert_eq!(answer.status, 200);
    let mut kinds = Vec::new();
    while let Some(data) = answer.next_data() {
        if !data.starts_with(':') {
            let event: Value = serde_json::from_str(&data).unwrap();
            schema::is("ResponseStreamEvent", &event);
            kinds.push(event["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(kinds, ["response.created", "response.in_progress", "response.failed"]);
}

fn read_failed(mut answer: crate::support::Events) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    while let Some(data) = answer.next_data() {
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["sequence_number"], all.len());
        schema::is("ResponseStreamEvent", &event);
        all.push(event);
    }
    all
}
