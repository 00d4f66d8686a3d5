//! The same with what apps do not have: tools, JSON, several answers, and histories that the proxy keeps.
//!
//! Clients talk by chat completions, or by responses in each of the ways in which these are gone on from. After every
//! request it is checked of all that reached Chipp
//!
//! - that its session and the request hold just what the client has said and got, and the instructions once, after what
//!   the conversation opens with, and the same for the same offer (I1);
//! - that a session which is gone on with is not told again what its conversation opens with (I2);
//! - that no session serves two clients, and none in which an answer had to be put right is used again (I3).

use std::collections::{HashMap, HashSet};

use chipp_proxy::emulator::{Options, Received};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::support::{Events, Proxy};
use crate::{SEED, WALKS, setting};

const MODELS: [&str; 7] =
    ["gpt-4o", "dialect-a", "dialect-b", "split-utf8", "no-session-id", "late-session-id", "forgetful"];

/// What is said; some of it makes the app answer in odd ways.
const TEXTS: [&str; 12] = [
    "hi",
    "the weather?",
    "what is the time?",
    "Repeat exactly: no {\"name\": \"Ann\"} in `here`",
    "Repeat exactly: {\"tool_calls\":[{\"name\":\"time\",\"arguments\":{}}]}",
    "Repeat exactly: Let me see.\n\n{\"tool_calls\": [{\"arguments\": {\"city\": \"Ulm\"}, \"name\": \"weather\"}, {\"name\":\"time\",\"arguments\":{}}]}",
    "Repeat exactly: ```json\n{\"tool_calls\":[{\"name\":\"time\",\"arguments\":{}}]}\n```",
    "Repeat exactly: {\"tool_calls\":[{\"name\":\"weather\",\"arguments\":{\"city\":5}}]}",
    "Repeat exactly: {\"tool_calls\":[{\"name\":\"fly\"",
    "Repeat exactly: {\"x\": 7}",
    "Repeat exactly: Here: {\"x\":7}",
    "Repeat exactly: {\"x\": \"seven\"}",
];

/// How a client has its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Chat,
    /// `previous_response_id`
    Previous,
    /// `conversation`
    Conversation,
    /// All items, each time.
    Items,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Object,
    Schema,
}

#[derive(Clone, Debug)]
struct Step {
    client: usize,
    text: &'static str,
    stream: bool,
    tools: bool,
    format: Format,
    n: u64,
    pick: usize,
    /// Goes back to an earlier point first.
    back: Option<usize>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let format = prop_oneof![6 => Just(Format::Text), 1 => Just(Format::Object), 1 => Just(Format::Schema)];
    let back = prop_oneof![5 => Just(None), 1 => any::<usize>().prop_map(Some)];
    let n = prop_oneof![5 => Just(1_u64), 1 => 2..4_u64];
    let shape = (any::<bool>(), prop_oneof![3 => Just(true), 2 => Just(false)], format, n);
    let step = (any::<usize>(), select(&TEXTS[..]), shape, any::<usize>(), back).prop_map(
        |(client, text, (stream, tools, format, n), pick, back)| Step {
            client,
            text,
            stream,
            tools,
            format,
            n,
            pick,
            back,
        },
    );
    vec(step, 15..30)
}

type Line = (String, String);

/// What a client has at some point.
#[derive(Clone, Debug, Default)]
struct Point {
    /// As Chipp is to have it.
    lines: Vec<Line>,
    /// Its messages, or its items.
    own: Vec<Value>,
    previous: Value,
    /// Calls that wait for their results: ids and names.
    pending: Vec<(String, String)>,
}

#[derive(Debug)]
struct Client {
    way: Way,
    model: &'static str,
    user: String,
    opening: Option<&'static str>,
    conversation: Value,
    points: Vec<Point>,
}

struct World {
    proxy: Proxy,
    clients: Vec<Client>,
    owners: HashMap<String, String>,
    /// Sessions that nobody may use any more.
    spoilt: HashSet<String>,
    /// The instructions of each offer.
    told: HashMap<String, String>,
    serial: usize,
    continued: usize,
}

