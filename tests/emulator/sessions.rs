//! Where sessions are named, what they hold, and how they are denied.

use chipp_proxy::emulator::{Message, Options, Outcome, UnknownSession};
use serde_json::Value;

use crate::apps::{ask, streamed};
use crate::client::{Client, says};
use crate::{emulator, judge, start};

fn started(text: &str) -> Value {
    let events = judge::events(text);
    let values = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let mut starts = values.filter(|event| event["type"] == "start");
    starts.next().unwrap_or_default()
}

#[test]
fn sessions_are_named_where_the_app_names_them() {
    for (app, in_header, in_start, in_event) in [
        ("gpt-4o", true, true, false),
        ("dialect-a", true, false, true),
        ("dialect-b", true, false, true),
        ("header-session-id", true, false, false),
        ("start-session-id", false, true, false),
        ("event-session-id", false, false, true),
        ("event-session-id-a", false, false, true),
        ("event-session-id-b", false, false, true),
        ("late-session-id", false, false, true),
        ("no-session-id", false, false, false),
        ("persisted-message-id-only", false, false, false),
        ("rounds-c", true, true, false),
        ("takeover", true, true, false),
    ] {
        let reply = streamed(app);
        let start = started(reply.text());
        assert_eq!(reply.head.header("x-chat-session-id").is_some(), in_header, "{app}");
        assert_eq!(start["sessionId"].is_string(), in_start, "{app}");
        assert!(start.is_null() || start["messageId"].is_string(), "{app}");
        assert_eq!(reply.text().contains("chatSessionId"), in_event, "{app}");
        assert_eq!(judge::listen(&reply).session.is_some(), in_header || in_start || in_event, "{app}");
    }
    assert!(streamed("persisted-message-id-only").text().contains("persistedMessageId"));
    let late = streamed("late-session-id");
    assert!(late.text().find("chatSessionId") > late.text().find("\"finish\""));
    let after = streamed("metadata-after-finish");
    assert!(after.text().find("promptTokens") > after.text().find("\"finish\""));
    let plain = ask(&emulator(), "no-session-id", false, None, "hi").unwrap();
    assert!(judge::listen(&plain).session.is_some());
}

#[test]
fn the_session_that_is_named_is_the_one_that_is_kept() {
    for app in
        ["gpt-4o", "start-session-id", "rounds-c", "rounds-b", "foreign-session-id", "foreign-session-id-b"]
    {
        let emulator = emulator();
        let reply = ask(&emulator, app, true, None, "hi").unwrap();
        let session = judge::listen(&reply).session.unwrap();
        assert_eq!(emulator.requests()[0].session.as_ref(), Some(&session), "{app}");
        let again = ask(&emulator, app, true, Some(&session), "again").unwrap();
        assert!(judge::listen(&again).text.starts_with("You said first: \"hi\"."), "{app}");
        assert_eq!(emulator.transcript(&session).unwrap().len(), 4, "{app}");
    }
}

#[test]
fn memory_is_lost_where_the_app_loses_it() {
    for (app, second) in [("forgetful", 200), ("missing-session-404", 404), ("forbidden-session-403", 403)] {
        let emulator = emulator();
        let first = ask(&emulator, app, false, None, "hi").unwrap().json();
        let session = first["chatSessionId"].as_str();
        let reply = ask(&emulator, app, false, session, "again").unwrap();
        assert_eq!(reply.head.status, second, "{app}");
        if second == 200 {
            assert_ne!(reply.json()["chatSessionId"].as_str(), session);
            assert_eq!(judge::listen(&reply).text, "Hello! You said: \"again\".");
        } else {
            denied(&reply.json(), second, session.unwrap());
            let unknown = ask(&emulator, app, false, Some("nobody"), "hi").unwrap();
            assert_eq!(unknown.head.status, second);
            denied(&unknown.json(), second, "nobody");
        }
        assert_eq!(emulator.transcript(session.unwrap()).unwrap().len(), 2);
    }
}

