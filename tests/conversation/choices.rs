//! `n`: several answers to the same history, each of which may be gone on with.

use std::collections::{BTreeMap, HashSet};

use chipp_proxy::emulator::{Emulator, Received};
use serde_json::{Value, json};

use crate::relay::Relay;
use crate::words::Chat;
use crate::world::{BOTH, How, Plain, Streamed, World, quick};

/// What came of a request for several answers.
#[derive(Debug)]
struct Choices {
    status: u16,
    outcome: String,
    /// By index: the text, and why it ended.
    answers: BTreeMap<u64, (String, Option<String>)>,
    usage: Value,
    /// With the end that an answer has.
    is_complete: bool,
    requests: Vec<Received>,
}

impl Choices {
    fn sessions(&self) -> HashSet<&str> {
        self.requests.iter().map(|request| request.session.as_deref().unwrap()).collect()
    }

    /// How many messages each request had, the fewest first.
    fn sent(&self) -> Vec<usize> {
        let mut sent: Vec<_> = self.requests.iter().map(|request| request.messages.len()).collect();
        sent.sort_unstable();
        sent
    }
}

fn ask(world: &World, chat: &Chat, n: u64, how: How) -> Choices {
    let (id, headers) = world.register(chat);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut body = chat.body.clone();
    body["n"] = json!(n);
    let mut all = Choices {
        status: 200,
        outcome: String::new(),
        answers: BTreeMap::new(),
        usage: Value::Null,
        is_complete: false,
        requests: Vec::new(),
    };
    match how {
        Plain => {
            let answer = world.proxy.chat_with(&body, &headers);
            (all.status, all.is_complete) = (answer.status, answer.status == 200);
            answer.header("x-chipp-session").clone_into(&mut all.outcome);
            all.usage = answer.json["usage"].clone();
            for choice in answer.json["choices"].as_array().into_iter().flatten() {
                let text = choice["message"]["content"].as_str().unwrap().to_owned();
                let reason = choice["finish_reason"].as_str().map(str::to_owned);
                all.answers.insert(choice["index"].as_u64().unwrap(), (text, reason));
            }
        }
        Streamed => {
            body["stream_options"] = json!({"include_usage": true});
            let mut events = world.proxy.stream_with(&body, &headers);
            all.status = events.status;
            events.header("x-chipp-session").clone_into(&mut all.outcome);
            while all.status == 200
                && let Some(data) = events.next_data()
            {
                assert!(!all.is_complete, "something after [DONE]: {data}");
                all.is_complete = data == "[DONE]";
                let chunk: Value = serde_json::from_str(&data).unwrap_or_default();
                if chunk["usage"].is_object() {
                    all.usage = chunk["usage"].clone();
                }
                for choice in chunk["choices"].as_array().into_iter().flatten() {
                    let (text, reason) = all.answers.entry(choice["index"].as_u64().unwrap()).or_default();
                    assert!(reason.is_none(), "something after its end: {chunk}");
                    text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                    *reason = choice["finish_reason"].as_str().map(str::to_owned);
                }
            }
        }
    }
    all.requests = world.received(&id);
    world.check();
    all
}

#[test]
fn whichever_is_gone_on_with_is_remembered() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        chat.user("hi");
        let got = ask(&world, &chat, 3, how);
        assert!(got.is_complete && got.outcome == "new" && got.sent() == [1, 1, 1], "{got:#?}");
        assert_eq!(got.answers.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(got.sessions().len(), 3);
        // Equal answers: each of the three finds a session of its own.
        let mut used = HashSet::new();
        for (text, reason) in got.answers.values() {
            assert_eq!(reason.as_deref(), Some("stop"));
            let mut chat = chat.clone();
            chat.assistant(text);
            let next = world.say(&mut chat, "and now?", how);
            used.insert(next.is("continued", 1).session().to_owned());
        }
        assert_eq!(used.iter().map(String::as_str).collect::<HashSet<_>>(), got.sessions());
    }
}

#[test]
fn one_goes_on_in_the_session_and_the_others_replay() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        let first = world.say(&mut chat, "hi", how);
        chat.user("and now?");
        let got = ask(&world, &chat, 3, how);
        assert!(got.is_complete && got.outcome == "continued" && got.sent() == [1, 3, 3], "{got:#?}");
        assert!(got.sessions().contains(first.session()) && got.sessions().len() == 3);
        // Now three are kept that hold the same: all three go on.
        chat.assistant(&got.answers[&1].0);
        chat.user("tell me more");
        let got = ask(&world, &chat, 3, how);
        assert!(got.is_complete && got.outcome == "continued" && got.sent() == [1, 1, 1], "{got:#?}");
    }
}

#[test]
fn the_prompt_is_counted_once_and_the_answers_all() {
    let world = World::start();
    let mut chat = Chat::new("gpt-4o");
    chat.user("hi");
    for how in BOTH {
        let one = ask(&world, &chat, 1, how);
        let three = ask(&world, &chat, 3, how);
        let count = |usage: &Value, field: &str| usage[field].as_u64().unwrap();
        assert_eq!(three.usage["prompt_tokens"], one.usage["prompt_tokens"]);
        let answers = 3 * count(&one.usage, "completion_tokens");
        assert_eq!(count(&three.usage, "completion_tokens"), answers);
        assert_eq!(count(&three.usage, "total_tokens"), answers + count(&one.usage, "prompt_tokens"));
    }
}

#[test]
fn every_answer_is_cut() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        chat.body["max_tokens"] = json!(1);
        chat.user("hi");
        let got = ask(&world, &chat, 2, how);
        for (text, reason) in got.answers.values() {
            assert_eq!((text.len(), reason.as_deref()), (4, Some("length")));
        }
        // Chipp said more than the client has: neither session is gone on with.
        chat.assistant(&got.answers[&0].0);
        world.say(&mut chat, "and now?", how).is("replayed", 3);
    }
}

#[test]
fn one_that_fails_before_the_first_byte_fails_the_request() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("once-429");
        chat.user("hi");
        // The app refuses a message until it comes again.
        let got = ask(&world, &chat, 2, how);
        assert_eq!((got.status, got.answers.len()), (429, 0), "{got:#?}");
    }
}

#[test]
fn one_that_breaks_later_lets_the_others_speak_on() {
    let emulator = Emulator::start(quick()).unwrap();
    let relay = Relay::start(emulator.addr());
    let world = World::between(
        "upstream: {base_url: '{base_url}', api_key: live_test}\nmodels: {gpt-4o: emu-gpt-4o-1}\nauth: {mode: open}",
        emulator,
        &relay.base_url(),
    );
    let mut chat = Chat::new("gpt-4o");
    chat.user("hi");
    relay.cut_one();
    let got = ask(&world, &chat, 3, Streamed);
    assert!(got.status == 200 && !got.is_complete, "{got:#?}");
    let (ended, broken): (Vec<_>, Vec<_>) = got.answers.values().partition(|(_, reason)| reason.is_some());
    assert_eq!((ended.len(), broken.len()), (2, 1), "{got:#?}");
    assert!(!broken[0].0.is_empty() && ended[0].0.starts_with(&broken[0].0), "{got:#?}");
    // The two that the client has whole are remembered.
    chat.assistant(&ended[0].0);
    chat.user("and now?");
    assert_eq!(ask(&world, &chat, 3, Streamed).sent(), [1, 1, 3]);
}