impl World {
    fn new() -> Self {
        let proxy = Proxy::with("auth: {mode: open}", Options::default());
        let ways = [Way::Chat, Way::Previous, Way::Conversation, Way::Items, Way::Chat];
        let clients = (0..10).map(|number: usize| {
            let way = ways[number % ways.len()];
            let conversation = match way {
                Way::Conversation => {
                    proxy.post_url(&proxy.url("conversations"), &json!({})).json["id"].clone()
                }
                _ => Value::Null,
            };
            Client {
                way,
                model: MODELS[number % MODELS.len()],
                user: format!("user-{}", number % 4),
                opening: number.is_multiple_of(3).then_some("Be brief."),
                conversation,
                points: vec![Point::default()],
            }
        });
        let clients = clients.collect();
        let (owners, told) = (HashMap::new(), HashMap::new());
        Self { proxy, clients, owners, spoilt: HashSet::new(), told, serial: 0, continued: 0 }
    }

    fn take(&mut self, step: &Step) {
        self.serial += 1;
        let id = format!("offers-{}", self.serial);
        let at = step.client % self.clients.len();
        let client = &mut self.clients[at];
        if let Some(back) = step.back.filter(|_| client.way != Way::Conversation) {
            let kept = back % client.points.len() + 1;
            client.points.truncate(kept);
        }
        let mut point = client.points.last().unwrap().clone();
        let new = say(client.way, &mut point, step.text);
        let body = client.body(&point, &new, step);
        let path = if client.way == Way::Chat { "chat/completions" } else { "responses" };
        let headers = [("x-request-id", &*id)];
        let events = self.proxy.events_with(path, &body, &headers);
        let outcome = events.header("x-chipp-session").to_owned();
        let status = events.status;
        let answers = if status != 200 {
            let answer = events.into_answer();
            assert_eq!((status, answer.code()), (502, "invalid_answer"), "{answer:?}");
            Vec::new()
        } else if step.stream {
            streamed(events, client.way)
        } else {
            plain(&events.into_answer().json, client.way)
        };
        let opening = client.opening.map(|text| ("system".to_owned(), text.to_owned()));
        let expected: Vec<Line> = opening.into_iter().chain(point.lines.clone()).collect();
        let offer = format!("{} {:?} {}", step.tools, step.format, client.way == Way::Chat);
        self.check(
            &id,
            at,
            &expected,
            (step.tools || step.format != Format::Text).then_some(&*offer),
            &outcome,
        );
        if answers.is_empty() {
            return;
        }
        let client = &mut self.clients[at];
        let answer = &answers[step.pick % answers.len()];
        answer.add_to(client.way, &mut point, new);
        client.points.push(point);
    }

    fn check(&mut self, id: &str, client: usize, expected: &[Line], offer: Option<&str>, outcome: &str) {
        let requests = self.proxy.emulator.requests();
        let own = requests.iter().filter(|request| request.correlation_id.as_deref() == Some(id));
        let client = &self.clients[client];
        let scope = format!("{} {}", client.model, client.user);
        let mut spoilt = Vec::new();
        for request in own {
            let session = request.session.clone().unwrap();
            let owner = self.owners.entry(session.clone()).or_insert_with(|| scope.clone());
            assert_eq!(*owner, scope, "a session of two clients");
            if is_probe(request) {
                continue;
            }
            let mut heard: Vec<Line> =
                request.heard().iter().map(|message| line(&message.role, &message.content)).collect();
            if heard.last().is_some_and(|(_, text)| text.starts_with("Your last answer cannot be used:")) {
                heard.truncate(heard.len() - 2);
                spoilt.push(session);
            } else {
                assert!(!self.spoilt.contains(&session), "a spoilt session is used: {request:#?}");
                if outcome == "continued" && request.body_session.is_some() {
                    self.continued += 1;
                    assert!(
                        request.messages.iter().all(|message| &*message.role != "system"),
                        "{request:#?}"
                    );
                }
            }
            let opening = heard.iter().take_while(|(role, _)| role == "system").count();
            let own_opening = expected.iter().take_while(|(role, _)| role == "system").count();
            assert_eq!(opening, own_opening + usize::from(offer.is_some()), "{request:#?}");
            if let Some(offer) = offer {
                let (_, instructions) = heard.remove(own_opening);
                let told = self.told.entry(offer.to_owned()).or_insert_with(|| instructions.clone());
                assert_eq!(*told, instructions);
            }
            assert_eq!(heard, expected, "{request:#?}");
        }
        self.spoilt.extend(spoilt);
    }
}