/// The backend's own words.
fn denied(body: &Value, status: u16, id: &str) {
    let expected = if status == 404 {
        ("NotFoundError", format!("Chat session with ID '{id}' not found"), "NOT_FOUND")
    } else {
        ("ForbiddenError", "Session does not belong to this application".to_owned(), "FORBIDDEN")
    };
    let text = |key: &str| body[key].as_str().unwrap();
    assert_eq!((text("error"), text("message").to_owned(), text("code")), expected);
    assert!(!text("requestId").is_empty());
    assert_eq!(body.as_object().unwrap().len(), 4);
}

#[test]
fn a_refusing_emulator_tells_unknown_sessions_from_foreign_ones() {
    let emulator = start(Options { unknown_session: UnknownSession::Refuse, ..Options::default() });
    let first = ask(&emulator, "gpt-4o", false, None, "hi").unwrap().json();
    let session = first["chatSessionId"].as_str().unwrap();
    for (app, id, status) in [("gpt-4o", "nobody", 404), ("gpt-4o-mini", session, 403)] {
        for stream in [false, true] {
            let reply = ask(&emulator, app, stream, Some(id), "hi").unwrap();
            assert_eq!(reply.head.status, status, "{app}");
            denied(&reply.json(), status, id);
            assert_eq!(emulator.requests().last().unwrap().outcome, Outcome::Refused(status));
        }
    }
    assert_eq!(emulator.transcript(session).unwrap().len(), 2, "a refusal stores nothing");
    let own = ask(&emulator, "gpt-4o", false, Some(session), "again").unwrap();
    assert_eq!(own.head.status, 200);
}

#[test]
fn what_was_sent_is_stored_without_an_answer_where_there_is_none() {
    for app in
        ["cut-a", "cut-c", "stream-error-c", "tool-error-first", "interrupted", "takeover", "cut-plain"]
    {
        let emulator = emulator();
        let reply = ask(&emulator, app, true, None, "hi").unwrap();
        assert!(!matches!(judge::ends(&reply), chipp_proxy::emulator::Ends::Answer), "{app}");
        let request = &emulator.requests()[0];
        assert!(!request.stored, "{app}");
        let transcript = emulator.transcript(request.session.as_ref().unwrap()).unwrap();
        assert_eq!(transcript, [Message::new("user", "hi")], "{app}");
    }
    for app in ["error-500", "rate-429", "zod-400", "reset-before"] {
        let emulator = emulator();
        let _ = ask(&emulator, app, true, None, "hi");
        assert!(emulator.sessions().is_empty(), "{app}: refused before a run");
    }
    for app in ["error-500-after-store", "reset-after-store", "cut-after-store"] {
        let emulator = emulator();
        let _ = ask(&emulator, app, true, None, "hi");
        assert!(emulator.requests()[0].stored, "{app}");
        assert_eq!(emulator.sessions()[0].messages.len(), 2, "{app}");
    }
}

#[test]
fn a_repeat_after_a_takeover_is_stored_twice() {
    let emulator = emulator();
    let first = ask(&emulator, "takeover", false, None, "hi").unwrap();
    let session = judge::listen(&first).session.unwrap();
    assert_eq!(first.json()["choices"][0]["finish_reason"], "human_takeover");
    assert_eq!(first.json()["choices"][0]["message"]["content"], "");
    ask(&emulator, "takeover", true, Some(&session), "hi").unwrap();
    let hi = Message::new("user", "hi");
    assert_eq!(emulator.transcript(&session).unwrap(), [hi.clone(), hi]);
}

#[test]
fn the_commanded_app_can_be_taken_over_and_goes_on() {
    let emulator = emulator();
    let first = ask(&emulator, "commanded", false, None, "hi").unwrap();
    let session = judge::listen(&first).session;
    let mut client = Client::connect(emulator.addr());
    for (text, messages) in [("act as: takeover", 3), ("act as: cut-c", 4), ("act as: rounds-c", 6)] {
        let reply = client.chat(&says("emu-commanded-1", true, session.as_deref(), text)).unwrap();
        if !reply.complete {
            client = Client::connect(emulator.addr());
        }
        assert_eq!(emulator.transcript(session.as_ref().unwrap()).unwrap().len(), messages, "{text}");
    }
    assert!(emulator.requests().iter().all(|request| request.session == session));
}
