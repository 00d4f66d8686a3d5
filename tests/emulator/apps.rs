//! Each app shows the behaviour that the table promises.

use std::collections::HashSet;

use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Emulator, Ends, Outcome, describe};

use crate::client::{Client, PATIENCE, Reply, chat_request, says};
use crate::{emulator, judge};

/// A fresh connection's reply to one message.
fn ask(
    emulator: &Emulator,
    app: &str,
    stream: bool,
    session: Option<&str>,
    text: &str,
) -> std::io::Result<Reply> {
    Client::connect(emulator.addr()).chat(&says(&format!("emu-{app}-1"), stream, session, text))
}

fn streamed(app: &str) -> Reply {
    ask(&emulator(), app, true, None, "hello there").unwrap()
}

#[test]
fn every_app_ends_as_the_table_says() {
    let names: HashSet<_> = BEHAVIOURS.iter().map(|behaviour| behaviour.name).collect();
    assert_eq!(names.len(), BEHAVIOURS.len(), "names are unique");
    for behaviour in BEHAVIOURS {
        assert_eq!(behaviour.app, format!("emu-{}-1", behaviour.name));
        for (stream, ends) in [(false, behaviour.plain), (true, behaviour.streamed)] {
            check(behaviour, stream, ends);
        }
    }
}

fn check(behaviour: &Behaviour, stream: bool, ends: Ends) {
    let name = behaviour.name;
    let emulator = emulator();
    emulator.open_wide("hello there");
    if ends == Ends::Never {
        let mut client = Client::connect(emulator.addr());
        client.send(chat_request(&says(behaviour.app, stream, None, "hello there"), ""));
        assert!(emulator.wait_for(|state| state.requests().len() == 1, PATIENCE), "{name}");
        drop(client);
        let left = |outcome| outcome == Outcome::ClientLeft;
        assert!(
            emulator.wait_for(|state| state.requests().all(|request| left(request.outcome)), PATIENCE),
            "{name}"
        );
        return;
    }
    let mut client = Client::connect(emulator.addr());
    let reply = client.chat(&says(behaviour.app, stream, None, "hello there"));
    let over = |outcome| outcome != Outcome::Running;
    assert!(
        emulator.wait_for(|state| state.requests().all(|request| over(request.outcome)), PATIENCE),
        "{name}"
    );
    let seen = reply.as_ref().map_or(Ends::Broken, judge::ends);
    let request = &emulator.requests()[0];
    let (outcome, stored) = (request.outcome, request.stored);
    match ends {
        Ends::RefusedOnce(_) | Ends::BrokenOnce => {
            let first =
                if let Ends::RefusedOnce(status) = ends { Ends::Refused(status) } else { Ends::Broken };
            assert_eq!(seen, first, "{name} {stream}");
            let again = ask(&emulator, name, stream, None, "hello there").unwrap();
            assert_eq!(judge::ends(&again), Ends::Answer, "{name} {stream}");
        }
        _ => assert_eq!(seen, ends, "{name} {stream} {reply:?}"),
    }
    let expected = match ends {
        Ends::Answer | Ends::Empty => Outcome::Answered,
        Ends::Refused(status) | Ends::RefusedOnce(status) => Outcome::Refused(status),
        Ends::Broken | Ends::BrokenOnce | Ends::Never => Outcome::Broken,
    };
    assert_eq!(outcome, expected, "{name} {stream}");
    if expected == Outcome::Answered {
        assert!(stored, "{name} {stream}");
    }
    if ends == Ends::Answer && !["relative-link", "long-answer"].contains(&name) {
        let text = judge::listen(&reply.unwrap()).text;
        assert!(text.starts_with("Hello! You said: \"hello there\"."), "{name} {stream} {text}");
    }
}

