//! OpenAI's Responses request as a chat: its instructions, what was said before it, and its input.

use std::borrow::Cow;

use crate::openai::Error;
use crate::openai::chat::{CalledKind, ChatRequest, Content, Message, Part, Role, ToolCall};
use crate::openai::json::{self, Object, Value};
use crate::openai::responses::ResponseRequest;

/// What is asked. `before` and `input`: items in the form in which they are kept, those of `input` in place of the
/// request's own.
///
/// # Errors
/// 500 for an item that nobody can read; 400 for files, which Chipp cannot, naming the place.
pub fn chat<'a>(
    request: ResponseRequest<'a>,
    before: impl IntoIterator<Item = &'a str>,
    input: impl IntoIterator<Item = &'a str>,
) -> Result<ChatRequest<'a>, Error> {
    let mut history = History::default();
    if let Some(instructions) = request.instructions {
        history.push(None, plain(Role::System, Content::Text(instructions)));
    }
    for item in before {
        history.add(None, item)?;
    }
    for (place, item) in input.into_iter().enumerate() {
        history.add(Some(place), item)?;
    }
    if history.messages.is_empty() {
        return Err(Error::empty_array("input"));
    }
    Ok(ChatRequest {
        model: request.model,
        messages: history.messages,
        stream: request.stream,
        include_usage: false,
        stop: Vec::new(),
        max_tokens: request.max_output_tokens,
        n: 1,
        user: request.user,
        format: request.format,
        logprobs: false,
        audio: None,
        offer: request.offer,
        ignored: request.ignored,
        unknown: request.unknown,
    })
}

/// An error of the chat that this request has become, in its own spelling.
pub fn spelled<'a>(
    mut error: Error,
    instructions: bool,
    before: impl IntoIterator<Item = &'a str>,
    input: impl IntoIterator<Item = &'a str>,
) -> Error {
    let Some(param) = error.param.clone() else { return error };
    let own =
        if let Some((index, rest)) = param.strip_prefix("messages[").and_then(|rest| rest.split_once(']')) {
            let places = places(instructions, before, input);
            let place = index.parse().ok().and_then(|index: usize| places.get(index).copied().flatten());
            place.map(|place| format!("input[{place}]{}", rest.replace(".image_url.url", ".image_url")))
        } else if param == "messages" {
            Some("input".to_owned())
        } else if let Some(rest) = param.strip_prefix("response_format.json_schema") {
            Some(format!("text.format{rest}"))
        } else if param.starts_with("tools[") {
            Some(param.replace(".function.", "."))
        } else {
            return error;
        };
    if let Some(own) = &own {
        error.message = error.message.replace(&*param, own).into();
    }
    error.param = own.map(Into::into);
    error
}

/// Which element of `input` each message is of.
fn places<'a>(
    instructions: bool,
    before: impl IntoIterator<Item = &'a str>,
    input: impl IntoIterator<Item = &'a str>,
) -> Vec<Option<usize>> {
    let mut history = History::default();
    if instructions {
        history.push(None, plain(Role::System, Content::None));
    }
    for item in before {
        let _ = history.add(None, item);
    }
    for (place, item) in input.into_iter().enumerate() {
        let _ = history.add(Some(place), item);
    }
    history.places
}

#[derive(Default)]
struct History<'a> {
    messages: Vec<Message<'a>>,
    /// Which element of `input` each of them is of.
    places: Vec<Option<usize>>,
}

impl<'a> History<'a> {
    fn push(&mut self, place: Option<usize>, message: Message<'a>) {
        self.messages.push(message);
        self.places.push(place);
    }

    fn add(&mut self, place: Option<usize>, item: &'a str) -> Result<(), Error> {
        let mut fields = json::parse(item.as_bytes())?;
        let kind = text(&mut fields, "type");
        match &*kind {
            "message" => {
                let message = message(&mut fields, place)?;
                self.push(place, message);
            }
            "function_call" | "custom_tool_call" => {
                let (kind, key) = match &*kind {
                    "function_call" => (CalledKind::Function, "arguments"),
                    _ => (CalledKind::Custom, "input"),
                };
                let (id, name) = (text(&mut fields, "call_id"), text(&mut fields, "name"));
                let call = ToolCall { kind, id, name, arguments: text(&mut fields, key) };
                self.call(place, call);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let content = match fields.take("output") {
                    Some(Value::Array(parts)) => Content::Parts(self::parts(parts, place, "output")?),
                    Some(Value::String(text)) => Content::Text(text),
                    _ => Content::None,
                };
                let tool_call_id = Some(text(&mut fields, "call_id"));
                self.push(place, Message { tool_call_id, ..plain(Role::Tool, content) });
            }
            // What a model thought is not told to another.
            _ => {}
        }
        Ok(())
    }

    /// Calls belong to what the assistant said before them, and to each other.
    fn call(&mut self, place: Option<usize>, call: ToolCall<'a>) {
        if let Some(last) = self.messages.last_mut().filter(|last| last.role == Role::Assistant) {
            last.tool_calls.push(call);
            return;
        }
        let message = plain(Role::Assistant, Content::None);
        self.push(place, Message { tool_calls: vec![call], ..message });
    }
}

fn message<'a>(fields: &mut Object<'a>, place: Option<usize>) -> Result<Message<'a>, Error> {
    let role = match &*text(fields, "role") {
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => Role::User,
    };
    let content = match fields.take("content") {
        Some(Value::Array(parts)) => Content::Parts(self::parts(parts, place, "content")?),
        Some(Value::String(text)) => Content::Text(text),
        _ => Content::None,
    };
    let content = match content {
        Content::Parts(parts) if parts.is_empty() => Content::None,
        content => content,
    };
    Ok(plain(role, content))
}

