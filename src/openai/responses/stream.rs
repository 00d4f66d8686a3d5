//! The answer as server-sent events: `response.created`, what is said and called, `response.completed`.
//!
//! Every event has a number, from 0 and without gaps. What ends repeats the whole of what it ended. There is no `[DONE]`.

use serde_json::{Map, Value};

use crate::openai::Error;
use crate::openai::chat::{Called, CalledKind};
use crate::openai::chunk::pieces;
use crate::openai::responses::object::{self, State, call, message, quoted, text_part};
use crate::openai::responses::{Draft, Status, Whole};
use crate::openai::usage::Usage;

/// Writes the events of one response.
#[derive(Clone, Debug)]
pub struct Stream {
    draft: Draft,
    /// The number of the next event.
    number: u64,
    has_begun: bool,
    /// The items that have ended.
    output: Vec<(String, String)>,
    /// The message that is being said: its id, and its text.
    open: Option<(String, String)>,
    status: Status,
    /// The object at its end.
    whole: Option<String>,
}

impl Stream {
    /// Before its first event.
    pub fn new(draft: Draft) -> Self {
        let (output, open, whole) = (Vec::new(), None, None);
        Self { draft, number: 0, has_begun: false, output, open, status: Status::Completed, whole }
    }

    /// `response.created` and `response.in_progress`
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        self.has_begun = true;
        let object = self.draft.object(State {
            status: "in_progress",
            output: &[],
            error: None,
            incomplete: None,
            usage: None,
            completed_at: None,
        });
        for kind in ["response.created", "response.in_progress"] {
            self.event(kind, &format!("\"response\":{object}"), out);
        }
    }

    /// More text.
    pub fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.open_message(out);
        let Some((id, said)) = &mut self.open else { return };
        said.push_str(text);
        let body = format!(
            r#""item_id":"{id}","output_index":{},"content_index":0,"delta":{},"logprobs":[]"#,
            self.output.len(),
            quoted(text)
        );
        self.event("response.output_text.delta", &body, out);
    }

    /// A call of a tool, whole.
    pub fn call(&mut self, call_id: &str, called: &Called, out: &mut Vec<u8>) {
        self.close_message("completed", out);
        let place = self.output.len();
        let id = self.draft.item_id(object::prefix(called.kind), place);
        let begun = call(&id, call_id, called, None);
        self.event("response.output_item.added", &format!(r#""output_index":{place},"item":{begun}"#), out);
        let (delta, done, key) = match called.kind {
            CalledKind::Function => (
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "arguments",
            ),
            CalledKind::Custom => {
                ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input")
            }
        };
        let at = format!(r#""item_id":"{id}","output_index":{place}"#);
        for piece in pieces(&called.input) {
            self.event(delta, &format!(r#"{at},"delta":{}"#, quoted(piece)), out);
        }
        let name = match called.kind {
            CalledKind::Function => format!(r#","name":{}"#, quoted(&called.name)),
            CalledKind::Custom => String::new(),
        };
        self.event(done, &format!(r#"{at}{name},"{key}":{}"#, quoted(&called.input)), out);
        let item = call(&id, call_id, called, Some("completed"));
        self.event("response.output_item.done", &format!(r#""output_index":{place},"item":{item}"#), out);
        self.output.push((id, item));
    }

    /// The end of what is said and called. An answer of nothing is an empty message.
    pub fn finish(&mut self, status: Status, out: &mut Vec<u8>) {
        self.status = status;
        if self.output.is_empty() {
            self.open_message(out);
        }
        self.close_message(status.word(), out);
    }

    /// What it has cost; the object is whole then. `now` in Unix seconds.
    pub fn settle(&mut self, usage: Usage, now: u64) -> Whole {
        let json = self.draft.ended(self.status, &self.output, usage, now);
        self.whole = Some(json.clone());
        Whole { json, output: self.output.clone() }
    }

    /// The last event.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        let object = self.whole.take().unwrap_or_default();
        let kind = match self.status {
            Status::Completed => "response.completed",
            Status::MaxOutputTokens | Status::ContentFilter => "response.incomplete",
        };
        self.event(kind, &format!("\"response\":{object}"), out);
    }

    /// The end of a response that breaks.
    pub fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        if !self.has_begun {
            self.begin(out);
        }
        let code = if error.status == 429 { "rate_limit_exceeded" } else { "server_error" };
        let object = self.draft.object(State {
            status: "failed",
            output: &self.output,
            error: Some((code, &error.message)),
            incomplete: None,
            usage: None,
            completed_at: None,
        });
        self.event("response.failed", &format!("\"response\":{object}"), out);
    }

    fn open_message(&mut self, out: &mut Vec<u8>) {
        if self.open.is_some() {
            return;
        }
        let place = self.output.len();
        let id = self.draft.item_id("msg_", place);
        let item = message(&id, "in_progress", None);
        self.event("response.output_item.added", &format!(r#""output_index":{place},"item":{item}"#), out);
        let body =
            format!(r#""item_id":"{id}","output_index":{place},"content_index":0,"part":{}"#, text_part(""));
        self.event("response.content_part.added", &body, out);
        self.open = Some((id, String::new()));
    }

    fn close_message(&mut self, status: &str, out: &mut Vec<u8>) {
        let Some((id, text)) = self.open.take() else { return };
        let place = self.output.len();
        let at = format!(r#""item_id":"{id}","output_index":{place},"content_index":0"#);
        self.event(
            "response.output_text.done",
            &format!(r#"{at},"text":{},"logprobs":[]"#, quoted(&text)),
            out,
        );
        self.event("response.content_part.done", &format!(r#"{at},"part":{}"#, text_part(&text)), out);
        let item = message(&id, status, Some(&text));
        self.event("response.output_item.done", &format!(r#""output_index":{place},"item":{item}"#), out);
        self.output.push((id, item));
    }

    fn event(&mut self, kind: &str, body: &str, out: &mut Vec<u8>) {
        event(kind, self.number, body, out);
        self.number += 1;
    }
}

fn event(kind: &str, number: u64, body: &str, out: &mut Vec<u8>) {
    out.reserve(2 * kind.len() + body.len() + 64);
    for part in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",\"sequence_number\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b',');
    out.extend_from_slice(body.as_bytes());
    out.extend_from_slice(b"}\n\n");
}

/// The events of a response that has ended, from its object: those behind the number `after`. `None` if that is no
/// response.
pub fn replay(response: &str, after: Option<u64>) -> Option<Vec<u8>> {
    let whole: Value = serde_json::from_str(response).ok()?;
    let mut begun = whole.clone();
    let fields = begun.as_object_mut()?;
    fields.insert("status".to_owned(), "in_progress".into());
    fields.insert("output".to_owned(), Value::Array(Vec::new()));
    for key in ["incomplete_details", "completed_at", "error"] {
        fields.insert(key.to_owned(), Value::Null);
    }
    fields.remove("usage");
    let mut events: Vec<(String, String)> = Vec::new();
    for kind in ["response.created", "response.in_progress"] {
        events.push((kind.to_owned(), format!("\"response\":{begun}")));
    }
    for (place, item) in whole.get("output")?.as_array()?.iter().enumerate() {
        replay_item(place, item.as_object()?, &mut events)?;
    }
    let kind = format!("response.{}", whole.get("status")?.as_str()?);
    events.push((kind, format!("\"response\":{response}")));
    let mut out = Vec::new();
    for ((kind, body), number) in events.iter().zip(0_u64..) {
        if after.is_none_or(|after| number > after) {
            event(kind, number, body, &mut out);
        }
    }
    Some(out)
}

fn replay_item(place: usize, item: &Map<String, Value>, events: &mut Vec<(String, String)>) -> Option<()> {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let kind = text("type")?;
    let at = format!(r#""item_id":{},"output_index":{place}"#, quoted(text("id")?));
    let (stem, key) = match kind {
        "message" => ("", "content"),
        "function_call" => ("response.function_call_arguments", "arguments"),
        _ => ("response.custom_tool_call_input", "input"),
    };
    let mut begun = item.clone();
    begun.insert(key.to_owned(), if kind == "message" { Value::Array(Vec::new()) } else { "".into() });
    if let Some(status) = begun.get_mut("status") {
        *status = "in_progress".into();
    }
    let mut push = |kind: &str, body: String| events.push((kind.to_owned(), body));
    let begun = Value::Object(begun);
    push("response.output_item.added", format!(r#""output_index":{place},"item":{begun}"#));
    if kind == "message" {
        for (index, part) in item.get("content")?.as_array()?.iter().enumerate() {
            let at = format!(r#"{at},"content_index":{index}"#);
            let text = part.get("text")?.as_str()?;
            push("response.content_part.added", format!(r#"{at},"part":{}"#, text_part("")));
            let quoted = quoted(text);
            if !text.is_empty() {
                push("response.output_text.delta", format!(r#"{at},"delta":{quoted},"logprobs":[]"#));
            }
            push("response.output_text.done", format!(r#"{at},"text":{quoted},"logprobs":[]"#));
            push("response.content_part.done", format!(r#"{at},"part":{part}"#));
        }
    } else {
        let input = quoted(text(key)?);
        let name = text("name").filter(|_| kind == "function_call");
        let name = name.map(|name| format!(r#","name":{}"#, quoted(name))).unwrap_or_default();
        push(&format!("{stem}.delta"), format!(r#"{at},"delta":{input}"#));
        push(&format!("{stem}.done"), format!(r#"{at}{name},"{key}":{input}"#));
    }
    let item = Value::Object(item.clone());
    push("response.output_item.done", format!(r#""output_index":{place},"item":{item}"#));
    Some(())
}