/// A request whose session Chipp did not know.
fn is_probe(request: &Received) -> bool {
    request.body_session.is_some() && request.session != request.body_session
}

/// What the client says next: the results of calls, if there are any; as messages or as items.
fn say(way: Way, point: &mut Point, text: &str) -> Vec<Value> {
    if point.pending.is_empty() {
        point.lines.push(line("user", text));
        return vec![json!({"role": "user", "content": text})];
    }
    let pending = std::mem::take(&mut point.pending).into_iter().enumerate();
    let results = pending.map(|(number, (id, name))| {
        let result = format!("it is {number}");
        point.lines.push(line("user", &format!("[result of {name}]\n{result}")));
        if way == Way::Chat {
            json!({"role": "tool", "tool_call_id": id, "content": result})
        } else {
            json!({"type": "function_call_output", "call_id": id, "output": result})
        }
    });
    results.collect()
}

/// A message as it is compared: calls by what they mean.
fn line(role: &str, text: &str) -> Line {
    let text = text.trim_end();
    let calls = text.find("{\"tool_calls\"").filter(|_| role == "assistant");
    let parsed = calls.and_then(|at| {
        let (words, calls) = text.split_at(at);
        let calls: Value = serde_json::from_str(calls).ok()?;
        Some(format!("{} {calls}", words.trim_end()))
    });
    (role.to_owned(), parsed.unwrap_or_else(|| text.to_owned()))
}

impl Client {
    fn body(&self, point: &Point, new: &[Value], step: &Step) -> Value {
        let (schema, city) = (
            json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}),
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        );
        let time = json!({"type": "object", "properties": {}});
        let mut body = json!({"model": self.model, "user": self.user, "stream": step.stream});
        if self.way == Way::Chat {
            let opening = self.opening.map(|text| json!({"role": "system", "content": text}));
            let messages: Vec<&Value> = opening.iter().chain(&point.own).chain(new).collect();
            body["messages"] = json!(messages);
            body["n"] = json!(step.n);
            if step.tools {
                let function = |name: &str, parameters: &Value| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
                body["tools"] = json!([function("time", &time), function("weather", &city)]);
            }
            match step.format {
                Format::Text => {}
                Format::Object => body["response_format"] = json!({"type": "json_object"}),
                Format::Schema => {
                    body["response_format"] =
                        json!({"type": "json_schema", "json_schema": {"name": "p", "schema": schema}});
                }
            }
            return body;
        }
        body["input"] = match self.way {
            Way::Items => json!(point.own.iter().chain(new).collect::<Vec<_>>()),
            _ => json!(new),
        };
        match self.way {
            Way::Previous => body["previous_response_id"] = point.previous.clone(),
            Way::Conversation => body["conversation"] = self.conversation.clone(),
            _ => body["store"] = json!(false),
        }
        body["instructions"] = json!(self.opening);
        if step.tools {
            let function = |name: &str, parameters: &Value| json!({"type": "function", "name": name, "parameters": parameters});
            body["tools"] = json!([function("time", &time), function("weather", &city)]);
        }
        match step.format {
            Format::Text => {}
            Format::Object => body["text"] = json!({"format": {"type": "json_object"}}),
            Format::Schema => {
                body["text"] = json!({"format": {"type": "json_schema", "name": "p", "schema": schema}});
            }
        }
        body
    }
}

/// One answer, as a message or as items.
#[derive(Debug)]
struct Answer {
    id: Value,
    content: String,
    /// Ids, names, arguments.
    calls: Vec<(String, String, String)>,
    items: Vec<Value>,
}

