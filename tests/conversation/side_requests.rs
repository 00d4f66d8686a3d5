//! What chat UIs ask beside a conversation: a title, tags, what might be asked next. They send it in the form of
//! one message of the user, with what was said so far inside it, under the same user and often the same
//! conversation header; the conversation must not notice.

use serde_json::json;

use crate::words::{COMMANDED, Chat};
use crate::world::{BOTH, How, Plain, Streamed, World};

/// A conversation of Open WebUI with its headers.
fn open_webui(model: &str) -> Chat {
    Chat::new(model).header("x-openwebui-user-id", "ann").header("x-openwebui-chat-id", "chat-1")
}

/// What Open WebUI asks: a task, guidelines, the form of the output, and the newest messages of the chat.
fn open_webui_task(chat: &Chat, task: &str, output: &str) -> Chat {
    let said = said(chat, "USER", "ASSISTANT");
    let text = format!(
        "### Task:\n{task}\n### Guidelines:\n- Keep to the language of the chat.\n\
         - Answer with the JSON object alone.\n### Output:\nJSON format: {output}\n\
         ### Chat History:\n<chat_history>\n{said}\n</chat_history>"
    );
    let mut side = chat.first(0);
    side.user(&text);
    side.body["max_completion_tokens"] = json!(1000);
    side
}

/// The three that Open WebUI asks after an answer.
fn open_webui_tasks(chat: &Chat) -> [Chat; 3] {
    [
        ("Generate a title that sums the chat up in a few words.", r#"{ "title": "a short title" }"#),
        ("Generate 1-3 broad tags and 1-3 narrower ones for the chat.", r#"{ "tags": ["tag1", "tag2"] }"#),
        ("Suggest 3-5 questions that the **user** might ask next.", r#"{ "follow_ups": ["What?", "Why?"] }"#),
    ]
    .map(|(task, output)| open_webui_task(chat, task, output))
}

/// What LibreChat asks for a title after the first answer.
fn libre_chat_title(chat: &Chat) -> Chat {
    let said = said(chat, "User", "AI");
    let mut side = chat.first(0);
    side.user(&format!(
        "Give this conversation a title of five words or less, and only that.\n\nConversation:\n{said}"
    ));
    side
}

fn said(chat: &Chat, user: &str, assistant: &str) -> String {
    let line = |(role, text): (String, String)| match role.as_str() {
        "assistant" => format!("{assistant}: {text}"),
        _ => format!("{user}: {text}"),
    };
    chat.lines().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Answered, in a session of its own.
fn is_aside(world: &World, side: &Chat, how: How, session: &str) {
    let got = world.try_ask(side, how);
    got.is("new", 1);
    assert_ne!(got.session(), session);
}

#[test]
fn titles_tags_and_follow_ups_of_open_webui_leave_the_conversation_alone() {
    for how in BOTH {
        let world = World::start();
        let mut chat = open_webui("gpt-4o");
        let opening = world.say(&mut chat, "Tell me about Rome.", Streamed);
        opening.is("new", 1);
        for turn in 1..=5 {
            for side in open_webui_tasks(&chat) {
                is_aside(&world, &side, how, opening.session());
            }
            let got = world.say(&mut chat, &format!("And what came in century {turn}?"), Streamed);
            got.is("continued", 1);
            assert_eq!(got.session(), opening.session());
        }
        assert_eq!(world.proxy.emulator.transcript(opening.session()).unwrap().len(), 12);
    }
}

#[test]
fn a_side_request_asked_twice_is_no_conversation() {
    let world = World::start();
    let mut chat = open_webui("gpt-4o");
    let opening = world.say(&mut chat, "Tell me about Rome.", Streamed);
    for side in open_webui_tasks(&chat) {
        for how in [Plain, Plain, Streamed] {
            is_aside(&world, &side, how, opening.session());
        }
    }
    world.say(&mut chat, "And then?", Streamed).is("continued", 1);
}

#[test]
fn side_requests_while_an_answer_is_on_its_way_leave_it_alone() {
    let world = World::start();
    let mut chat = open_webui(COMMANDED);
    let opening = world.say(&mut chat, "Tell me about Rome.", Streamed);
    let sides = open_webui_tasks(&chat);
    chat.user("act as: gated and go on");
    let got = std::thread::scope(|threads| {
        let running = threads.spawn(|| world.try_ask(&chat, Streamed));
        world.until(|state| state.requests().len() == 2);
        for side in &sides {
            is_aside(&world, side, Plain, opening.session());
        }
        world.proxy.emulator.open_wide("act as: gated and go on");
        running.join().unwrap()
    });
    got.is("continued", 1);
    chat.assistant(&got.content);
    let next = world.say(&mut chat, "And then?", Streamed);
    next.is("continued", 1);
    assert_eq!(next.session(), opening.session());
}

#[test]
fn titles_of_libre_chat_leave_the_conversation_alone() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o").field("user", "65f0c0ffee");
        chat.system("You are a helpful guide.");
        let opening = world.say(&mut chat, "Tell me about Rome.", Streamed);
        opening.is("new", 2);
        is_aside(&world, &libre_chat_title(&chat), how, opening.session());
        for text in ["And then?", "And in the end?"] {
            let got = world.say(&mut chat, text, Streamed);
            got.is("continued", 1);
            assert_eq!(got.session(), opening.session());
        }
        assert_eq!(world.proxy.emulator.sessions().len(), 2);
    }
}

/// A client that puts such a question at the end of the history asks it in the conversation's session, for that is
/// what it says; the conversation without it is replayed once.
#[test]
fn a_side_question_at_the_end_of_the_history_costs_one_replay() {
    for how in BOTH {
        let world = World::start();
        let mut chat = Chat::new("gpt-4o");
        world.say(&mut chat, "Tell me about Rome.", how).is("new", 1);
        let mut side = chat.clone();
        world.say(&mut side, "Give this conversation a title.", how).is("continued", 1);
        world.say(&mut chat, "And then?", how).is("replayed", 3);
        world.say(&mut chat, "And in the end?", how).is("continued", 1);
    }
}
