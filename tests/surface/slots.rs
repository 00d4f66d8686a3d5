//! Sessions that do not follow from the history: one for each user (`sticky`), and those that clients know by their
//! ids (`expose`).

use chipp_proxy::emulator::{Options, Received, UnknownSession};
use serde_json::{Value, json};

use crate::support::{Answer, PATIENCE, Proxy, dialogue};

const ANN: (&str, &str) = ("x-user-id", "ann");
const BOB: (&str, &str) = ("x-user-id", "bob");

fn sticky() -> Proxy {
    Proxy::with("auth: {mode: open}\nsessions: {strategy: sticky}", Options::default())
}

fn exposing() -> Proxy {
    Proxy::with("auth: {mode: open}\nsessions: {expose: true}", Options::default())
}

fn say(proxy: &Proxy, text: &str, headers: &[(&str, &str)]) -> Answer {
    proxy.chat_with(&dialogue("gpt-4o", &[text]), headers)
}

fn outcome(answer: &Answer) -> &str {
    answer.header("x-chipp-session")
}

fn last(proxy: &Proxy) -> Received {
    proxy.emulator.requests().pop().unwrap()
}

fn texts(request: &Received) -> Vec<&str> {
    request.messages.iter().map(|message| message.content.as_ref()).collect()
}

#[test]
fn who_sends_only_what_is_new_has_one_session() {
    let proxy = sticky();
    assert_eq!(outcome(&say(&proxy, "one", &[ANN])), "new");
    assert_eq!(outcome(&say(&proxy, "two", &[ANN])), "continued");
    let third = proxy.chat_with(&dialogue("gpt-4o", &["one", "something", "three"]), &[ANN]);
    assert_eq!(outcome(&third), "continued");
    assert_eq!(texts(&last(&proxy)), ["three"], "what came before an answer is held already");
    let held = proxy.emulator.transcript(last(&proxy).session.as_ref().unwrap()).unwrap();
    let said: Vec<_> =
        held.iter().filter(|message| message.role == "user").map(|told| &*told.content).collect();
    assert_eq!(said, ["one", "two", "three"]);

    assert_eq!(outcome(&say(&proxy, "one", &[BOB])), "new", "another user");
    let chat = [ANN, ("x-conversation-id", "c")];
    assert_eq!(outcome(&say(&proxy, "one", &chat)), "new", "another conversation");
    assert_eq!(outcome(&say(&proxy, "two", &chat)), "continued");
    assert_eq!(proxy.emulator.sessions().len(), 3);
}

#[test]
fn the_opening_is_said_once_and_another_one_is_another_session() {
    let proxy = sticky();
    let ask = |system: &str, text: &str| {
        let messages = json!([{"role": "system", "content": system}, {"role": "user", "content": text}]);
        proxy.chat_with(&json!({"model": "gpt-4o", "messages": messages}), &[ANN])
    };
    assert_eq!(outcome(&ask("Be brief.", "one")), "new");
    assert_eq!(outcome(&ask("Be brief.", "two")), "continued");
    assert_eq!(texts(&last(&proxy)), ["two"]);
    assert_eq!(outcome(&ask("Be kind.", "three")), "new");
    assert_eq!(outcome(&ask("Be brief.", "four")), "continued");
}

#[test]
fn without_a_name_it_goes_by_the_history() {
    let proxy = sticky();
    let first = say(&proxy, "one", &[]);
    assert_eq!(outcome(&first), "new");
    assert_eq!(outcome(&say(&proxy, "two", &[])), "new");
    let next = proxy.chat(&dialogue("gpt-4o", &["one", first.content(), "and now?"]));
    assert_eq!(outcome(&next), "continued");
}

#[test]
fn one_turn_at_a_time_and_the_next_waits() {
    let proxy = sticky();
    let gated = |stream: bool| {
        let mut body = dialogue("gated", &["hi"]);
        body["stream"] = json!(stream);
        body
    };
    let (first, second) = std::thread::scope(|threads| {
        let ask = || threads.spawn(|| proxy.chat_with(&gated(false), &[ANN]));
        let first = ask();
        let arrived = proxy.emulator.wait_for(|state| state.requests().count() == 1, PATIENCE);
        assert!(arrived);
        let second = ask();
        proxy.emulator.open_wide("hi");
        (first.join().unwrap(), second.join().unwrap())
    });
    let mut outcomes = [outcome(&first), outcome(&second)];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["continued", "new"]);

    // Who leaves in mid-stream leaves nothing in use.
    let proxy = sticky();
    assert_eq!(outcome(&say(&proxy, "one", &[ANN])), "new");
    proxy.emulator.open("hi");
    let mut events = proxy.stream_with(&gated(true), &[BOB]);
    events.next_text();
    drop(events);
    proxy.emulator.open_wide("hi");
    assert_eq!(proxy.chat_with(&gated(false), &[BOB]).status, 200);
}

