//! Sessions that Chipp has forgotten: the history is replayed as soon as that shows.

use chipp_proxy::emulator::{Options, UnknownSession};

use crate::words::{COMMANDED, Chat};
use crate::world::{BOTH, Got, Streamed, World, quick};

fn start(unknown_session: UnknownSession) -> World {
    World::with("auth: {mode: open}", Options { unknown_session, ..quick() })
}

fn sessions_lost(world: &World) -> u64 {
    world.proxy.shared.metrics.sessions_lost.get()
}

/// A first request found out that the session was gone, and a second one replayed.
#[track_caller]
fn is_replayed(got: &Got, all: usize) {
    got.is_in_the_end("replayed", all);
    let [probe, replay] = &got.requests[..] else { panic!("two requests: {got:#?}") };
    assert_eq!(probe.messages.len(), 1);
    assert_ne!(probe.session, probe.body_session);
    assert_ne!(replay.session, probe.session, "not the session that began without the history");
    assert!(got.content.starts_with("You said first: \"hi\"."), "{got:#?}");
}

#[test]
fn a_forgotten_session_is_replayed_whether_chipp_says_so_or_begins_anew() {
    for unknown_session in [UnknownSession::Refuse, UnknownSession::StartNew] {
        for model in
            ["gpt-4o", "dialect-a", "dialect-b", "header-session-id", "event-session-id", "json-for-stream"]
        {
            let world = start(unknown_session);
            for (first, second) in BOTH.into_iter().flat_map(|first| BOTH.map(|second| (first, second))) {
                // Nobody else says the same.
                let mut chat = Chat::new(model).field("user", &format!("{first:?} {second:?}"));
                let lost = sessions_lost(&world);
                world.say(&mut chat, "hi", first).is("new", 1);
                world.proxy.emulator.forget_sessions();
                is_replayed(&world.say(&mut chat, "and now?", second), 3);
                assert_eq!(sessions_lost(&world), lost + 1);
                world.say(&mut chat, "go on", first).is("continued", 1);
                world.proxy.emulator.forget_sessions();
                is_replayed(&world.say(&mut chat, "and on", second), 7);
                world.say(&mut chat, "to the end", second).is("continued", 1);
                assert_eq!(sessions_lost(&world), lost + 2);
            }
        }
    }
}

#[test]
fn an_app_that_forgets_at_every_second_turn_is_replayed_as_often() {
    for model in ["forgetful", "missing-session-404"] {
        for how in BOTH {
            let world = World::start();
            let mut chat = Chat::new(model);
            world.say(&mut chat, "hi", how).is("new", 1);
            is_replayed(&world.say(&mut chat, "one", how), 3);
            world.say(&mut chat, "two", how).is("continued", 1);
            is_replayed(&world.say(&mut chat, "three", how), 7);
            world.say(&mut chat, "four", how).is("continued", 1);
            assert_eq!(sessions_lost(&world), 2);
        }
    }
}

#[test]
fn a_name_that_comes_after_the_text_ends_in_a_replay_of_the_next_turn() {
    for next in BOTH {
        let world = start(UnknownSession::StartNew);
        let mut chat = Chat::new("late-session-id");
        world.say(&mut chat, "hi", Streamed).is("new", 1);
        world.say(&mut chat, "one", Streamed).is("continued", 1);
        world.proxy.emulator.forget_sessions();
        // The text is out before it shows that Chipp had forgotten: nothing can be done, but nothing is built on it.
        let got = world.say(&mut chat, "two", Streamed);
        assert_eq!((got.outcome.as_str(), got.requests.len()), ("continued", 1), "{got:#?}");
        assert!(!got.last().known);
        assert_eq!(sessions_lost(&world), 1);
        world.say(&mut chat, "three", next).is("replayed", 7);
        world.say(&mut chat, "four", Streamed).is("continued", 1);
    }
}

#[test]
fn a_late_name_is_no_matter_where_chipp_refuses_what_it_has_forgotten() {
    let world = start(UnknownSession::Refuse);
    let mut chat = Chat::new("late-session-id");
    world.say(&mut chat, "hi", Streamed).is("new", 1);
    world.proxy.emulator.forget_sessions();
    is_replayed(&world.say(&mut chat, "one", Streamed), 3);
    world.say(&mut chat, "two", Streamed).is("continued", 1);
}

#[test]
fn a_replay_that_fails_leaves_nothing() {
    for unknown_session in [UnknownSession::Refuse, UnknownSession::StartNew] {
        for how in BOTH {
            let world = start(unknown_session);
            let mut chat = Chat::new(COMMANDED);
            world.say(&mut chat, "hi", how).is("new", 1);
            world.proxy.emulator.forget_sessions();
            let mut failing = chat.clone();
            failing.user("act as: rate-429 now");
            assert_eq!(world.try_ask(&failing, how).status, 429);
            // A refusal does not always show that the session is gone: then it does now.
            world.say(&mut chat, "and now?", how).is_in_the_end("replayed", 3);
            world.say(&mut chat, "go on", how).is("continued", 1);
        }
    }
}
