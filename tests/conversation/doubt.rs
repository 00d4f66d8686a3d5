//! Turns that fail: where Chipp cannot have seen them, their session is gone on with; in any doubt it is not.

use std::time::Duration;

use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Emulator, Ends, Options};
use serde_json::json;

use crate::relay::Relay;
use crate::support::Proxy;
use crate::words::{COMMANDED, Chat};
use crate::world::{BOTH, Got, How, PLAINLY, Plain, Streamed, World, quick};

/// What Chipp refuses with these has not become part of a conversation.
const UNTOUCHED: [u16; 8] = [400, 401, 402, 403, 404, 413, 422, 429];
/// What may have happened before these is unknown.
const DOUBTFUL: [u16; 8] = [302, 408, 409, 500, 502, 503, 504, 529];

/// A conversation with one answer.
fn begun(world: &World) -> Chat {
    let mut chat = Chat::new(COMMANDED);
    world.say(&mut chat, "hi", Plain).is("new", 1);
    chat
}

/// A turn in the middle of a conversation, answered by an app that behaves in this way.
fn acts(world: &World, chat: &Chat, name: &str, how: How) -> (Chat, Got) {
    let mut chat = chat.clone();
    chat.user(&format!("act as: {name} now"));
    let got = world.try_ask(&chat, how);
    assert_eq!(got.requests.len(), 1, "{name}: nothing is sent twice: {got:#?}");
    assert_eq!(got.last().messages.len(), 1, "{name}");
    (chat, got)
}

/// The conversation goes on in its session, after a turn of which the client keeps nothing.
#[track_caller]
fn is_continued(world: &World, chat: &Chat, how: How) {
    let mut chat = chat.clone();
    world.say(&mut chat, "something else", how).is("continued", 1);
    world.say(&mut chat, "and on", how).is("continued", 1);
}

/// The conversation goes on in another session.
#[track_caller]
fn is_replayed(world: &World, chat: &Chat) {
    for how in BOTH {
        let mut chat = chat.clone();
        let all = chat.messages().len() + 1;
        world.say(&mut chat, "something else", how).is("replayed", all);
        world.say(&mut chat, "and on", how).is("continued", 1);
    }
}

fn ends(how: How) -> impl Iterator<Item = (&'static Behaviour, Ends)> {
    let end = move |behaviour: &'static Behaviour| match how {
        Plain => (behaviour, behaviour.plain),
        Streamed => (behaviour, behaviour.streamed),
    };
    BEHAVIOURS.iter().map(end)
}

#[test]
fn errors_that_say_what_happened_leave_the_session_and_others_do_not() {
    let world = World::start();
    let mut seen = Vec::new();
    for how in BOTH {
        for (behaviour, end) in ends(how) {
            let Ends::Refused(status) = end else { continue };
            let chat = begun(&world);
            let (_, got) = acts(&world, &chat, behaviour.name, how);
            assert_ne!(got.status, 200, "{}", behaviour.name);
            if UNTOUCHED.contains(&status) {
                is_continued(&world, &chat, how);
            } else {
                is_replayed(&world, &chat);
            }
            seen.push(status);
        }
    }
    for status in [302, 400, 401, 402, 429, 500, 502, 503, 524] {
        assert!(seen.contains(&status), "{status}");
    }
}

#[test]
fn answers_that_break_end_in_a_replay() {
    let world = World::start();
    let mut broken = 0;
    for how in BOTH {
        for (behaviour, _) in ends(how).filter(|(_, end)| *end == Ends::Broken) {
            let chat = begun(&world);
            let (mut failed, got) = acts(&world, &chat, behaviour.name, how);
            assert!(!got.is_complete, "{}", behaviour.name);
            is_replayed(&world, &chat);
            // Nor does the part that came make a session.
            if !got.content.is_empty() {
                failed.assistant(&got.content);
                is_replayed(&world, &failed);
            }
            broken += 1;
        }
    }
    assert!(broken > 20, "{broken}");
}

#[test]
fn empty_and_filtered_answers_end_in_a_replay() {
    let world = World::start();
    for how in BOTH {
        let filtered = BEHAVIOURS.iter().filter(|behaviour| behaviour.name == "content-filter");
        let empty = ends(how).filter(|(_, end)| *end == Ends::Empty).map(|(behaviour, _)| behaviour);
        for behaviour in empty.chain(filtered) {
            let chat = begun(&world);
            let (mut answered, got) = acts(&world, &chat, behaviour.name, how);
            assert!(got.is_complete, "{got:#?}");
            answered.assistant(&got.content);
            is_replayed(&world, &answered);
            is_replayed(&world, &chat);
        }
    }
}

