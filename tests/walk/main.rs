//! Conversations as a property: random clients, random faults, and a list of sessions as the model of what the
//! proxy ought to do. After every step it is checked
//!
//! - that each request that reached Chipp heard just what the client said, in its session and in the request (I1);
//! - how many messages were sent (I2);
//! - that no session served two scopes, or two requests at once (I3);
//! - that `x-chipp-session` is true (I4).
//!
//! `WALKS=2000 cargo test --test walk` walks more often than an ordinary test does; `WALK_SEED` changes the seed.
//! With `WALK_REDIS=1` each request goes to one of two replicas, whose sessions are in a `redis-server` of the walk's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code outside of test functions"
)]

mod offers;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod words;
mod world;

use chipp_proxy::emulator::{BEHAVIOURS, Ends, UnknownSession};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use store::Scope;
use support::redis::Server;
use words::Said;
use world::{Ask, COMMANDED, Chat, Cut, Wish, World};

const WALKS: u64 = 32;
const SEED: u64 = 20_261_123;

const TEXTS: [&str; 8] = [
    "hi",
    "hi ",
    "and now?",
    "Za\u{17c}\u{f3}\u{142}\u{107} \u{1f980}",
    "",
    "tell me more\n",
    "Repeat exactly: yes \n",
    "Repeat exactly:   ",
];
const SYSTEMS: [&str; 3] = ["Be brief.", "Be kind.", "Be brief. \n"];
/// Apps that wait for a test.
const GATED: [&str; 2] = ["gated", "rounds-gated"];
/// Apps that are interesting more often than others.
const NOTABLE: [&str; 19] = [
    "rounds-a",
    "rounds-b",
    "rounds-c",
    "rounds-stop",
    "rounds-no-last-finish",
    "takeover",
    "reset-step",
    "big-metadata",
    "foreign-session-id",
    "forbidden-session-403",
    "forgetful",
    "missing-session-404",
    "no-session-id",
    "late-session-id",
    "persisted-message-id-only",
    "rate-429",
    "error-500-after-store",
    "reset-after-store",
    "cut-after-store",
];