#[test]
fn the_commanded_app_acts_as_it_is_told_in_one_session() {
    let emulator = emulator();
    let first = ask(&emulator, "commanded", false, None, "hi").unwrap();
    let session = first.json()["chatSessionId"].as_str().unwrap().to_owned();
    let told = ask(&emulator, "commanded", false, Some(&session), "act as: rate-429 now");
    assert_eq!(told.unwrap().head.status, 429);
    let unknown = ask(&emulator, "commanded", false, Some(&session), "act as: nobody");
    assert_eq!(judge::ends(&unknown.unwrap()), Ends::Answer);
    assert_eq!(emulator.transcript(&session).unwrap().len(), 4);
    for status in [503, 200, 503] {
        let told = ask(&emulator, "commanded", false, None, "act as: once-503 now").unwrap();
        assert_eq!(told.head.status, status);
    }
    for (session, status) in [(Some(&*session), 429), (None, 429), (Some(&*session), 200), (None, 200)] {
        let told = ask(&emulator, "commanded", false, session, "act as: once-429 now").unwrap();
        assert_eq!(told.head.status, status, "what is heard counts, with what the session holds");
    }
    let other = ask(&emulator, "gpt-4o", false, None, "act as: rate-429").unwrap();
    assert_eq!(other.head.status, 200, "only the commanded app obeys");
}

#[test]
fn the_table_can_be_read() {
    let table = describe();
    assert_eq!(table.lines().count(), BEHAVIOURS.len());
    assert!(table.lines().all(|line| line.contains("emu-")));
}

#[test]
fn failing_apps_store_the_turn_only_where_the_name_says_so() {
    for behaviour in BEHAVIOURS.iter().filter(|behaviour| behaviour.streamed == Ends::Broken) {
        // This one replies in full; only the way is bad.
        if behaviour.name == "unframed" {
            continue;
        }
        let emulator = emulator();
        let _ = ask(&emulator, behaviour.name, true, None, "hi");
        let stored = emulator.requests()[0].stored;
        assert_eq!(stored, behaviour.name.ends_with("after-store"), "{}", behaviour.name);
    }
    let emulator = emulator();
    for app in ["error-500", "error-500-after-store"] {
        ask(&emulator, app, false, None, "hi").unwrap();
    }
    let stored: Vec<_> = emulator.requests().iter().map(|request| request.stored).collect();
    assert_eq!(stored, [false, true]);
    assert_eq!(emulator.sessions()[0].messages.len(), 2);
}

