//! A session serves one scope: who calls, on whose behalf, which app, and which conversation, if the client names it.

use std::collections::HashSet;

use crate::words::Chat;
use crate::world::{BOTH, Plain, Streamed, World, quick};

const KEYS: &str = "upstream: {base_url: '{base_url}', api_key: live_test}
models: {gpt-4o: emu-gpt-4o-1}
auth:
  mode: keys
  keys:
    - {name: ann, sha256: [SHA_A]}
    - {name: bob, sha256: [SHA_B, SHA_C]}
    - {name: gate, sha256: [SHA_D], trust_user: true}
";

/// The same history from two scopes: each has its own sessions, and neither disturbs the other.
#[track_caller]
fn are_apart(world: &World, mut one: Chat, mut other: Chat) {
    let (mut own, mut foreign) = (HashSet::new(), HashSet::new());
    for how in BOTH {
        own.insert(world.say(&mut one, "hi", how).session().to_owned());
        other.take_over(&one);
        let all = other.messages().len() + 1;
        let replayed = world.say(&mut other, "and now?", how);
        foreign.insert(replayed.is("replayed", all).session().to_owned());
        let continued = world.say(&mut one, "and now?", how);
        own.insert(continued.is("continued", 1).session().to_owned());
        let continued = world.say(&mut other, "go on", how);
        foreign.insert(continued.is("continued", 1).session().to_owned());
    }
    assert!(own.is_disjoint(&foreign), "a session of two scopes");
}

/// Two ways to say the same scope.
#[track_caller]
fn are_one(world: &World, mut one: Chat, mut other: Chat) {
    for how in BOTH {
        world.say(&mut one, "hi", how);
        other.take_over(&one);
        world.say(&mut other, "and now?", how).is("continued", 1);
        one.take_over(&other);
        world.say(&mut one, "go on", how).is("continued", 1);
    }
}

fn chat() -> Chat {
    Chat::new("gpt-4o")
}

#[test]
fn users_are_apart_however_they_are_named() {
    let world = World::start();
    are_apart(&world, chat().field("user", "ann"), chat().field("user", "bob"));
    are_apart(&world, chat().field("user", "cleo"), chat());
    are_apart(&world, chat().field("safety_identifier", "dora"), chat().field("safety_identifier", "emil"));
    are_apart(&world, chat().header("x-user-id", "fay"), chat().header("x-user-id", "gus"));
    let openwebui = "x-openwebui-user-id";
    are_apart(&world, chat().header(openwebui, "hal"), chat().header(openwebui, "ida"));
    are_apart(&world, chat().field("user", "jon"), chat().header("x-user-id", "kim"));
}

#[test]
fn a_user_is_the_same_however_it_is_named() {
    let world = World::start();
    are_one(&world, chat().field("user", "ann"), chat().header("x-user-id", "ann"));
    are_one(&world, chat().field("safety_identifier", "bob"), chat().header("x-openwebui-user-id", "bob"));
    // The header's word counts more than the body's.
    let both = chat().field("user", "somebody").header("x-user-id", "cleo");
    are_one(&world, chat().header("x-user-id", "cleo"), both.clone());
    are_apart(&world, both, chat().field("user", "somebody"));
}

#[test]
fn conversations_that_their_clients_name_are_apart() {
    let world = World::start();
    let named = |name, id| chat().header(name, id);
    are_apart(&world, named("x-conversation-id", "1"), named("x-conversation-id", "2"));
    are_apart(&world, named("x-openwebui-chat-id", "3"), named("x-openwebui-chat-id", "4"));
    are_apart(&world, named("x-conversation-id", "5"), chat());
    are_one(&world, named("x-conversation-id", "6"), named("x-openwebui-chat-id", "6"));
    // A name does not open another user's.
    let of = |user| named("x-conversation-id", "7").header("x-user-id", user);
    are_apart(&world, of("ann"), of("bob"));
}

#[test]
fn equal_openings_of_named_conversations_are_kept_apart() {
    let world = World::start();
    let mut chats = ["1", "2", "3"].map(|id| chat().header("x-conversation-id", id));
    let first: Vec<_> = chats.iter_mut().map(|chat| world.say(chat, "hi", Plain)).collect();
    // Not the youngest, but its own.
    for (chat, first) in chats.iter_mut().zip(&first) {
        let next = world.say(chat, "and now?", Streamed);
        next.is("continued", 1);
        assert_eq!(next.session(), first.session());
    }
}