#[derive(Clone, Debug)]
enum Step {
    /// A conversation begins.
    Open { scope: Scope, system: Option<&'static str>, text: String, ask: Ask },
    /// It goes on.
    Say { chat: Index, text: String, ask: Ask },
    /// The last answer is asked for once more.
    Again { chat: Index, ask: Ask },
    /// An earlier message is changed.
    Edit { chat: Index, message: Index, text: String, ask: Ask },
    /// A second conversation leaves the first one at an earlier message.
    Branch { chat: Index, message: Index, text: String, ask: Ask },
    /// The first message becomes another one.
    System { chat: Index, system: &'static str, text: String, ask: Ask },
    /// The client's own tool has been called by another model.
    Tool { chat: Index, ask: Ask },
    /// The same several times at once.
    AtOnce { chat: Index, text: String, asks: Vec<Ask> },
    /// Several answers are asked for, and one is gone on with.
    Choices { chat: Index, text: String, n: usize, ask: Ask },
    /// The client goes away in mid-stream.
    LeaveStream { chat: Index, text: String, keeps: bool, ask: Ask },
    /// An answer comes to a halt in mid-stream, until the client goes away.
    LeaveStalled { chat: Index, ask: Ask },
    /// The client goes away while it waits.
    LeavePlain { chat: Index, text: String, ask: Ask },
    /// Chipp loses all sessions.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    let chat = any::<Index>;
    prop_oneof![
        9 => (chat(), text(), ask()).prop_map(|(chat, text, ask)| Step::Say { chat, text, ask }),
        4 => (scope(), proptest::option::of(select(&SYSTEMS[..])), text(), ask())
            .prop_map(|(scope, system, text, ask)| Step::Open { scope, system, text, ask }),
        3 => (chat(), ask()).prop_map(|(chat, ask)| Step::Again { chat, ask }),
        2 => (chat(), any::<Index>(), text(), ask())
            .prop_map(|(chat, message, text, ask)| Step::Edit { chat, message, text, ask }),
        2 => (chat(), any::<Index>(), text(), ask())
            .prop_map(|(chat, message, text, ask)| Step::Branch { chat, message, text, ask }),
        1 => (chat(), select(&SYSTEMS[..]), text(), ask())
            .prop_map(|(chat, system, text, ask)| Step::System { chat, system, text, ask }),
        1 => (chat(), ask()).prop_map(|(chat, ask)| Step::Tool { chat, ask }),
        2 => (chat(), plain_text(), vec(plain_ask(), 2..=4))
            .prop_map(|(chat, text, asks)| Step::AtOnce { chat, text, asks }),
        2 => (chat(), plain_text(), 2..=4_usize, plain_ask())
            .prop_map(|(chat, text, n, ask)| Step::Choices { chat, text, n, ask }),
        2 => (chat(), plain_text(), any::<bool>(), plain_ask())
            .prop_map(|(chat, text, keeps, ask)| Step::LeaveStream { chat, text, keeps, ask }),
        1 => (chat(), plain_ask()).prop_map(|(chat, ask)| Step::LeaveStalled { chat, ask }),
        1 => (chat(), plain_text(), plain_ask()).prop_map(|(chat, text, ask)| Step::LeavePlain { chat, text, ask }),
        1 => Just(Step::Forget),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let models = prop_oneof![4 => Just(COMMANDED), 1 => Just("gpt-4o")];
    let users = select(&[None, Some("ann"), Some("bob"), Some("ann bob")][..]);
    let conversations = prop_oneof![3 => Just(None), 1 => Just(Some("c1")), 1 => Just(Some("c2"))];
    (models, users, conversations).prop_map(|(model, user, conversation)| Scope { model, user, conversation })
}

fn plain_text() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(str::to_owned)
}

/// A message, which may be a command to behave in some way.
fn text() -> impl Strategy<Value = String> {
    let all: Vec<&str> = BEHAVIOURS
        .iter()
        .filter(|behaviour| behaviour.streamed != Ends::Never && !GATED.contains(&behaviour.name))
        .map(|behaviour| behaviour.name)
        .collect();
    let act = prop_oneof![
        4 => Just(None),
        2 => select(&NOTABLE[..]).prop_map(Some),
        2 => select(all).prop_map(Some),
    ];
    (act, plain_text()).prop_map(|(act, text)| match act {
        Some(act) => format!("act as: {act} {text}"),
        None => text,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let cut =
        prop_oneof![8 => Just(Cut::No), 1 => Just(Cut::Missed), 1 => Just(Cut::Stop), 1 => Just(Cut::Length)];
    let wish = prop_oneof![12 => Just(Wish::Usual), 1 => Just(Wish::New), 1 => Just(Wish::Off)];
    (any::<bool>(), cut, wish, any::<u64>()).prop_map(|(is_stream, cut, wish, dress)| Ask {
        is_stream,
        cut,
        wish,
        dress,
    })
}

/// One whose whole answer is awaited.
fn plain_ask() -> impl Strategy<Value = Ask> {
    ask().prop_map(|ask| Ask { cut: Cut::No, wish: Wish::Usual, ..ask })
}

fn take(world: &mut World, step: Step) {
    let count = world.chats.len();
    match step {
        Step::Open { scope, system, text, ask } => {
            let mut messages: Vec<Said> = system.map(|text| Said::System(text.into())).into_iter().collect();
            messages.push(Said::User(text));
            world.chats.push(Chat { scope, messages });
            world.ask(count, &ask);
        }
        Step::Say { chat, text, ask } => say(world, chat.index(count), Said::User(text), &ask),
        Step::Again { chat, ask } => {
            let chat = chat.index(count);
            let messages = &mut world.chats[chat].messages;
            messages.pop_if(|last| matches!(last, Said::Assistant(_)));
            world.ask(chat, &ask);
        }
        Step::Edit { chat, message, text, ask } => {
            let chat = chat.index(count);
            cut_before(&mut world.chats[chat], message);
            say(world, chat, Said::User(text), &ask);
        }
        Step::Branch { chat, message, text, ask } => {
            let mut branch = world.chats[chat.index(count)].clone();
            cut_before(&mut branch, message);
            world.chats.push(branch);
            say(world, count, Said::User(text), &ask);
        }
        Step::System { chat, system, text, ask } => {
            let chat = chat.index(count);
            let messages = &mut world.chats[chat].messages;
            if matches!(messages.first(), Some(Said::System(_))) {
                messages.remove(0);
            }
            messages.insert(0, Said::System(system.into()));
            say(world, chat, Said::User(text), &ask);
        }
        Step::Tool { chat, ask } => {
            let chat = chat.index(count);
            world.chats[chat].messages.push(Said::Call);
            say(world, chat, Said::Result("sunny".into()), &ask);
        }
        Step::AtOnce { chat, text, asks } => world.ask_at_once(chat.index(count), &text, &asks),
        Step::Choices { chat, text, n, ask } => world.ask_choices(chat.index(count), &text, n, &ask),
        Step::LeaveStream { chat, text, keeps, ask } => match commanded(world, chat) {
            Some(chat) => world.leave_stream(chat, &text, keeps, &ask),
            None => say(world, chat.index(count), Said::User(text), &ask),
        },
        Step::LeaveStalled { chat, ask } => {
            if let Some(chat) = commanded(world, chat) {
                world.leave_stalled(chat, &ask);
            }
        }
        Step::LeavePlain { chat, text, ask } => match commanded(world, chat) {
            Some(chat) => world.leave_plain(chat, &text, &ask),
            None => say(world, chat.index(count), Said::User(text), &ask),
        },
        Step::Forget => world.forget_sessions(),
    }
}

fn say(world: &mut World, chat: usize, said: Said, ask: &Ask) {
    world.chats[chat].messages.push(said);
    world.ask(chat, ask);
}

/// The chat, if its app waits at gates.
fn commanded(world: &World, chat: Index) -> Option<usize> {
    let chat = chat.index(world.chats.len());
    (world.chats[chat].scope.model == COMMANDED).then_some(chat)
}

/// Forgets everything from one of the user's messages on.
fn cut_before(chat: &mut Chat, message: Index) {
    let users = chat.messages.iter().enumerate();
    let users: Vec<usize> =
        users.filter(|(_, message)| matches!(message, Said::User(_))).map(|(at, _)| at).collect();
    chat.messages.truncate(users[message.index(users.len())]);
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn chipp_hears_what_clients_say_whatever_they_and_it_do() {
    let seed = setting("WALK_SEED", SEED);
    let config = Config {
        cases: u32::try_from(setting("WALKS", WALKS)).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let capacity = prop_oneof![4 => Just(100_000_usize), 1 => Just(3), 1 => Just(1)];
    let unknown = select(&[UnknownSession::StartNew, UnknownSession::Refuse][..]);
    let walks = (capacity, unknown, vec(step(), 20..40));
    let redis = (setting("WALK_REDIS", 0) > 0).then(Server::start);
    let walked = TestRunner::new(config).run(&walks, |(capacity, unknown, steps)| {
        let mut world = match &redis {
            None => World::new(capacity, unknown),
            Some(redis) => World::of_replicas(redis, unknown),
        };
        for step in steps {
            take(&mut world, step);
        }
        Ok(())
    });
    if let Err(failure) = walked {
        panic!("seed {seed}: {failure}");
    }
}
