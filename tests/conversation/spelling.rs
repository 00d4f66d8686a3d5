//! What means the same is the same conversation, however a client writes it; what means something else is not.

use serde_json::{Value, json};

use crate::words::Chat;
use crate::world::{BOTH, How, Plain, World};

/// A conversation with one answer, whose client writes it down anew before it goes on.
fn rewritten(how: How, rewrite: impl FnOnce(&mut Vec<Value>)) -> (World, Chat) {
    let world = World::start();
    let mut chat = Chat::new("gpt-4o");
    chat.system("Be brief.");
    world.say(&mut chat, "Say hello", how).is("new", 2);
    rewrite(chat.messages());
    (world, chat)
}

/// It stays the same conversation.
fn is_the_same(what: &str, rewrite: impl Fn(&mut Vec<Value>)) {
    for how in BOTH {
        let (world, mut chat) = rewritten(how, &rewrite);
        let got = world.say(&mut chat, "go on", how);
        assert_eq!(got.outcome, "continued", "{what}");
        got.is("continued", 1);
        world.say(&mut chat, "and on", how).is("continued", 1);
        assert_eq!(world.proxy.emulator.sessions().len(), 1, "{what}");
    }
}

/// It is another one.
fn is_another(what: &str, rewrite: impl Fn(&mut Vec<Value>)) {
    for how in BOTH {
        let (world, mut chat) = rewritten(how, &rewrite);
        let all = chat.messages().len() + 1;
        let got = world.say(&mut chat, "go on", how);
        assert_eq!(got.outcome, "replayed", "{what}");
        got.is("replayed", all);
        world.say(&mut chat, "and on", how).is("continued", 1);
    }
}

fn text(message: &Value) -> String {
    message["content"].as_str().unwrap().to_owned()
}

#[test]
fn white_space_at_the_end_means_nothing() {
    is_the_same("more of it", |messages| {
        for message in messages {
            message["content"] = json!(text(message) + " \n\t");
        }
    });
    for answer in ["Repeat exactly: so it is \n\n", "Repeat exactly: \u{1f980}\r\n"] {
        for how in BOTH {
            let world = World::start();
            let mut chat = Chat::new("gpt-4o");
            let got = world.say(&mut chat, answer, how);
            assert_ne!(got.content, got.content.trim_end());
            chat.messages()[1]["content"] = json!(got.content.trim_end());
            world.say(&mut chat, "go on", how).is("continued", 1);
        }
    }
}

#[test]
fn parts_are_the_text_that_they_make() {
    is_the_same("one part each", |messages| {
        for message in messages {
            message["content"] = json!([{"type": "text", "text": text(message)}]);
        }
    });
    is_the_same("two parts", |messages| {
        messages[1]["content"] = json!([{"type": "text", "text": "Say "}, {"type": "text", "text": "hello"}]);
    });
}

#[test]
fn the_order_of_keys_and_more_keys_mean_nothing() {
    is_the_same("more keys", |messages| {
        for message in messages.iter_mut() {
            message["id"] = json!("msg_1");
            message["metadata"] = json!({"liked": true, "at": 17});
        }
        messages[1]["name"] = json!("ann");
        let answer = &mut messages[2];
        for (key, value) in [
            ("refusal", Value::Null),
            ("annotations", json!([])),
            ("audio", Value::Null),
            ("function_call", Value::Null),
            ("tool_calls", json!([])),
            ("reasoning_content", json!("Hm.")),
        ] {
            answer[key] = value;
        }
    });
    is_the_same("developer is the new name of system", |messages| messages[0]["role"] = json!("developer"));
}

#[test]
fn an_empty_message_is_empty_however_it_is_written() {
    for (first, second) in [
        (json!(""), json!(null)),
        (json!(null), json!("")),
        (json!([{"type": "text", "text": ""}]), json!(null)),
    ] {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        chat.user("hi").push(json!({"role": "assistant", "content": first}));
        world.say(&mut chat, "go on", Plain).is("replayed", 3);
        chat.messages()[1]["content"] = second;
        world.say(&mut chat, "and on", Plain).is("continued", 1);
    }
}

#[test]
fn other_words_are_another_conversation() {
    is_another("an answer with white space at its beginning", |messages| {
        messages[2]["content"] = json!(format!(" {}", text(&messages[2])));
    });
    is_another("other letters", |messages| messages[1]["content"] = json!("say hello"));
    is_another("a message more", |messages| messages.insert(1, json!({"role": "user", "content": "hi"})));
    is_another("another role", |messages| messages[0]["role"] = json!("user"));
    is_another("white space between parts", |messages| {
        messages[1]["content"] = json!([{"type": "text", "text": "Say"}, {"type": "text", "text": "hello"}]);
    });
}

#[test]
fn another_system_prompt_is_another_conversation() {
    is_another("another prompt", |messages| messages[0]["content"] = json!("Be kind."));
    is_another("no prompt", |messages| drop(messages.remove(0)));
    is_another("a second one", |messages| {
        messages.insert(1, json!({"role": "system", "content": "Be kind."}));
    });
}

#[test]
fn the_first_system_prompt_finds_its_session_again() {
    for how in BOTH {
        let (world, mut chat) = rewritten(how, |_| ());
        let mut kind = chat.clone();
        kind.messages()[0]["content"] = json!("Be kind.");
        world.say(&mut kind, "go on", how).is("replayed", 4);
        world.say(&mut chat, "go on", how).is("continued", 1);
        world.say(&mut kind, "and on", how).is("continued", 1);
    }
}

#[test]
fn tool_messages_go_on_in_whatever_spelling() {
    for how in BOTH {
        let call = |arguments: &str| {
            let function = json!({"name": "weather", "arguments": arguments});
            json!({"role": "assistant", "content": null,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}]})
        };
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        world.say(&mut chat, "hi", how).is("new", 1);
        chat.user("The weather?").push(call(r#"{"city":"Oslo","days":2}"#));
        chat.push(json!({"role": "tool", "tool_call_id": "call_1", "content": "sunny"}));
        world.ask(&mut chat, how).is("continued", 3);
        chat.messages()[3] = call(r#"{ "days": 2,  "city": "Oslo" }"#);
        chat.messages()[4]["content"] = json!([{"type": "text", "text": "sunny"}]);
        world.say(&mut chat, "and tomorrow?", how).is("continued", 1);
        chat.messages()[3] = call(r#"{"city":"Bergen","days":2}"#);
        world.say(&mut chat, "and then?", how).is("replayed", 9);
    }
}