#[test]
fn a_turn_that_takes_too_long_ends_in_a_replay() {
    // Long enough for whatever answers at all.
    let upstream = format!("{PLAINLY}timeouts: {{first_byte: 2s, idle: 2s}}, ");
    let world = World::of(Proxy::with_sections("", &upstream, "auth: {mode: open}", quick()));
    std::thread::scope(|threads| {
        for (name, how) in ["silent", "stall"].into_iter().flat_map(|name| BOTH.map(|how| (name, how))) {
            let world = &world;
            threads.spawn(move || {
                // Apart from the others, which say the same.
                let mut chat = Chat::new(COMMANDED).field("user", &format!("{name} {how:?}"));
                world.say(&mut chat, "hi", Plain).is("new", 1);
                let (mut failed, got) = acts(world, &chat, name, how);
                assert!(!got.is_complete, "{got:#?}");
                is_replayed(world, &chat);
                failed.assistant("half an answer");
                is_replayed(world, &failed);
            });
        }
    });
}

#[test]
fn an_answer_that_is_cut_ends_in_a_replay() {
    let world = World::start();
    for (field, value, reason) in [("stop", json!(" five"), "stop"), ("max_tokens", json!(2), "length")] {
        for how in BOTH {
            let mut chat = begun(&world);
            chat.user("Repeat exactly: one two three four five six seven");
            let mut cut = chat.clone();
            cut.body[field] = value.clone();
            let got = world.try_ask(&cut, how);
            got.is("continued", 1);
            assert_eq!(got.finish_reason.as_deref(), Some(reason));
            assert!("one two three four five six".starts_with(got.content.trim_end()), "{got:#?}");
            chat.assistant(&got.content);
            is_replayed(&world, &chat);
        }
    }
}

#[test]
fn an_answer_that_might_have_been_cut_is_gone_on_with() {
    let world = World::start();
    for (field, value) in [("stop", json!(["\u{1}", "never said"])), ("max_tokens", json!(4000))] {
        for how in BOTH {
            let mut chat = begun(&world);
            chat.body[field] = value.clone();
            world.say(&mut chat, "and now?", how).is("continued", 1);
            is_continued(&world, &chat, how);
        }
    }
}

#[test]
fn every_status_leaves_the_session_or_does_not() {
    let (relay, world) = relayed();
    for how in BOTH {
        for status in UNTOUCHED.into_iter().chain(DOUBTFUL) {
            let mut chat = begun(&world);
            let known = world.proxy.emulator.requests().len();
            relay.answer(status);
            let mut refused = chat.clone();
            refused.user("something else");
            assert_ne!(world.try_ask(&refused, how).status, 200, "{status}");
            relay.pass();
            assert_eq!(world.proxy.emulator.requests().len(), known, "{status}");
            let (outcome, sent) =
                if UNTOUCHED.contains(&status) { ("continued", 1) } else { ("replayed", 3) };
            let got = world.say(&mut chat, "something else", how);
            assert_eq!(got.outcome, outcome, "{status}");
            got.is(outcome, sent);
        }
    }
}

#[test]
fn a_connection_that_is_refused_leaves_the_session() {
    let (relay, world) = relayed();
    for how in BOTH {
        let mut chat = begun(&world);
        let known = world.proxy.emulator.requests().len();
        relay.go();
        let mut refused = chat.clone();
        refused.user("something else");
        for _ in 0..3 {
            assert_eq!(world.try_ask(&refused, how).status, 502);
        }
        relay.listen();
        assert_eq!(world.proxy.emulator.requests().len(), known);
        world.say(&mut chat, "something else", how).is("continued", 1);
        world.say(&mut chat, "and on", how).is("continued", 1);
    }
}

/// A proxy with something between it and Chipp.
fn relayed() -> (Relay, World) {
    let emulator = Emulator::start(quick()).unwrap();
    let relay = Relay::start(emulator.addr());
    let yaml = "upstream: {base_url: '{base_url}', api_key: live_test, timeouts: {connect: 20s}}\n\
                models: {commanded: emu-commanded-1}\nauth: {mode: open}";
    let world = World::between(yaml, emulator, &relay.base_url());
    (relay, world)
}

/// A first turn that failed leaves nothing, and is asked again in a new session.
#[test]
fn a_first_turn_that_fails_is_asked_anew() {
    let world = World::start();
    for how in BOTH {
        for name in ["rate-429", "error-500-after-store", "reset-after-store", "flaky-503"] {
            let mut chat = Chat::new(name);
            chat.user(&format!("hi {how:?}"));
            let failed = world.try_ask(&chat, how);
            assert_ne!(failed.status, 200, "{name}");
            assert_eq!(failed.requests.len(), 1, "{name}");
            let again = world.try_ask(&chat, how);
            assert_eq!(again.last().body_session, None, "{name}");
            if name == "flaky-503" {
                again.is("new", 1);
                chat.assistant(&again.content);
                world.say(&mut chat, "go on", how).is("continued", 1);
            }
        }
    }
}

/// Time that passes is no doubt: slow apps are waited for.
#[test]
fn a_slow_answer_is_gone_on_with() {
    let world = World::with(
        "auth: {mode: open}",
        Options { think: Duration::from_millis(50), word_pause: Duration::from_millis(5), ..quick() },
    );
    for how in BOTH {
        for name in ["slow-first-byte", "slow-words", "tool-events"] {
            let mut chat = Chat::new(name);
            world.say(&mut chat, "hi", how).is("new", 1);
            world.say(&mut chat, "go on", how).is("continued", 1);
        }
    }
}
