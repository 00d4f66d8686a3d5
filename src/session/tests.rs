use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::*;
use crate::chipp::{Message, Role};
use crate::ids::ChatSessionId;

fn message(role: Role, content: &str) -> Message<'_> {
    Message { role, content: content.into() }
}

fn history<'a>(texts: &[&'a str]) -> Vec<Message<'a>> {
    let roles = [Role::User, Role::Assistant];
    texts.iter().zip(roles.into_iter().cycle()).map(|(text, role)| message(role, text)).collect()
}

fn session(text: &str) -> ChatSessionId {
    ChatSessionId::parse(text).unwrap()
}

/// Memory is never waited for.
trait Ready: Future {
    fn ready(self) -> Self::Output;
}

impl<F: Future> Ready for F {
    fn ready(self) -> F::Output {
        self.now_or_never().unwrap()
    }
}

struct Room {
    fingerprinter: Fingerprinter,
    store: Arc<Store>,
    now: Instant,
}

impl Room {
    fn new() -> Self {
        let store = Arc::new(Store::Memory(Local::new(Duration::from_secs(60), 100)));
        Self { fingerprinter: Fingerprinter::random().unwrap(), store, now: Instant::now() }
    }

    fn scope(&self, user: &str) -> Scope {
        let parts = ScopeParts { credential: b"key", user: Some(user), app: "app", conversation: None };
        self.fingerprinter.scope(parts)
    }

    fn begin(&self, user: &str, texts: &[&str]) -> Turn {
        let scope = self.scope(user);
        let mut turn = Turn::begin(&self.store, Mode::Conversation, &scope, &history(texts));
        turn.seek(self.now).ready().unwrap();
        turn
    }

    fn memory(&self) -> &Memory {
        match &*self.store {
            Store::Memory(local) => local.sessions(),
            Store::Redis(_) => unreachable!("not in these tests"),
        }
    }
}

#[test]
fn a_conversation_goes_on_in_its_session() {
    let room = Room::new();
    let first = room.begin("ann", &["hi"]);
    assert_eq!((first.outcome(), first.holds()), (Outcome::New, 0));
    first.complete(Some(session("s1")), "hello \n").put(room.now).ready();

    let second = room.begin("ann", &["hi", "hello", "how are you?"]);
    assert_eq!((second.outcome(), second.holds()), (Outcome::Continued, 2));
    assert_eq!(second.session(), Some(&session("s1")));
    second.complete(None, "fine").put(room.now).ready();

    let third = room.begin("ann", &["hi", "hello", "how are you?", "fine", "good"]);
    assert_eq!((third.outcome(), third.holds()), (Outcome::Continued, 4));
}

#[test]
fn a_session_serves_one_request_at_a_time() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    let first = room.begin("ann", &["hi", "hello", "a"]);
    let second = room.begin("ann", &["hi", "hello", "b"]);
    assert_eq!(first.outcome(), Outcome::Continued);
    assert_eq!(second.outcome(), Outcome::Replayed);
    first.untouched().put(room.now).ready();
    assert_eq!(room.begin("ann", &["hi", "hello", "c"]).outcome(), Outcome::Continued);
}

#[test]
fn in_doubt_a_session_is_forgotten() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    drop(room.begin("ann", &["hi", "hello", "a"]));
    assert_eq!(room.begin("ann", &["hi", "hello", "a"]).outcome(), Outcome::Replayed);
    assert!(room.memory().is_empty());
}

#[test]
fn an_edit_or_a_regeneration_replays() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    room.begin("ann", &["hi", "hello", "a"]).complete(None, "b").put(room.now).ready();
    assert_eq!(room.begin("ann", &["hi", "hello", "a"]).outcome(), Outcome::Replayed);
    assert_eq!(room.begin("ann", &["hey", "hello", "a", "b", "c"]).outcome(), Outcome::Replayed);
    assert_eq!(room.begin("ann", &["hi", "hello", "a", "b", "c"]).outcome(), Outcome::Continued);
}

#[test]
fn a_made_up_answer_after_ours_goes_in_with_the_new_messages() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    let turn = room.begin("ann", &["hi", "hello", "a", "made up", "b"]);
    assert_eq!((turn.outcome(), turn.holds()), (Outcome::Continued, 2));
}

#[test]
fn an_answer_at_the_end_leaves_something_to_send() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    let turn = room.begin("ann", &["hi", "hello"]);
    assert_eq!((turn.outcome(), turn.holds()), (Outcome::Replayed, 0));
}

#[test]
fn scopes_do_not_mix() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    assert_eq!(room.begin("bob", &["hi", "hello", "a"]).outcome(), Outcome::Replayed);
    let parts = |credential, user, app, conversation| ScopeParts { credential, user, app, conversation };
    let all = [
        parts(b"key".as_slice(), Some("ann"), "app", None),
        parts(b"key2", Some("ann"), "app", None),
        parts(b"key", None, "app", None),
        parts(b"key", Some(""), "app", None),
        parts(b"key", Some("ann"), "app2", None),
        parts(b"key", Some("ann"), "app", Some("c")),
        parts(b"keya", Some("nn"), "app", None),
    ];
    let heads = all.map(|parts| History::new(&room.fingerprinter.scope(parts)).head());
    for (at, head) in heads.iter().enumerate() {
        assert!(!heads[..at].contains(head), "{at}");
    }
}

