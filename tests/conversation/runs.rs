//! Apps that use tools: an answer in rounds is one answer, in one session, and a person may take over.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use chipp_proxy::emulator::{BEHAVIOURS, Emulator, Ends};
use serde_json::{Value, json};

use crate::support::{Proxy, dialogue};
use crate::words::Chat;
use crate::world::{BOTH, How, Plain, Streamed, World, quick};

/// The apps with rounds, large events and odd finish words, that answer in both ways.
fn runs() -> impl Iterator<Item = &'static str> {
    let kinds =
        ["rounds-", "big-", "foreign-session-id", "raw-events", "new-types", "keep-alive-comments", "coded-"];
    let answering = BEHAVIOURS.iter().filter(|behaviour| behaviour.streamed == Ends::Answer);
    let names = answering.map(|behaviour| behaviour.name);
    names.filter(move |name| *name != "rounds-gated" && kinds.iter().any(|kind| name.starts_with(kind)))
}

/// A Chipp that gives one body after the other, each on a connection of its own; then what it was sent.
fn scripted(bodies: Vec<String>) -> (String, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let serve = move || {
        let answer = |body: String| {
            let mut peer = BufReader::new(listener.accept().unwrap().0);
            let mut length = 0;
            loop {
                let mut line = String::new();
                peer.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut sent = vec![0; length];
            peer.read_exact(&mut sent).unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            peer.get_mut().write_all((head + &body).as_bytes()).unwrap();
            serde_json::from_slice(&sent).unwrap()
        };
        bodies.into_iter().map(answer).collect()
    };
    (base_url, std::thread::spawn(serve))
}

fn question(model: &str) -> Value {
    dialogue(model, &["hi"])
}

/// The text of a response, and its id.
fn response(proxy: &Proxy, body: &Value, how: How) -> (String, Value) {
    if how == Plain {
        let answer = proxy.post_url(&proxy.url("responses"), body);
        assert_eq!(answer.status, 200, "{answer:?}");
        return (text(&answer.json), answer.json["id"].clone());
    }
    let mut body = body.clone();
    body["stream"] = json!(true);
    let mut events = proxy.events("responses", &body);
    let (mut deltas, mut ends) = (String::new(), Vec::new());
    while let Some(data) = events.next_data() {
        let event: Value = serde_json::from_str(&data).unwrap();
        match event["type"].as_str().unwrap() {
            "response.output_text.delta" => deltas.push_str(event["delta"].as_str().unwrap()),
            "response.completed" => ends.push(event["response"].clone()),
            "response.failed" | "response.incomplete" | "error" => panic!("{event}"),
            _ => {}
        }
    }
    assert_eq!(ends.len(), 1, "one true end");
    assert_eq!(text(&ends[0]), deltas);
    (deltas, ends[0]["id"].clone())
}

fn text(response: &Value) -> String {
    let output = response["output"].as_array().unwrap();
    output.iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[test]
fn a_response_of_several_rounds_is_whole_and_continues_in_its_session() {
    let world = World::start();
    let mut apps = 0;
    for name in runs() {
        apps += 1;
        for how in BOTH {
            let (said, id) = response(&world.proxy, &json!({"model": name, "input": "hi"}), how);
            assert_eq!(said, "Hello! You said: \"hi\".", "{name} {how:?}");
            let next = json!({"model": name, "input": "and now?", "previous_response_id": id});
            let (said, _) = response(&world.proxy, &next, how);
            assert!(
                said.starts_with("You said first: \"hi\". You now say: \"and now?\"."),
                "{name} {how:?}: {said}"
            );
            let last = world.proxy.emulator.requests().pop().unwrap();
            let sent = if how == Streamed && name == "foreign-session-id-only" { 3 } else { 1 };
            assert_eq!(last.messages.len(), sent, "{name} {how:?}");
        }
    }
    assert!(apps > 20, "{apps}");
}

#[test]
fn a_completion_of_several_rounds_is_whole() {
    let world = World::start();
    for name in runs() {
        let body = json!({"model": name, "prompt": "hi"});
        let plain = world.proxy.post_url(&world.proxy.url("completions"), &body);
        assert_eq!(plain.json["choices"][0]["text"], "Hello! You said: \"hi\".", "{name}: {plain:?}");
        let mut body = body;
        body["stream"] = json!(true);
        let mut events = world.proxy.events("completions", &body);
        let (mut said, mut reasons, mut is_done) = (String::new(), Vec::new(), false);
        while let Some(data) = events.next_data() {
            if data == "[DONE]" {
                is_done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(&data).unwrap();
            said.push_str(chunk["choices"][0]["text"].as_str().unwrap());
            reasons.extend(chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned));
        }
        assert_eq!(
            (said.as_str(), reasons.as_slice(), is_done),
            ("Hello! You said: \"hi\".", &["stop".to_owned()][..], true)
        );
    }
}

#[test]
fn json_and_calls_of_the_clients_tools_come_through_rounds() {
    let world = World::start();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": schema}});
    for name in runs() {
        let mut body = question(name);
        body["response_format"] = format.clone();
        let streamed = world.proxy.stream(&body).read();
        assert!(streamed.done, "{name}: {streamed:?}");
        for content in [world.proxy.chat(&body).content(), &streamed.content] {
            let value: Value = serde_json::from_str(content).unwrap();
            assert!(value["name"].is_string(), "{name}: {value}");
        }
        let mut body = question(name);
        body["tools"] = json!([tool]);
        body["tool_choice"] = json!("required");
        let plain = world.proxy.chat(&body);
        assert_eq!(plain.json["choices"][0]["finish_reason"], "tool_calls", "{name}: {plain:?}");
        let streamed = world.proxy.stream(&body).read();
        assert_eq!(streamed.finish_reason.as_deref(), Some("tool_calls"), "{name}: {streamed:?}");
    }
}

#[test]
fn comments_come_while_a_tool_runs_and_the_answer_continues_afterwards() {
    let server = "keep_alive_comment: 20ms, ";
    let proxy = Proxy::with_sections(server, "", "auth: {mode: open}", quick());
    let mut events = proxy.stream(&question("rounds-gated"));
    let (mut before, mut comments) = (String::new(), 0);
    while comments < 2 {
        let data = events.next_data().unwrap();
        if data.starts_with(':') {
            comments += 1;
        } else {
            let chunk: Value = serde_json::from_str(&data).unwrap();
            before.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap());
            assert!(chunk["choices"][0]["finish_reason"].is_null(), "a tool runs");
        }
    }
    proxy.emulator.open_wide("hi");
    let rest = events.read();
    assert!(rest.done && rest.error.is_none() && !rest.content.is_empty(), "{rest:?}");
    assert_eq!(before + &rest.content, "Hello! You said: \"hi\".");
    assert_eq!(rest.finish_reason.as_deref(), Some("stop"));
}

#[test]
fn what_a_tool_says_of_sessions_never_becomes_the_session_of_the_next_turn() {
    for name in ["foreign-session-id", "foreign-session-id-only", "foreign-session-id-b"] {
        for how in BOTH {
            let world = World::start();
            // Somebody else's conversation with the same app, under the same key.
            let mut victim = Chat::new(name).field("user", "ann");
            let foreign = world.say(&mut victim, "my secret", how).session().to_owned();
            let mut chat = Chat::new(name).field("user", "eve");
            world.say(&mut chat, &format!("look up session {foreign} please"), how);
            let next = world.say(&mut chat, "and now?", how);
            assert_ne!(next.session(), foreign, "{name} {how:?}");
            let sent: HashSet<_> =
                next.requests.iter().filter_map(|request| request.body_session.clone()).collect();
            assert!(!sent.contains(&foreign), "{name} {how:?}");
            let is_known = how == Plain || name != "foreign-session-id-only";
            assert_eq!(next.outcome, if is_known { "continued" } else { "replayed" }, "{name} {how:?}");
        }
    }
}

#[test]
fn a_turn_whose_tool_has_run_is_never_sent_again_whatever_its_session() {
    let plain = |session: &str| {
        format!(r#"{{"chatSessionId":"{session}","choices":[{{"message":{{"content":"hello"}}}}]}}"#)
    };
    let events = |events: &[&str]| ["data: ", &events.join("\n\ndata: "), "\n\n"].concat();
    let acted = events(&[
        r#"{"type":"start","messageId":"m","sessionId":"another-1"}"#,
        r#"{"type":"tool-input-available","toolCallId":"1","input":{}}"#,
        r#"{"type":"finish","finishReason":"tool_calls"}"#,
        r#"{"type":"tool-output-available","toolCallId":"1","output":{}}"#,
        r#"{"type":"text-delta","delta":"acted"}"#,
        r#"{"type":"finish","finishReason":"stop"}"#,
        "[DONE]",
    ]);
    for how in BOTH {
        let (base_url, chipp) = scripted(vec![plain("first-1"), acted.clone(), plain("third-1")]);
        let yaml =
            "upstream: {base_url: '{base_url}', api_key: live_test}\nmodels: {m: m-1}\nauth: {mode: open}";
        let proxy = World::between(yaml, Emulator::start(quick()).unwrap(), &base_url).proxy;
        let mut texts = vec!["hi".to_owned()];
        texts.push(proxy.chat(&dialogue("m", &["hi"])).content().to_owned());
        texts.push("send the mail".into());
        let said: Vec<&str> = texts.iter().map(String::as_str).collect();
        let answer = match how {
            Plain => proxy.chat(&dialogue("m", &said)).content().to_owned(),
            Streamed => proxy.stream(&dialogue("m", &said)).read().content,
        };
        assert_eq!(answer, "acted", "{how:?}");
        let said: Vec<&str> = said.into_iter().chain([&*answer, "thanks"]).collect();
        let third = proxy.chat(&dialogue("m", &said));
        assert_eq!(third.header("x-chipp-session"), "replayed", "it was answered without the history");
        let sent = chipp.join().unwrap();
        let sessions: Vec<_> = sent.iter().map(|body| body["chatSessionId"].as_str()).collect();
        assert_eq!(sessions, [None, Some("first-1"), None], "{how:?}");
    }
}

#[test]
fn what_a_run_says_when_it_has_acted_is_no_fault_of_key_or_session() {
    for text in
        ["Invalid API key", "Session not found", "out of credits", "`messages` of customer 42 are bad"]
    {
        let body = format!(
            "data: {{\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}}\n\n\
             data: {{\"type\":\"error\",\"error\":\"{text}\"}}\n\n"
        );
        for how in BOTH {
            let (base_url, chipp) = scripted(vec![body.clone()]);
            let yaml = "upstream: {base_url: '{base_url}', api_key: live_test}\nmodels: {m: m-1}\nauth: {mode: open}";
            let proxy = World::between(yaml, Emulator::start(quick()).unwrap(), &base_url).proxy;
            let answer = match how {
                Plain => proxy.chat(&question("m")),
                Streamed => proxy.stream(&question("m")).into_answer(),
            };
            assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{text} {how:?}");
            assert_eq!(answer.header("x-should-retry"), "false", "{text} {how:?}");
            assert_eq!(chipp.join().unwrap().len(), 1);
        }
    }
}

#[test]
fn a_takeover_is_told_and_never_repeated() {
    // With everything that could be tried again, or elsewhere.
    let retry = "retry: {attempts: 3, backoff: 1ms, \
        on: [connect, rate_limit, unavailable, timeout, server_error, reset]}, ";
    for how in BOTH {
        let yaml = "auth: {mode: open}\nsessions: {strategy: conversation}";
        let world = World::of(Proxy::with_sections("", retry, yaml, quick()));
        let mut chat = Chat::new("commanded");
        world.say(&mut chat, "hi", how);
        let before = chat.clone();
        chat.user("act as: takeover");
        let answer = if how == Plain {
            world.proxy.chat(&chat.body)
        } else {
            world.proxy.stream(&chat.body).into_answer()
        };
        assert_eq!((answer.status, answer.code()), (409, "human_takeover"), "{answer:?}");
        assert_eq!(answer.header("x-should-retry"), "false");
        assert!(answer.json["error"]["message"].as_str().unwrap().contains("person has taken over"));
        let calls = world.proxy.emulator.requests();
        assert_eq!(calls.len(), 2, "delivered once");
        let session = calls[1].session.clone().unwrap();
        let held = world.proxy.emulator.transcript(&session).unwrap();
        assert_eq!(held.last().unwrap().content.as_ref(), "act as: takeover", "the person has it");
        // That session holds more than the client's history.
        let mut chat = before;
        let next = world.proxy.chat(&chat.user("and now?").body);
        assert_eq!(next.header("x-chipp-session"), "replayed");
        assert_eq!(world.proxy.emulator.requests()[2].messages.len(), 3);
    }
}

#[test]
fn a_sticky_session_stays_with_the_person() {
    let yaml = "auth: {mode: open}\nsessions: {strategy: sticky}";
    let world = World::of(Proxy::with_sections("", "", yaml, quick()));
    let ask = |text: &str| {
        let body =
            json!({"model": "commanded", "user": "ann", "messages": [{"role": "user", "content": text}]});
        world.proxy.chat(&body)
    };
    assert_eq!(ask("hi").status, 200);
    assert_eq!(ask("act as: takeover").code(), "human_takeover");
    assert_eq!(ask("are you there?").status, 200);
    let sessions: HashSet<_> =
        world.proxy.emulator.requests().into_iter().map(|request| request.session).collect();
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_step_that_begins_anew_is_dropped_where_it_was_held_back() {
    let world = World::start();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    for stop in [json!(null), json!("never said")] {
        let body = json!({"model": "reset-step", "stop": stop, "messages": [{"role": "user", "content": "hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
        let streamed = world.proxy.stream(&body).read();
        assert!(streamed.done, "{streamed:?}");
        let value: Value = serde_json::from_str(&streamed.content).unwrap();
        assert!(value["name"].is_string(), "{value}");
    }
    assert_eq!(world.proxy.emulator.requests().len(), 2, "nothing had to be put right");
    let told = world.proxy.stream(&question("reset-step")).read();
    assert!(!told.done && !told.content.is_empty(), "{told:?}");
    assert_eq!(told.error.unwrap()["code"], "answer_withdrawn");
    assert_eq!(world.proxy.chat(&question("reset-step")).content(), "Hello! You said: \"hi\".");
    assert_eq!(world.proxy.stream(&question("reset-step-first")).read().content, "Hello! You said: \"hi\".");
}

#[test]
fn a_stream_of_unknown_events_says_so() {
    let world = World::start();
    let answer = world.proxy.stream(&question("unknown-types")).into_answer();
    assert_eq!((answer.status, answer.code()), (502, "upstream_error"));
    let message = answer.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("without any event that this server knows"), "{message}");
}

#[test]
fn a_session_that_is_another_apps_by_chipps_word_is_replayed() {
    let world = World::start();
    for how in BOTH {
        let mut chat = Chat::new("forbidden-session-403");
        world.say(&mut chat, "hi", how).is("new", 1);
        world.say(&mut chat, "and now?", how).is_in_the_end("replayed", 3);
    }
}

#[test]
fn an_unknown_finish_word_is_counted_and_logged_once_a_dialect() {
    let world = World::start();
    for _ in 0..3 {
        assert_eq!(
            world.proxy.stream(&question("unknown-word")).read().finish_reason.as_deref(),
            Some("stop")
        );
        assert_eq!(world.proxy.chat(&question("unknown-word")).status, 200);
    }
    let metrics = world.proxy.metrics();
    for line in [
        "chipp_proxy_unknown_finish_words_total{dialect=\"ui_message\"} 3",
        "chipp_proxy_unknown_finish_words_total{dialect=\"json\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    world.proxy.stream(&question("big-tool-output")).read();
    assert!(world.proxy.metrics().contains("chipp_proxy_stream_oversized_events_total 1"));
}

#[test]
fn an_ordinary_app_looks_up_what_it_is_asked_to() {
    let world = World::start();
    for how in BOTH {
        let mut chat = Chat::new("gpt-4o");
        let got = world.say(&mut chat, "Look up the weather", how);
        assert!(got.content.contains("Look up the weather"), "{got:?}");
        world.say(&mut chat, "thanks", how).is("continued", 1);
    }
}