#[test]
fn the_dialects_are_written_as_documented() {
    let a = streamed("dialect-a");
    let events: Vec<_> = a.text().split_terminator("\n\n").collect();
    assert_eq!(a.chunks.len(), events.len() + usize::from(events.is_empty()));
    assert!(events[events.len() - 2].contains(r#""delta":{},"finish_reason":"stop""#));
    assert_eq!(events.last(), Some(&"data: [DONE]"));
    assert!(!a.text().contains("role") && !a.text().contains("usage"));

    let b = streamed("dialect-b");
    assert_eq!(b.head.header("x-vercel-ai-data-stream"), Some("v1"));
    let codes: String = b.text().lines().map(|line| &line[..1]).collect();
    assert_eq!(codes, "f200000ed");

    let c = streamed("dialect-c");
    let order = [
        "\"start\"",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "\"finish\"",
        "[DONE]",
    ];
    let places: Vec<_> = order.iter().map(|word| c.text().find(word).unwrap()).collect();
    assert!(places.is_sorted(), "{}", c.text());
}

#[test]
fn split_streams_are_split_inside_letters() {
    for app in ["split-a", "split-b", "split-utf8"] {
        let reply = streamed(app);
        assert!(reply.chunks.iter().all(|size| *size == 1), "{app}");
        assert!(judge::listen(&reply).text.contains("日本語 \u{1f980}"), "{app}");
    }
    let lines = streamed("crlf");
    assert_eq!(lines.text().matches('\n').count(), lines.text().matches("\r\n").count());
}

#[test]
fn sessions_are_named_where_the_app_names_them() {
    let (header, event) = ("x-chat-session-id", "chatSessionId");
    for (app, in_header, in_event) in [
        ("gpt-4o", true, true),
        ("header-session-id", true, false),
        ("event-session-id", false, true),
        ("event-session-id-a", false, true),
        ("event-session-id-b", false, true),
        ("late-session-id", false, true),
        ("no-session-id", false, false),
        ("persisted-message-id-only", false, false),
    ] {
        let reply = streamed(app);
        assert_eq!(reply.head.header(header).is_some(), in_header, "{app}");
        assert_eq!(reply.text().contains(event), in_event, "{app}");
    }
    assert!(streamed("persisted-message-id-only").text().contains("persistedMessageId"));
    let late = streamed("late-session-id");
    assert!(late.text().find(event) > late.text().find("\"finish\""));
    let after = streamed("metadata-after-finish");
    assert!(after.text().find("promptTokens") > after.text().find("\"finish\""));
    let plain = ask(&emulator(), "no-session-id", false, None, "hi").unwrap();
    assert!(judge::listen(&plain).session.is_some());
}

#[test]
fn plain_replies_take_their_forms() {
    let emulator = emulator();
    let reply = |app: &str| ask(&emulator, app, false, None, "hi").unwrap().json();
    assert!(reply("null-usage")["usage"]["completion_tokens"].is_null());
    assert!(reply("no-usage").get("usage").is_none());
    assert_eq!(reply("empty-choices")["choices"].as_array().map(Vec::len), Some(0));
    assert_eq!(reply("empty-content")["choices"][0]["message"]["content"], "");
    assert_eq!(reply("sparse-reply").as_object().unwrap().len(), 2);
    assert_eq!(reply("finish-length")["choices"][0]["finish_reason"], "length");
    assert_eq!(reply("content-filter")["choices"][0]["finish_reason"], "content_filter");
    let unsaid = reply("empty-but-stored");
    let stored = emulator.transcript(unsaid["chatSessionId"].as_str().unwrap()).unwrap();
    assert_eq!(&*stored[1].content, "Hello! You said: \"hi\".");
    let limited = ask(&emulator, "rate-429", false, None, "hi").unwrap();
    assert_eq!(limited.head.header("retry-after"), Some("2"));
}

#[test]
fn memory_is_lost_where_the_app_loses_it() {
    for (app, second) in [("forgetful", 200), ("missing-session-404", 404)] {
        let emulator = emulator();
        let first = ask(&emulator, app, false, None, "hi").unwrap().json();
        let session = first["chatSessionId"].as_str();
        let reply = ask(&emulator, app, false, session, "again").unwrap();
        assert_eq!(reply.head.status, second, "{app}");
        if second == 200 {
            assert_ne!(reply.json()["chatSessionId"].as_str(), session);
            assert_eq!(judge::listen(&reply).text, "Hello! You said: \"again\".");
        }
        assert_eq!(emulator.transcript(session.unwrap()).unwrap().len(), 2);
    }
}

#[test]
fn an_interim_head_comes_alone() {
    let emulator = emulator();
    let mut client = Client::connect(emulator.addr());
    client.send(chat_request(&says("emu-interim-103-1", true, None, "hi"), ""));
    assert_eq!(client.head().unwrap().status, 103);
    let reply = client.reply().unwrap();
    assert_eq!(judge::listen(&reply).text, "Hello! You said: \"hi\".");
}

#[test]
fn an_unframed_reply_has_all_its_bytes() {
    for stream in [false, true] {
        let reply = ask(&emulator(), "unframed", stream, None, "hi").unwrap();
        assert!(reply.chunks.is_empty() && reply.head.header("content-length").is_none());
        assert_eq!(judge::listen(&reply).text, "Hello! You said: \"hi\".");
    }
}

#[test]
fn a_reset_is_a_reset() {
    for app in ["reset-before", "reset-after-store"] {
        let error = ask(&emulator(), app, true, None, "hi").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{app}");
    }
}