fn parts<'a>(parts: Vec<Value<'a>>, place: Option<usize>, holder: &str) -> Result<Vec<Part<'a>>, Error> {
    let read = parts.into_iter().enumerate().map(|(index, part)| {
        let Value::Object(mut fields) = part else { return Ok(Part::Text(Cow::Borrowed(""))) };
        match &*text(&mut fields, "type") {
            "input_image" => match fields.take("image_url") {
                Some(Value::String(url)) => Ok(Part::ImageUrl(url)),
                _ => Err(file(place, holder, index)),
            },
            "input_file" => Err(file(place, holder, index)),
            "refusal" => Ok(Part::Refusal(text(&mut fields, "refusal"))),
            _ => Ok(Part::Text(text(&mut fields, "text"))),
        }
    });
    read.collect()
}

fn file(place: Option<usize>, holder: &str, index: usize) -> Error {
    let path = place.map(|place| format!("input[{place}].{holder}[{index}]"));
    let mut error = Error::unsupported_value(
        path.as_deref().unwrap_or("input"),
        "files",
        "Send text instead, or the address of an image.",
    );
    if place.is_none() {
        error.param = None;
    }
    error
}

fn plain(role: Role, content: Content<'_>) -> Message<'_> {
    Message { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, refusal: None }
}

fn text<'a>(fields: &mut Object<'a>, key: &str) -> Cow<'a, str> {
    match fields.take(key) {
        Some(Value::String(text)) => text,
        _ => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::responses::Given;

    fn items(body: &str) -> Vec<String> {
        let request = ResponseRequest::parse(body.as_bytes()).unwrap();
        let items = request.input.into_iter().filter_map(|given| match given {
            Given::Item(item) => Some(item.json),
            Given::Reference(..) => None,
        });
        items.collect()
    }

    fn said(body: &str, before: &[&str]) -> Result<Vec<(Role, String)>, Error> {
        let input = items(body);
        let request = ResponseRequest::parse(body.as_bytes()).unwrap();
        let chat = chat(request, before.iter().copied(), input.iter().map(String::as_str))?;
        let texts = chat.messages.iter().map(|message| {
            let text = match &message.content {
                Content::None => String::new(),
                Content::Text(text) => text.to_string(),
                Content::Parts(parts) => {
                    parts.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>().concat()
                }
            };
            let calls = message.tool_calls.iter().map(|call| format!("<{}>", call.name));
            (message.role, text + &calls.collect::<Vec<_>>().concat())
        });
        Ok(texts.collect())
    }

    #[test]
    fn a_text_is_the_users_and_instructions_come_first() {
        let body = r#"{"model":"m","input":"hi","instructions":"Be kind."}"#;
        let part = r#"Text("hi")"#.to_owned();
        assert_eq!(said(body, &[]).unwrap(), [(Role::System, "Be kind.".into()), (Role::User, part.clone())]);
        let before =
            r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"yo"}]}"#;
        let told = said(body, &[before]).unwrap();
        assert_eq!(told[1], (Role::Assistant, r#"Text("yo")"#.into()));
        assert_eq!(told[2].1, part);
    }

    #[test]
    fn calls_belong_together_and_results_find_them() {
        let body = r#"{"model":"m","input":[
            {"role":"user","content":"go"},
            {"type":"reasoning","id":"rs_1","summary":[]},
            {"type":"message","role":"assistant","content":"Well."},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
            {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"one"},
            {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},
            {"type":"custom_tool_call","call_id":"c3","name":"h","input":"x"},
            {"type":"custom_tool_call_output","call_id":"c3","output":"three"}]}"#;
        let told = said(body, &[]).unwrap();
        let roles: Vec<Role> = told.iter().map(|(role, _)| *role).collect();
        let (user, assistant, tool) = (Role::User, Role::Assistant, Role::Tool);
        assert_eq!(roles, [user, assistant, tool, tool, assistant, tool]);
        assert_eq!(told[1].1, "Text(\"Well.\")<f><g>");
        assert_eq!((told[2].1.as_str(), told[4].1.as_str()), ("one", "<h>"));
    }

    #[test]
    fn errors_name_the_place_in_the_input() {
        let body = r#"{"model":"m","instructions":"x","input":[
            {"role":"user","content":"a"},
            {"role":"user","content":[{"type":"input_text","text":"b"},{"type":"input_file","file_id":"f"}]}]}"#;
        let error = said(body, &[]).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("input[1].content[1]")));
        let body = r#"{"model":"m","instructions":"x","input":[{"type":"reasoning","summary":[]},{"role":"user","content":"a"}]}"#;
        let input = items(body);
        let of = |param: &'static str| {
            let error = Error::unsupported_value(param, "images", "Send text instead.");
            let before = [r#"{"type":"message","role":"user","content":"x"}"#];
            let error = spelled(error, true, before, input.iter().map(String::as_str));
            (error.param.map(|param| param.to_string()), error.message.to_string())
        };
        let (param, message) = of("messages[2].content[0].image_url.url");
        assert_eq!(param.as_deref(), Some("input[1].content[0].image_url"));
        assert!(message.contains("'input[1].content[0].image_url'"), "{message}");
        assert_eq!(of("messages[1].content[0].type").0, None);
        assert_eq!(of("tools[2].function.parameters").0.as_deref(), Some("tools[2].parameters"));
        assert_eq!(of("response_format.json_schema.schema").0.as_deref(), Some("text.format.schema"));
        assert_eq!(of("model").0.as_deref(), Some("model"));
    }

    #[test]
    fn nothing_to_answer_is_refused() {
        let error = said(r#"{"model":"m","input":[]}"#, &[]).unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some("input"), Some("empty_array")));
    }
}
