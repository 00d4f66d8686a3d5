//! Answers that come by another way than they were asked for: empty ones, and the first turn of a conversation.

use chipp_proxy::emulator::Options;
use serde_json::{Value, json};

use crate::support::{Proxy, dialogue};

fn proxy(upstream: &str) -> Proxy {
    Proxy::with_sections("", upstream, "auth: {mode: open}", Options::default())
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

#[test]
fn empty_replies_are_returned_as_they_are() {
    let proxy = Proxy::start();
    for name in ["empty-content", "empty-choices", "empty-but-stored"] {
        let body = dialogue(name, &["hi"]);
        assert_eq!(proxy.chat(&body).content(), "", "{name}");
        let told = proxy.stream(&streamed(body)).read();
        assert!(told.done && told.content.is_empty(), "{name}: {told:?}");
    }
}

#[test]
fn empty_replies_can_be_errors() {
    let proxy = proxy("empty_reply: error, ");
    for name in ["empty-content", "empty-choices", "empty-but-stored"] {
        let body = dialogue(name, &["hi"]);
        let answers = [proxy.chat(&body), proxy.stream(&streamed(body)).into_answer()];
        for answer in answers {
            assert_eq!((answer.status, answer.code()), (502, "empty_reply"), "{name}");
            assert_eq!(answer.header("x-should-retry"), "false");
        }
    }
    assert_eq!(proxy.emulator.requests().len(), 6, "nothing is asked twice");
}

#[test]
fn empty_replies_are_looked_for_in_the_transcript() {
    let proxy = proxy("empty_reply: transcript, ");
    let body = dialogue("empty-but-stored", &["hi"]);
    let first = proxy.chat(&body);
    assert!(!first.content().is_empty());
    let told = proxy.stream(&streamed(body)).read();
    assert!(told.done);
    assert_eq!(told.content, first.content());

    // What was found is what the session holds.
    let next = proxy.chat(&dialogue("empty-but-stored", &["hi", first.content(), "and now?"]));
    assert_eq!(next.header("x-chipp-session"), "continued");
    assert!(!next.content().is_empty());

    for name in ["empty-content", "empty-choices"] {
        let body = dialogue(name, &["hi"]);
        assert_eq!(proxy.chat(&body).code(), "empty_reply", "{name}");
        assert_eq!(proxy.stream(&streamed(body)).into_answer().code(), "empty_reply", "{name}");
    }
    assert_eq!(proxy.emulator.requests().len(), 7, "nothing is asked twice");
}

#[test]
fn a_first_turn_that_is_fetched_whole_is_known_by_its_session() {
    let proxy = proxy("learn_session: buffer_first, ");
    for name in ["no-session-id", "persisted-message-id-only", "late-session-id", "dialect-b"] {
        let first = proxy.stream(&streamed(dialogue(name, &["hi"])));
        assert_eq!(first.header("x-chipp-session"), "new", "{name}");
        let first = first.read();
        assert!(first.done && first.finish_reason.as_deref() == Some("stop"), "{name}: {first:?}");
        let body = streamed(dialogue(name, &["hi", &first.content, "and now?"]));
        let second = proxy.stream(&body);
        assert_eq!(second.header("x-chipp-session"), "continued", "{name}");
        assert!(second.read().done);
        let streams: Vec<_> =
            proxy.emulator.requests().iter().rev().take(2).map(|sent| sent.stream).collect();
        assert_eq!(streams, [true, false], "{name}: the newest first");
    }
    // A stream that is not to be remembered has nothing to learn.
    let headers = [("x-chipp-session", "off")];
    assert!(proxy.stream_with(&streamed(dialogue("dialect-b", &["hi"])), &headers).read().done);
    assert!(proxy.emulator.requests().last().unwrap().stream);
}

#[test]
fn a_first_turn_that_is_fetched_whole_is_streamed_in_pieces_and_cut_as_any_other() {
    let proxy = proxy("learn_session: buffer_first, ");
    let text = "ą few words. ".repeat(40);
    let body = streamed(dialogue("gpt-4o", &[&format!("Repeat exactly: {text}|")]));
    let told = proxy.stream(&body).read();
    assert_eq!(told.content, format!("{text}|"));
    assert!(told.chunks.len() > 5, "{}", told.chunks.len());

    let mut cut = body.clone();
    cut["stop"] = json!(["words"]);
    let told = proxy.stream(&cut).read();
    assert_eq!((told.content.as_str(), told.done), ("ą few ", true));
}

#[test]
fn a_session_that_was_forgotten_is_learnt_anew() {
    let proxy = proxy("learn_session: buffer_first, ");
    let first = proxy.stream(&streamed(dialogue("no-session-id", &["hi"]))).read();
    proxy.emulator.forget_sessions();
    let mut texts = vec!["hi".to_owned(), first.content, "and now?".to_owned()];
    let ask = |texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        proxy.chat(&dialogue("no-session-id", &texts))
    };
    let second = ask(&texts);
    assert_eq!(second.header("x-chipp-session"), "replayed");
    texts.extend([second.content().to_owned(), "and then?".to_owned()]);
    assert_eq!(ask(&texts).header("x-chipp-session"), "continued");
}
