//! Conversations as their clients hold them, and what Chipp is to hear of them.

use chipp_proxy::emulator::Message;
use serde_json::{Value, json};

/// The app that obeys `act as: NAME`.
pub(crate) const COMMANDED: &str = "commanded";

/// A message as Chipp is to have it, without the white space at its end.
pub(crate) type Line = (String, String);

/// A conversation, as its client has it.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) body: Value,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Chat {
    pub(crate) fn new(model: &str) -> Self {
        Self { body: json!({"model": model, "messages": []}), headers: Vec::new() }
    }

    /// With another field in the body.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.body[name] = json!(value);
        self
    }

    /// With another header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn messages(&mut self) -> &mut Vec<Value> {
        self.body["messages"].as_array_mut().unwrap()
    }

    /// Goes on with what another one says.
    pub(crate) fn take_over(&mut self, other: &Self) {
        self.body["messages"].clone_from(&other.body["messages"]);
    }

    pub(crate) fn push(&mut self, message: Value) -> &mut Self {
        self.messages().push(message);
        self
    }

    pub(crate) fn system(&mut self, text: &str) -> &mut Self {
        self.push(json!({"role": "system", "content": text}))
    }

    pub(crate) fn user(&mut self, text: &str) -> &mut Self {
        self.push(json!({"role": "user", "content": text}))
    }

    pub(crate) fn assistant(&mut self, text: &str) -> &mut Self {
        self.push(json!({"role": "assistant", "content": text}))
    }

    /// A copy of its first messages: where another way leads on from.
    pub(crate) fn first(&self, count: usize) -> Self {
        let mut first = self.clone();
        assert!(count <= first.messages().len());
        first.messages().truncate(count);
        first
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let messages = self.body["messages"].as_array().unwrap();
        messages.iter().map(|message| line(message, messages)).collect()
    }
}

/// A client's message, as Chipp is to have it; a result names the tool that was called in one of `all`.
fn line(message: &Value, all: &[Value]) -> Line {
    let text = match &message["content"] {
        Value::Array(parts) => parts.iter().map(|part| part["text"].as_str().unwrap()).collect(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let call = &message["tool_calls"][0]["function"];
    let (role, text) = match message["role"].as_str().unwrap() {
        "developer" => ("system", text),
        "tool" => {
            let made = all.iter().map(|other| &other["tool_calls"][0]);
            let call = made.rev().find(|call| call["id"] == message["tool_call_id"]);
            let name = call.map_or(&message["tool_call_id"], |call| &call["function"]["name"]);
            ("user", format!("[result of {}]\n{text}", name.as_str().unwrap()))
        }
        "assistant" if call.is_object() => {
            let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
            let name = &call["name"];
            ("assistant", format!(r#"{{"tool_calls":[{{"name":{name},"arguments":{arguments}}}]}}"#))
        }
        role => (role, text),
    };
    (role.to_owned(), text.trim_end().to_owned())
}

/// What Chipp heard, likewise.
pub(crate) fn heard(messages: &[Message]) -> Vec<Line> {
    messages.iter().map(|message| (message.role.to_string(), message.content.trim_end().to_owned())).collect()
}
