//! Connections, requests, sessions, and what can be observed of them.

use std::time::Duration;

use chipp_proxy::emulator::{Emulator, Keys, Message, Options, Outcome, State, Strictness, Writes};

use crate::client::{Client, PATIENCE, chat_request, says};
use crate::{emulator, judge, start};

const APP: &str = "emu-gpt-4o-1";

fn client(emulator: &Emulator) -> Client {
    Client::connect(emulator.addr())
}

#[test]
fn a_conversation_is_remembered_and_observed() {
    let emulator = emulator();
    let mut client = client(&emulator);
    let first = client.chat(&says(APP, false, None, "hi")).unwrap().json();
    let session = first["chatSessionId"].as_str().unwrap();
    assert_eq!(first["choices"][0]["message"]["content"], "Hello! You said: \"hi\".");
    assert_eq!(first["model"], APP);
    assert_eq!(
        first["usage"]["total_tokens"].as_u64(),
        Some(
            first["usage"]["prompt_tokens"].as_u64().unwrap()
                + first["usage"]["completion_tokens"].as_u64().unwrap()
        )
    );

    let correlated = format!("x-correlation-id: c-1\r\nX-Chat-Session-ID: {session}\r\n");
    client.send(chat_request(&says(APP, true, Some(session), "and now?"), &correlated));
    let second = client.reply().unwrap();
    let heard = judge::listen(&second);
    assert_eq!(
        heard.text,
        "You said first: \"hi\". You now say: \"and now?\". That is message 2 of this conversation."
    );
    assert_eq!(heard.session.as_deref(), Some(session));

    let requests = emulator.requests();
    assert_eq!(requests.len(), 2);
    let [one, two] = &requests[..] else { unreachable!() };
    assert_eq!((one.known, one.stored, one.outcome), (false, true, Outcome::Answered));
    assert_eq!((two.known, two.stored, two.outcome), (true, true, Outcome::Answered));
    assert_eq!(one.session.as_deref(), Some(session));
    assert_eq!(two.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(two.header_session, two.body_session);
    assert_eq!(two.key, "key");
    assert!(two.stream && two.header_names.contains(&"x-correlation-id".to_owned()));
    assert_eq!(two.messages, [Message::new("user", "and now?")]);
    assert_eq!(two.before.len(), 2);
    assert_eq!(two.heard().len(), 3);
    let transcript = emulator.transcript(session).unwrap();
    assert_eq!(transcript[..3], two.heard());
    assert_eq!(transcript[3], Message::new("assistant", heard.text));
    assert_eq!(emulator.sessions()[0].messages, transcript);

    emulator.clear();
    assert!(emulator.requests().is_empty() && emulator.sessions().is_empty());
}

#[test]
fn the_transcript_has_an_endpoint() {
    let emulator = emulator();
    let mut client = client(&emulator);
    let reply = client.chat(&says(APP, false, None, "hi")).unwrap().json();
    let session = reply["chatSessionId"].as_str().unwrap();
    let get = |path: &str, key: &str| {
        format!(
            "GET /api/v1/chat/transcript/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
        )
    };
    client.send(get(session, "key"));
    let transcript = client.reply().unwrap().json();
    assert_eq!(transcript["sessionId"], session);
    assert_eq!(transcript["messageCount"], 2);
    assert_eq!(transcript["userMessageCount"], 1);
    assert_eq!(transcript["botMessageCount"], 1);
    assert_eq!(transcript["messages"][1]["role"], "assistant");
    assert!(transcript["messages"][0]["timestamp"].as_str().unwrap().ends_with('Z'));
    for (path, key, status) in [("nobody", "key", 404), (session, "other", 404), (session, "", 401)] {
        client.send(get(path, key));
        assert_eq!(client.reply().unwrap().head.status, status, "{path} {key}");
    }
}

#[test]
fn sessions_belong_to_one_app_and_key() {
    let emulator = emulator();
    let mut client = client(&emulator);
    let reply = client.chat(&says(APP, false, None, "hi")).unwrap().json();
    let session = reply["chatSessionId"].as_str().unwrap();
    let foreign = says("emu-gpt-4o-mini-1", false, Some(session), "hi");
    for body in [foreign, says(APP, false, Some("nobody"), "hi")] {
        let other = client.chat(&body).unwrap().json();
        assert_ne!(other["chatSessionId"], session);
    }
    let other_key =
        chat_request(&says(APP, false, Some(session), "hi"), "").replace("Bearer key", "Bearer key2");
    client.send(other_key);
    assert_ne!(client.reply().unwrap().json()["chatSessionId"], session);
    assert!(emulator.requests().iter().all(|request| !request.known));
    emulator.forget_sessions();
    let forgotten = client.chat(&says(APP, false, Some(session), "hi")).unwrap().json();
    assert_ne!(forgotten["chatSessionId"], session);
}

#[test]
fn keys_and_bodies_are_refused_in_the_documented_words() {
    let emulator = start(Options {
        keys: Keys::PerApp(vec![(APP.into(), "key".into()), ("emu-dialect-a-1".into(), "key-a".into())]),
        ..Options::default()
    });
    let mut client = client(&emulator);
    let good = chat_request(&says(APP, false, None, "hi"), "");
    let unknown = chat_request(&says("invalidapp-999", false, None, "hi"), "");
    let differing = chat_request(&says(APP, false, Some("a"), "hi"), "x-chat-session-id: b\r\n");
    let extra = chat_request(r#"{"model":"x","messages":[{"role":"user","content":"x"}],"n":1}"#, "");
    for (request, status, text) in [
        (good.replace("authorization", "x-nothing"), 401, "Missing API key"),
        (good.replace("Bearer key", "Bearer nobodys"), 401, "Invalid API key"),
        (good.replace("Bearer key", "Bearer key-a"), 401, "Invalid API key"),
        (unknown, 404, "Unknown model \"invalidapp-999\""),
        (chat_request("{}", ""), 400, "`model` is required and must be a string"),
        (chat_request(r#"{"model":"x","messages":[]}"#, ""), 400, "`messages` must be a non-empty array"),
        (differing, 400, "`chatSessionId` and X-Chat-Session-ID differ"),
        (extra, 400, "`n` is not documented; the fields are model, messages, stream, chatSessionId"),
        (good.replace("application/json", "text/plain"), 400, "Content-Type must be application/json"),
    ] {
        client.send(&request);
        let reply = client.reply().unwrap();
        assert_eq!((reply.head.status, &reply.json()["error"]), (status, &text.into()), "{request}");
        assert_eq!(emulator.requests().last().unwrap().outcome, Outcome::Refused(status));
    }
    client.send(good);
    assert_eq!(client.reply().unwrap().head.status, 200);
    client.send("POST /nowhere HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.reply().unwrap().head.status, 404);
    client.send("GET /chat/completions HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.reply().unwrap().head.status, 405);
}

#[test]
fn a_lenient_emulator_takes_what_a_strict_one_refuses() {
    let body =
        format!(r#"{{"model":"{APP}","messages":[{{"role":"tool","content":null}}],"temperature":1}}"#);
    for (strict, status) in [(Strictness::Strict, 400), (Strictness::Lenient, 200)] {
        let emulator = start(Options { strict, ..Options::default() });
        assert_eq!(client(&emulator).chat(&body).unwrap().head.status, status);
    }
}

#[test]
fn requests_may_be_pipelined_chunked_and_awaiting_a_100() {
    let emulator = emulator();
    let mut client = client(&emulator);
    let ask = |text: &str| chat_request(&says(APP, false, None, &format!("repeat exactly: {text}")), "");
    client.send(ask("one") + &ask("two"));
    let body = says(APP, false, None, "repeat exactly: three");
    let (left, right) = body.split_at(7);
    let head = ask("").split("content-length").next().unwrap().to_owned();
    client.send(format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{left}\r\n{:x};x=y\r\n{right}\r\n0\r\n\r\n",
        left.len(),
        right.len()
    ));
    for expected in ["one", "two", "three"] {
        assert_eq!(judge::listen(&client.reply().unwrap()).text, expected);
    }
    client.send(format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len()));
    assert_eq!(client.head().unwrap().status, 100);
    client.send(&body);
    assert_eq!(judge::listen(&client.reply().unwrap()).text, "three");
    client.send(ask("bye").replace("host: x", "connection: close"));
    assert_eq!(judge::listen(&client.reply().unwrap()).text, "bye");
    assert!(client.at_end());
}

#[test]
fn what_is_too_large_or_no_http_is_refused_and_the_connection_closed() {
    let emulator = emulator();
    for (request, status) in [
        ("POST / HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n".to_owned(), 413),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(70_000)), 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = client(&emulator);
        client.send(&request);
        assert_eq!(client.reply().unwrap().head.status, status);
        assert!(client.at_end());
    }
}

#[test]
fn a_gated_stream_waits_for_its_gate() {
    let emulator = emulator();
    let mut client = client(&emulator);
    client.send(chat_request(&says("emu-gated-1", true, None, "wait"), ""));
    assert_eq!(client.head().unwrap().status, 200);
    client.read_until("text-start");
    emulator.open("another");
    emulator.open("wait");
    client.read_until("Hello!");
    assert_eq!(emulator.requests()[0].outcome, Outcome::Running);
    assert!(!emulator.requests()[0].stored);
    emulator.open_wide("wait");
    client.read_until("[DONE]");
    assert_eq!(emulator.requests()[0].outcome, Outcome::Answered);
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let emulator = emulator();
    let mut leaver = client(&emulator);
    leaver.send(chat_request(&says("emu-gated-1", true, None, "wait"), ""));
    assert_eq!(leaver.head().unwrap().status, 200);
    let left = |state: &State| state.requests().any(|request| request.outcome == Outcome::ClientLeft);
    assert!(!emulator.wait_for(left, Duration::from_millis(1)));
    drop(leaver);
    assert!(emulator.wait_for(left, PATIENCE));
    let request = &emulator.requests()[0];
    assert!(!request.stored);
    let session = request.session.as_ref().unwrap();
    let sent = vec![Message::new("user", "wait")];
    assert_eq!(emulator.transcript(session), Some(sent), "stored when the run began, without an answer");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        assert!(emulator.until(left, PATIENCE).await);
        assert!(!emulator.until(|state| state.requests().len() > 1, Duration::from_millis(1)).await);
    });
}

#[test]
fn a_stream_can_be_one_write_and_only_so_much_is_remembered() {
    let emulator =
        start(Options { writes: Writes::Batched, requests_kept: 2, sessions_kept: 1, ..Options::default() });
    let mut client = client(&emulator);
    for text in ["a", "b", "c"] {
        let reply = client.chat(&says(APP, true, None, text)).unwrap();
        assert!(judge::listen(&reply).ended);
    }
    let kept: Vec<_> = emulator.requests().iter().map(|request| request.number).collect();
    assert_eq!(kept, [1, 2]);
    assert!(emulator.requests().iter().all(|request| request.stored));
    assert_eq!(emulator.sessions().len(), 1);
    assert_eq!(emulator.sessions()[0].messages[0], Message::new("user", "c"));
}

#[test]
fn a_client_that_leaves_without_reading_is_noticed() {
    let emulator = emulator();
    let mut client = client(&emulator);
    // More than the sockets' buffers hold.
    client.send(chat_request(&says(APP, true, None, "count to 200000"), ""));
    assert_eq!(client.head().unwrap().status, 200);
    drop(client);
    let left = |state: &State| {
        state.requests().all(|request| request.outcome == Outcome::ClientLeft && !request.stored)
    };
    assert!(emulator.wait_for(left, PATIENCE));
}

#[test]
fn stopping_closes_everything_and_keeps_what_was_seen() {
    let emulator = emulator();
    assert_eq!(emulator.base_url(), format!("http://{}/api/v1", emulator.addr()));
    let mut open = client(&emulator);
    open.send(chat_request(&says("emu-silent-1", false, None, "hi"), ""));
    assert!(emulator.wait_for(|state| state.requests().len() == 1, PATIENCE));
    emulator.stop();
    assert!(open.at_end());
    assert_eq!(emulator.requests().len(), 1);
}
