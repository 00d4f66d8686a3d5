//! The same history several times at once: one request gets its session, and the others do not wait for it.

use std::collections::HashSet;

use crate::words::{COMMANDED, Chat};
use crate::world::{BOTH, Plain, World};

fn at_once(count: usize) {
    let world = World::start();
    let mut chat = Chat::new(COMMANDED);
    let old = world.say(&mut chat, "hi", Plain);
    chat.user("act as: gated at once");
    let mut chats = vec![chat; count];
    let gots = world.ask_at_once(&mut chats, |at| BOTH[at % 2]);
    let (continued, replayed): (Vec<_>, Vec<_>) = gots.iter().partition(|got| got.outcome == "continued");
    assert_eq!((continued.len(), replayed.len()), (1, count - 1));
    assert_eq!(continued[0].is("continued", 1).session(), old.session());
    for got in replayed {
        got.is("replayed", 3);
    }
    // They all hold the same now; whoever goes on finds one of them.
    for chat in &mut chats {
        chat.user("act as: gated at once more");
    }
    let gots = world.ask_at_once(&mut chats, |at| BOTH[at % 2]);
    let sessions: HashSet<_> = gots.iter().map(|got| got.is("continued", 1).session()).collect();
    assert_eq!(sessions.len(), count);
    assert_eq!(world.proxy.emulator.sessions().len(), count);
}

#[test]
fn two_at_once_are_two_sessions() {
    at_once(2);
}

#[test]
fn sixteen_at_once_are_sixteen_sessions() {
    at_once(16);
}

#[test]
fn openings_at_once_are_conversations_of_their_own() {
    let world = World::start();
    let mut chats = vec![Chat::new("gated"); 16];
    for text in ["hi", "and now?"] {
        for chat in &mut chats {
            chat.user(text);
        }
        let outcome = if text == "hi" { "new" } else { "continued" };
        for got in world.ask_at_once(&mut chats, |at| BOTH[at % 2]) {
            got.is(outcome, 1);
        }
    }
    assert_eq!(world.proxy.emulator.sessions().len(), 16);
}