#[test]
fn who_waits_too_long_is_told_so() {
    let proxy = sticky();
    proxy.emulator.open("hi");
    let mut body = dialogue("gated", &["hi"]);
    body["stream"] = json!(true);
    let mut events = proxy.stream_with(&body, &[ANN]);
    events.next_text();
    let refused = proxy.chat_with(&dialogue("gated", &["hi"]), &[ANN]);
    assert_eq!((refused.status, refused.code()), (409, "session_busy"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(proxy.emulator.requests().len(), 1, "nothing of it reached Chipp");
    proxy.emulator.open_wide("hi");
    assert!(events.read().done);
    assert_eq!(outcome(&proxy.chat_with(&dialogue("gated", &["hi"]), &[ANN])), "continued");
}

#[test]
fn a_sticky_session_outlives_doubt() {
    let proxy = sticky();
    say(&proxy, "one", &[ANN]);
    let mut body = dialogue("gpt-4o", &["two"]);
    body["max_tokens"] = json!(1);
    assert_eq!(outcome(&proxy.chat_with(&body, &[ANN])), "continued");
    let after = say(&proxy, "three", &[ANN]);
    assert_eq!(outcome(&after), "continued", "a cut answer is an answer");

    let ask = |text: &str| proxy.chat_with(&dialogue("commanded", &[text]), &[BOB]);
    assert_eq!(outcome(&ask("one")), "new");
    assert_eq!(ask("act as: error-500-after-store").status, 502);
    assert_eq!(outcome(&ask("two")), "continued", "nobody else knows the conversation");
    proxy.emulator.forget_sessions();
    assert_eq!(outcome(&ask("three")), "replayed");
    assert_eq!(outcome(&ask("four")), "continued");
}

#[test]
fn a_request_can_begin_anew_or_leave_sessions_alone() {
    let proxy = sticky();
    say(&proxy, "one", &[ANN]);
    assert_eq!(outcome(&say(&proxy, "aside", &[ANN, ("x-chipp-session", "off")])), "stateless");
    assert_eq!(outcome(&say(&proxy, "two", &[ANN])), "continued");
    let old = last(&proxy).session;
    assert_eq!(outcome(&say(&proxy, "three", &[ANN, ("x-chipp-session", "new")])), "new");
    let new = last(&proxy).session;
    assert_ne!(new, old);
    assert_eq!(outcome(&say(&proxy, "four", &[ANN])), "continued");
    assert_eq!(last(&proxy).session, new);
}

#[test]
fn ids_are_told_only_where_that_is_wanted() {
    let plain = Proxy::start();
    assert_eq!(say(&plain, "hi", &[]).header("x-chat-session-id"), "");
    let named = say(&plain, "hi", &[("x-chat-session-id", "anything")]);
    assert_eq!((named.status, outcome(&named)), (200, "new"), "without it the header says nothing");

    let proxy = exposing();
    let first = say(&proxy, "hi", &[]);
    let id = last(&proxy).session.unwrap();
    assert_eq!(first.header("x-chat-session-id"), id);
    let mut body = dialogue("gpt-4o", &["hi", first.content(), "and now?"]);
    body["stream"] = json!(true);
    let second = proxy.stream(&body);
    assert_eq!((second.header("x-chipp-session"), second.header("x-chat-session-id")), ("continued", &*id));
    assert!(second.read().done);
    let off = say(&proxy, "hi", &[("x-chipp-session", "off")]);
    assert_eq!(off.header("x-chat-session-id"), "", "nothing to come back to");
}

#[test]
fn a_client_may_come_back_with_the_id_of_its_session() {
    let proxy = exposing();
    let first = say(&proxy, "one", &[ANN]);
    let id = first.header("x-chat-session-id").to_owned();
    for text in ["two", "three"] {
        let next = say(&proxy, text, &[ANN, ("x-chat-session-id", &id)]);
        assert_eq!((outcome(&next), next.header("x-chat-session-id")), ("continued", &*id));
        assert_eq!((texts(&last(&proxy)), last(&proxy).session), (vec![text], Some(id.clone())));
    }
    // What it holds is not what this history says: by its history it is not found any more.
    let by_history = proxy.chat_with(&dialogue("gpt-4o", &["one", first.content(), "and now?"]), &[ANN]);
    assert_eq!(outcome(&by_history), "replayed");
}

#[test]
fn a_foreign_or_unknown_id_is_refused_before_chipp_hears_of_it() {
    let proxy = exposing();
    let id = say(&proxy, "one", &[ANN]).header("x-chat-session-id").to_owned();
    let foreign = say(&Proxy::start(), "hi", &[]);
    assert_eq!(foreign.status, 200);
    let sent = proxy.emulator.requests().len();
    let tries: [&[(&str, &str)]; 5] = [
        &[BOB, ("x-chat-session-id", &id)],
        &[("x-chat-session-id", &id)],
        &[ANN, ("x-conversation-id", "c"), ("x-chat-session-id", &id)],
        &[ANN, ("x-chat-session-id", "0192f0c1-7b1e-7c3a-9f51-2f6d1c0a9b77")],
        &[ANN, ("x-chat-session-id", "two words")],
    ];
    for headers in tries {
        let refused = say(&proxy, "two", headers);
        assert_eq!((refused.status, refused.code()), (404, "session_not_found"), "{headers:?}");
        assert!(!refused.text.contains(&id));
    }
    let other_app = proxy.chat_with(&dialogue("dialect-b", &["two"]), &[ANN, ("x-chat-session-id", &id)]);
    assert_eq!(other_app.status, 404);
    assert_eq!(proxy.emulator.requests().len(), sent);
    assert_eq!(outcome(&say(&proxy, "two", &[ANN, ("x-chat-session-id", &id)])), "continued");
}

#[test]
fn a_session_in_use_is_not_used_by_its_id_and_after_doubt_it_is_again() {
    let proxy = exposing();
    let ask = |texts: &[&str]| -> Value { dialogue("commanded", texts) };
    let first = proxy.chat_with(&ask(&["hi"]), &[ANN]);
    let id = first.header("x-chat-session-id").to_owned();
    let mut body = ask(&["hi", first.content(), "act as: gated 1"]);
    body["stream"] = json!(true);
    proxy.emulator.open("act as: gated 1");
    let mut events = proxy.stream_with(&body, &[ANN]);
    assert_eq!(events.header("x-chipp-session"), "continued");
    events.next_text();
    let named = [ANN, ("x-chat-session-id", id.as_str())];
    let busy = proxy.chat_with(&ask(&["and now?"]), &named);
    assert_eq!((busy.status, busy.code()), (409, "session_busy"));

    drop(events);
    let left = proxy.emulator.wait_for(
        |state| state.requests().all(|request| request.outcome != chipp_proxy::emulator::Outcome::Running),
        PATIENCE,
    );
    assert!(left);
    // Dropped by the one who found it by its history, it is still the client's to name.
    let mut again = proxy.chat_with(&ask(&["and now?"]), &named);
    while again.status == 409 {
        again = proxy.chat_with(&ask(&["and now?"]), &named);
    }
    assert_eq!((again.status, outcome(&again)), (200, "continued"));
}

#[test]
fn a_named_session_that_chipp_has_forgotten_is_replaced() {
    let options = Options { unknown_session: UnknownSession::StartNew, ..Options::default() };
    let proxy = Proxy::with("auth: {mode: open}\nsessions: {expose: true}", options);
    let id = say(&proxy, "one", &[ANN]).header("x-chat-session-id").to_owned();
    proxy.emulator.forget_sessions();
    let next = say(&proxy, "two", &[ANN, ("x-chat-session-id", &id)]);
    let new = next.header("x-chat-session-id").to_owned();
    assert_eq!(next.status, 200);
    assert_ne!(new, id);
    assert_eq!(outcome(&say(&proxy, "three", &[ANN, ("x-chat-session-id", &new)])), "continued");
    assert_eq!(say(&proxy, "three", &[ANN, ("x-chat-session-id", &id)]).status, 404);
}