#[test]
fn roles_and_borders_between_messages_count() {
    let room = Room::new();
    let scope = room.scope("ann");
    let head = |messages: &[Message<'_>]| History::of(&scope, messages).0.head();
    let one = head(&[message(Role::User, "ab")]);
    assert_ne!(one, head(&[message(Role::System, "ab")]));
    assert_ne!(one, head(&[message(Role::User, "a"), message(Role::User, "b")]));
    assert_ne!(one, head(&[message(Role::User, " ab")]));
    assert_eq!(one, head(&[message(Role::User, "ab \r\n")]));
}

#[test]
fn fresh_turns_take_nothing_but_are_kept_and_off_turns_are_not() {
    let room = Room::new();
    let begin = |mode, texts: &[&str]| {
        let mut turn = Turn::begin(&room.store, mode, &room.scope("ann"), &history(texts));
        turn.seek(room.now).ready().unwrap();
        turn
    };
    room.begin("ann", &["hi"]).complete(Some(session("s1")), "hello").put(room.now).ready();
    let fresh = begin(Mode::Fresh, &["hi", "hello", "a"]);
    assert_eq!((fresh.outcome(), fresh.session()), (Outcome::New, None));
    fresh.complete(Some(session("s2")), "b").put(room.now).ready();
    let off = begin(Mode::Off, &["hi", "hello", "a"]);
    assert_eq!(off.outcome(), Outcome::Stateless);
    off.complete(Some(session("s3")), "b").put(room.now).ready();
    assert_eq!(room.memory().len(), 2);
    let next = room.begin("ann", &["hi", "hello", "a", "b", "c"]);
    assert_eq!(next.session(), Some(&session("s2")));
}

#[test]
fn an_empty_answer_settles_nothing() {
    let room = Room::new();
    room.begin("ann", &["hi"]).complete(Some(session("s1")), " \n").put(room.now).ready();
    assert!(room.memory().is_empty());
}

#[test]
fn look_ups_are_bounded() {
    let texts: Vec<String> = (0..201).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let room = Room::new();
    let (_, heads) = History::of(&room.scope("ann"), &history(&texts));
    assert_eq!(heads.len(), fingerprint::MAX_CANDIDATES);
    assert_eq!(heads.first().map(|(holds, _)| *holds), Some(200));
}

#[test]
fn the_store_forgets_by_age_and_by_number() {
    let room = Room::new();
    let scope = room.scope("ann");
    let head = |text: &str| History::of(&scope, &history(&[text])).0.head();
    let store = Memory::new(Duration::from_secs(10), 3);
    for number in 0..5 {
        store.put(head(&number.to_string()), session("s"), room.now + Duration::from_secs(number));
    }
    assert_eq!(store.len(), 3);
    assert!(store.take(head("1"), room.now).is_none());
    assert!(store.take(head("2"), room.now + Duration::from_secs(12)).is_none(), "expired on reading");
    store.sweep(room.now + Duration::from_secs(13));
    assert_eq!(store.len(), 1);
    assert!(store.take(head("4"), room.now + Duration::from_secs(13)).is_some());
    assert!(store.is_empty());
}

#[test]
fn who_puts_in_at_once_pushes_out_no_more_than_is_put_in() {
    let room = Room::new();
    let scope = room.scope("ann");
    let head = |text: String| History::of(&scope, &history(&[&text])).0.head();
    let store = Memory::new(Duration::from_secs(10), 8);
    for number in 0..8 {
        store.put(head(number.to_string()), session("s"), room.now);
    }
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (store, head) = (&store, &head);
            threads.spawn(move || {
                for number in 0..2_000 {
                    store.put(head(format!("{thread} {number}")), session("s"), room.now);
                    assert!(store.len() >= 8);
                }
            });
        }
    });
    assert_eq!(store.len(), 8);
}

#[test]
fn equal_heads_keep_a_small_stack_the_youngest_first() {
    let room = Room::new();
    let head = History::of(&room.scope("ann"), &history(&["hi"])).0.head();
    for number in 0..memory::MAX_PER_HEAD + 2 {
        room.memory().put(head, session(&number.to_string()), room.now);
    }
    assert_eq!(room.memory().len(), memory::MAX_PER_HEAD);
    let taken: Vec<_> = std::iter::from_fn(|| room.memory().take(head, room.now)).collect();
    assert_eq!(taken.len(), memory::MAX_PER_HEAD);
    assert_eq!(taken.first(), Some(&session(&(memory::MAX_PER_HEAD + 1).to_string())));
}

#[test]
fn records_of_sessions_that_went_on_do_not_pile_up() {
    let room = Room::new();
    let head = History::of(&room.scope("ann"), &history(&["hi"])).0.head();
    for _ in 0..10_000 {
        room.memory().put(head, session("s"), room.now);
        assert!(room.memory().take(head, room.now).is_some());
    }
    assert!(room.memory().records() < 2_000, "{}", room.memory().records());
}
