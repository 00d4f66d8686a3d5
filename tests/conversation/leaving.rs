//! Clients that go away before the answer is complete: their session is in doubt.

use crate::words::{COMMANDED, Chat};
use crate::world::{BOTH, Plain, World};

const GATE: &str = "act as: gated and speak";

#[test]
fn who_leaves_a_stream_goes_on_with_what_it_got() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new(COMMANDED);
        world.say(&mut chat, "hi", Plain);
        chat.user(GATE);
        let spoken = world.leave_stream(&chat);
        chat.assistant(&spoken);
        world.say(&mut chat, "go on", how).is("replayed", 5);
        world.say(&mut chat, "and on", how).is("continued", 1);
        assert_eq!(world.proxy.emulator.requests().len(), 4);
    }
}

#[test]
fn who_leaves_a_stream_may_forget_what_it_got() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new(COMMANDED);
        world.say(&mut chat, "hi", Plain);
        chat.user(GATE);
        world.leave_stream(&chat);
        // Two messages of the user in a row.
        world.say(&mut chat, "something else", how).is("replayed", 4);
        world.say(&mut chat, "go on", how).is("continued", 1);
    }
}

#[test]
fn who_leaves_a_stream_may_ask_again() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new(COMMANDED);
        world.say(&mut chat, "hi", Plain);
        chat.user(GATE);
        world.leave_stream(&chat);
        world.proxy.emulator.open_wide(GATE);
        world.ask(&mut chat, how).is("replayed", 3);
        world.say(&mut chat, "go on", how).is("continued", 1);
    }
}

#[test]
fn who_leaves_the_first_answer_begins_anew() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new(COMMANDED);
        chat.user(GATE);
        let spoken = world.leave_stream(&chat);
        let mut again = chat.clone();
        world.proxy.emulator.open_wide(GATE);
        world.ask(&mut again, how).is("new", 1);
        chat.assistant(&spoken);
        world.say(&mut chat, "go on", how).is("replayed", 3);
        world.say(&mut again, "go on", how).is("continued", 1);
    }
}

#[test]
fn who_does_not_wait_for_a_plain_answer_replays() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new(COMMANDED);
        world.say(&mut chat, "hi", Plain);
        chat.user(GATE);
        world.leave_plain(&chat);
        let mut other = chat.first(2);
        world.say(&mut other, "something else", how).is("replayed", 3);
        world.proxy.emulator.open_wide(GATE);
        world.ask(&mut chat, how).is("replayed", 3);
        world.say(&mut chat, "go on", how).is("continued", 1);
    }
}