#[test]
fn apps_are_apart_and_two_names_of_one_app_are_not() {
    let world = World::of_yaml(
        "upstream: {base_url: '{base_url}', api_key: live_test}\n\
         models: {one: emu-gpt-4o-1, two: emu-gpt-4o-1, 'three-*': emu-gpt-4o-1, other: emu-gpt-4o-mini-1}\n\
         auth: {mode: open}",
    );
    are_one(&world, Chat::new("one"), Chat::new("two"));
    are_one(&world, Chat::new("two"), Chat::new("three-thousand"));
    are_apart(&world, Chat::new("one"), Chat::new("other"));
}

#[test]
fn keys_are_apart_and_two_secrets_of_one_key_are_not() {
    let secrets =
        ["ann-key-0123456789-a", "bob-key-0123456789-b", "bob-key-0123456789-c", "gate-key-0123456789-d"];
    let names = ["SHA_A", "SHA_B", "SHA_C", "SHA_D"];
    let yaml = names
        .iter()
        .zip(secrets)
        .fold(KEYS.to_owned(), |yaml, (name, secret)| yaml.replace(name, &sha256(secret)));
    let world = World::of_yaml(&yaml);
    let of = |secret: usize| chat().header("authorization", &format!("Bearer {}", secrets[secret]));
    are_apart(&world, of(0), of(1));
    are_apart(&world, of(0).field("user", "ann"), of(1).field("user", "ann"));
    are_one(&world, of(1), of(2));
    // Only some keys are believed when they speak for others.
    are_one(&world, of(0).header("x-user-id", "ann"), of(0).header("x-user-id", "bob"));
    are_one(&world, of(0).header("x-conversation-id", "1"), of(0).header("x-conversation-id", "2"));
    are_apart(&world, of(3).header("x-user-id", "ann"), of(3).header("x-user-id", "bob"));
    are_apart(&world, of(0).field("user", "cleo"), of(0).field("user", "dora"));
}

#[test]
fn keys_of_chipp_are_apart() {
    let world = World::of_yaml(
        "upstream: {base_url: '{base_url}'}\nmodels: {gpt-4o: emu-gpt-4o-1}\nauth: {mode: passthrough}",
    );
    let of = |key: &str| chat().header("authorization", &format!("Bearer {key}"));
    are_apart(&world, of("live_ann"), of("live_bob"));
    for session in world.proxy.emulator.sessions() {
        assert!(["live_ann", "live_bob"].contains(&session.key.as_str()));
    }
}

#[test]
fn a_client_may_begin_anew() {
    for how in BOTH {
        let world = World::start();
        let mut chat = chat();
        let old = world.say(&mut chat, "hi", how);
        let mut anew = chat.clone().header("x-chipp-session", "new");
        let new = world.say(&mut anew, "and now?", how);
        new.is("new", 3);
        assert_ne!(new.session(), old.session());
        // What began anew can be gone on with, and so can what was there before.
        anew.headers.clear();
        let next = world.say(&mut anew, "go on", how);
        next.is("continued", 1);
        assert_eq!(next.session(), new.session());
        let other = world.say(&mut chat, "another way", how);
        other.is("continued", 1);
        assert_eq!(other.session(), old.session());
    }
}

#[test]
fn a_client_may_do_without_sessions() {
    for how in BOTH {
        let world = World::start();
        let mut chat = chat();
        let old = world.say(&mut chat, "hi", how);
        let mut off = chat.clone().header("x-chipp-session", "off");
        world.say(&mut off, "one", how).is("stateless", 3);
        world.say(&mut off, "two", how).is("stateless", 5);
        // Nothing was kept of it, and the session from before still holds the beginning.
        off.headers.clear();
        let next = world.say(&mut off, "three", how);
        next.is("continued", 5);
        assert_eq!(next.session(), old.session());
        world.say(&mut off, "four", how).is("continued", 1);
    }
}

#[test]
fn an_operator_may_do_without_sessions() {
    let world = World::with("auth: {mode: open}\nsessions: {strategy: off}", quick());
    for how in BOTH {
        let mut chat = chat();
        for turn in 0..3 {
            world.say(&mut chat, &format!("turn {turn}"), how).is("stateless", 2 * turn + 1);
        }
    }
}

/// SHA-256 in hexadecimal digits, as `auth.keys` has it.
fn sha256(key: &str) -> String {
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    Sha256::digest(key.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