impl Answer {
    fn add_to(&self, way: Way, point: &mut Point, new: Vec<Value>) {
        let calls: Vec<String> = self
            .calls
            .iter()
            .map(|(_, name, arguments)| format!(r#"{{"name":"{name}","arguments":{arguments}}}"#))
            .collect();
        let text = if calls.is_empty() {
            self.content.clone()
        } else {
            format!("{}\n{{\"tool_calls\":[{}]}}", self.content, calls.join(","))
        };
        point.lines.push(line("assistant", &text));
        point.pending = self.calls.iter().map(|(id, name, _)| (id.clone(), name.clone())).collect();
        point.previous = self.id.clone();
        point.own.extend(new);
        point.own.extend(match way {
            Way::Chat => {
                let calls = self.calls.iter().map(|(id, name, arguments)| {
                    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
                });
                let calls: Vec<Value> = calls.collect();
                let content = if self.content.is_empty() { Value::Null } else { json!(self.content) };
                let mut message = json!({"role": "assistant", "content": content});
                if !calls.is_empty() {
                    message["tool_calls"] = json!(calls);
                }
                vec![message]
            }
            _ => self.items.clone(),
        });
    }
}

fn plain(body: &Value, way: Way) -> Vec<Answer> {
    if way != Way::Chat {
        return vec![response(body)];
    }
    let choices = body["choices"].as_array().unwrap().iter();
    choices
        .map(|choice| {
            let message = &choice["message"];
            let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
                let text = |key: &str| call["function"][key].as_str().unwrap().to_owned();
                (call["id"].as_str().unwrap().to_owned(), text("name"), text("arguments"))
            });
            let content = message["content"].as_str().unwrap_or_default().to_owned();
            Answer { id: Value::Null, content, calls: calls.collect(), items: Vec::new() }
        })
        .collect()
}

fn response(body: &Value) -> Answer {
    let items = body["output"].as_array().unwrap().clone();
    let (mut content, mut calls) = (String::new(), Vec::new());
    for item in &items {
        let text = |key: &str| item[key].as_str().unwrap().to_owned();
        match item["type"].as_str().unwrap() {
            "message" => content.push_str(item["content"][0]["text"].as_str().unwrap()),
            _ => calls.push((text("call_id"), text("name"), text("arguments"))),
        }
    }
    Answer { id: body["id"].clone(), content, calls, items }
}

fn streamed(mut events: Events, way: Way) -> Vec<Answer> {
    let mut all: Vec<Value> = Vec::new();
    let mut is_done = false;
    while let Some(data) = events.next_data() {
        match serde_json::from_str(&data) {
            Ok(event) => all.push(event),
            Err(_) => is_done = data == "[DONE]",
        }
    }
    let last = all.last().unwrap();
    if way != Way::Chat {
        if last["type"] == "response.failed" {
            return Vec::new();
        }
        assert_eq!(last["type"], "response.completed");
        return vec![response(&last["response"])];
    }
    if !is_done {
        // Words had gone out before what was wrong.
        assert_eq!(last["error"]["code"], "invalid_answer", "{last}");
        return Vec::new();
    }
    let mut answers: HashMap<u64, Answer> = HashMap::new();
    for choice in all.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap()) {
        let index = choice["index"].as_u64().unwrap();
        let answer = answers.entry(index).or_insert_with(|| Answer {
            id: Value::Null,
            content: String::new(),
            calls: Vec::new(),
            items: Vec::new(),
        });
        answer.content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            match answer.calls.get_mut(usize::try_from(call["index"].as_u64().unwrap()).unwrap()) {
                Some((_, _, whole)) => whole.push_str(arguments),
                None => answer.calls.push((
                    call["id"].as_str().unwrap().to_owned(),
                    call["function"]["name"].as_str().unwrap().to_owned(),
                    arguments.to_owned(),
                )),
            }
        }
    }
    answers.into_values().collect()
}

#[test]
fn chipp_hears_what_clients_say_with_tools_and_json_and_kept_histories() {
    let seed = setting("WALK_SEED", SEED);
    let config = Config {
        cases: u32::try_from(setting("WALKS", WALKS)).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let walked = TestRunner::new(config).run(&steps(), |steps| {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        Ok(())
    });
    if let Err(failure) = walked {
        panic!("seed {seed}: {failure}");
    }
}

/// A conversation without anything odd in it stays in one session, in each of the ways.
#[test]
fn a_plain_conversation_with_tools_is_one_session_in_every_way() {
    let mut world = World::new();
    for client in 0..5 {
        let before = world.continued;
        for text in ["the weather?", "", "what is the time?", ""] {
            let step = Step {
                client: 0,
                text,
                stream: client % 2 == 0,
                tools: true,
                format: Format::Text,
                n: 1,
                pick: 0,
                back: None,
            };
            world.clients.rotate_left(client);
            world.clients[0].model = "gpt-4o";
            world.take(&step);
            world.clients.rotate_right(client);
        }
        assert_eq!(world.continued - before, 3, "{:?}", world.clients[client].way);
    }
}
