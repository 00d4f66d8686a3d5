//! Turns: conversations that go on, are asked again, are edited, and part ways.

use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Ends};

use crate::words::Chat;
use crate::world::{BOTH, How, Plain, Streamed, World};

/// Apps whose streams never name their session.
const NAMELESS: [&str; 3] = ["no-session-id", "persisted-message-id-only", "foreign-session-id-only"];
/// Apps that lose sessions, or refuse openings, or have to be let on.
const APART: [&str; 6] =
    ["forgetful", "missing-session-404", "forbidden-session-403", "flaky-503", "gated", "rounds-gated"];

/// Whether turns that are asked for in this way can be gone on with.
fn is_kept(behaviour: &Behaviour, how: How) -> bool {
    let is_nameless = how == Streamed && NAMELESS.contains(&behaviour.name);
    // A filter may have kept from the client what the session holds.
    !is_nameless && !["content-filter", "refusal-word"].contains(&behaviour.name)
}

/// The apps that answer in both ways.
fn answering() -> impl Iterator<Item = &'static Behaviour> {
    BEHAVIOURS.iter().filter(|behaviour| {
        behaviour.plain == Ends::Answer
            && behaviour.streamed == Ends::Answer
            && !APART.contains(&behaviour.name)
    })
}

#[test]
fn ten_turns_are_one_session_in_every_dialect_plain_and_streamed() {
    for model in ["gpt-4o", "dialect-a", "dialect-b", "dialect-c"] {
        let world = World::start();
        let mut chat = Chat::new(model);
        for turn in 0..10 {
            let how = BOTH[turn % 2];
            let outcome = if turn == 0 { "new" } else { "continued" };
            world.say(&mut chat, &format!("turn {turn}"), how).is(outcome, 1);
        }
        let sessions = world.proxy.emulator.sessions();
        assert_eq!(sessions.len(), 1, "{model}");
        assert_eq!(sessions[0].messages.len(), 20, "{model}");
    }
}

#[test]
fn every_app_that_names_its_session_gets_only_what_is_new() {
    let world = World::start();
    let mut apps = 0;
    for behaviour in answering() {
        apps += 1;
        for how in BOTH {
            let mut chat = Chat::new(behaviour.name);
            world.say(&mut chat, "hi", how).is("new", 1);
            for (turn, sent) in [("one", 3), ("two", 5)] {
                let (outcome, sent) =
                    if is_kept(behaviour, how) { ("continued", 1) } else { ("replayed", sent) };
                world.say(&mut chat, turn, how).is(outcome, sent);
            }
        }
    }
    assert!(apps > 30, "{apps}");
}

#[test]
fn turns_asked_for_in_either_way_are_one_session() {
    let world = World::start();
    for behaviour in answering().filter(|behaviour| is_kept(behaviour, Plain)) {
        for (first, others) in [(Plain, Streamed), (Streamed, Plain)] {
            let mut chat = Chat::new(behaviour.name);
            let opening = world.say(&mut chat, "hi", first);
            opening.is("new", 1);
            let second = world.say(&mut chat, "one", others);
            if !is_kept(behaviour, first) {
                second.is("replayed", 3);
                continue;
            }
            // Where a stream names no session, it is the one that was meant.
            second.is("continued", 1);
            let third = world.say(&mut chat, "two", first);
            third.is("continued", 1);
            let fourth = world.say(&mut chat, "three", others);
            fourth.is("continued", 1);
            for got in [&second, &third, &fourth] {
                assert_eq!(got.session(), opening.session(), "{}", behaviour.name);
            }
        }
    }
}

#[test]
fn an_answer_asked_for_again_replays_and_goes_on() {
    for (first, again) in [(Plain, Plain), (Plain, Streamed), (Streamed, Plain), (Streamed, Streamed)] {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        world.say(&mut chat, "hi", first);
        let old = world.say(&mut chat, "and now?", first);
        let mut chat = chat.first(3);
        let new = world.ask(&mut chat, again);
        new.is("replayed", 3);
        assert_ne!(new.session(), old.session());
        let last = world.say(&mut chat, "go on", again);
        last.is("continued", 1);
        assert_eq!(last.session(), new.session());
    }
}

#[test]
fn the_first_answer_asked_for_again_is_a_new_conversation() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        let old = world.say(&mut chat, "hi", how);
        let mut again = chat.first(1);
        let new = world.ask(&mut again, how);
        new.is("new", 1);
        assert_ne!(new.session(), old.session());
        // Both hold the same, so each way on finds one of them.
        let sessions = [&mut chat, &mut again].map(|chat| {
            let got = world.say(chat, "go on", how);
            got.is("continued", 1);
            got.session().to_owned()
        });
        assert_ne!(sessions[0], sessions[1]);
    }
}

#[test]
fn an_edited_message_replays_what_is_left() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        for text in ["one", "two", "three"] {
            world.say(&mut chat, text, how);
        }
        // The second of the user's messages becomes another one; what came after it is gone.
        let mut edited = chat.first(2);
        world.say(&mut edited, "zwei", how).is("replayed", 3);
        world.say(&mut edited, "drei", how).is("continued", 1);
        // An earlier message becomes another one, and all that came after it stays.
        let mut rewritten = chat.clone();
        rewritten.messages()[1]["content"] = "Something that was never said.".into();
        world.say(&mut rewritten, "four", how).is("replayed", 7);
        world.say(&mut rewritten, "five", how).is("continued", 1);
        // The first way is still open.
        world.say(&mut chat, "four", how).is("continued", 1);
    }
}

#[test]
fn two_ways_from_one_point_are_two_sessions() {
    for how in BOTH {
        let world = World::start();
        let mut left = Chat::new("gpt-4o");
        world.say(&mut left, "hi", how);
        let mut right = left.clone();
        let first = world.say(&mut left, "to the left", how);
        first.is("continued", 1);
        let second = world.say(&mut right, "to the right", how);
        second.is("replayed", 3);
        for _ in 0..2 {
            for (chat, got) in [(&mut left, &first), (&mut right, &second)] {
                let next = world.say(chat, "on", how);
                next.is("continued", 1);
                assert_eq!(next.session(), got.session());
            }
        }
        assert_eq!(world.proxy.emulator.sessions().len(), 2);
    }
}

#[test]
fn equal_openings_have_a_session_each() {
    let world = World::start();
    let mut chats = [Chat::new("gpt-4o"), Chat::new("gpt-4o"), Chat::new("gpt-4o")];
    for chat in &mut chats {
        world.say(chat, "hi", Plain).is("new", 1);
    }
    for (at, chat) in chats.iter_mut().enumerate() {
        world.say(chat, &format!("I am number {at}"), Streamed).is("continued", 1);
    }
    assert_eq!(world.proxy.emulator.sessions().len(), 3);
}
