//! The checks of `messages`: which role needs which fields and may hold which parts.

use std::borrow::Cow;

use super::caps::ANY;
use super::{CalledKind, Content, Message, Part, Role, ToolCall};
use crate::openai::Error;
use crate::openai::json::{At, Fields, Value};

const TEXT_OR_PARTS: &str = "one of a string or array of objects";

const ROLES: &[(&str, Role)] = &[
    ("system", Role::System),
    ("assistant", Role::Assistant),
    ("user", Role::User),
    ("function", Role::Function),
    ("tool", Role::Tool),
    ("developer", Role::Developer),
];

/// The kinds of parts, before they are read.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Refusal,
    ImageUrl,
    InputAudio,
    File,
}

const USER_PARTS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("image_url", Kind::ImageUrl),
    ("input_audio", Kind::InputAudio),
    ("file", Kind::File),
];
const ASSISTANT_PARTS: &[(&str, Kind)] = &[("text", Kind::Text), ("refusal", Kind::Refusal)];
const TEXT_PARTS: &[(&str, Kind)] = &[("text", Kind::Text)];

pub(super) fn message<'a>(at: At<'_, 'a>) -> Result<Message<'a>, Error> {
    let mut fields = at.object()?;
    let role = fields.required("role")?.choice(ROLES)?;
    let mut message = Message {
        role,
        content: Content::None,
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        refusal: None,
    };
    match role {
        Role::Assistant => assistant(&mut message, &mut fields)?,
        Role::Function => {
            message.name = Some(function_name(fields.required("name")?)?);
            message.content = function_content(fields.required("content")?)?;
            return Ok(message);
        }
        Role::Tool => {
            message.content = content(fields.required("content")?, TEXT_PARTS)?;
            message.tool_call_id = Some(fields.required("tool_call_id")?.string()?);
        }
        Role::User => message.content = content(fields.required("content")?, USER_PARTS)?,
        Role::System | Role::Developer => {
            message.content = content(fields.required("content")?, TEXT_PARTS)?;
        }
    }
    let name = fields.optional("name").map(At::string).transpose()?;
    message.name = name.filter(|name| !name.is_empty());
    Ok(message)
}

fn function_name<'a>(at: At<'_, 'a>) -> Result<Cow<'a, str>, Error> {
    let path = *at.path();
    let name = at.string()?;
    if name.is_empty() {
        return Err(Error::empty_string(&path));
    }
    Ok(name)
}

/// A function's result is a string or null, never parts.
fn function_content<'a>(at: At<'_, 'a>) -> Result<Content<'a>, Error> {
    match at.value() {
        Value::Null => Ok(Content::None),
        _ => at.string().map(Content::Text),
    }
}

fn assistant<'a>(message: &mut Message<'a>, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
    // OpenAI wants content unless there are calls; but clients send back an empty answer as it came, as null or "".
    if let Some(at) = fields.optional("content") {
        message.content = match content(at, ASSISTANT_PARTS)? {
            Content::Text(text) if text.is_empty() => Content::None,
            content => content,
        };
    }
    message.refusal = fields.optional("refusal").map(At::string).transpose()?;
    if let Some(at) = fields.optional("audio") {
        at.object()?.required("id")?.string()?;
    }
    if let Some(at) = fields.optional("tool_calls") {
        message.tool_calls = at.list("an array of objects", 0..=ANY, tool_call)?;
    }
    if let Some(at) = fields.optional("function_call") {
        let mut call = at.object()?;
        message.tool_calls.push(ToolCall {
            kind: CalledKind::Function,
            id: Cow::Borrowed(""),
            name: call.required("name")?.string()?,
            arguments: call.required("arguments")?.string()?,
        });
    }
    Ok(())
}

fn tool_call<'a>(at: At<'_, 'a>) -> Result<ToolCall<'a>, Error> {
    // Kind of call: the field that holds it, and the field in that with what the tool is given.
    const KINDS: &[(&str, (CalledKind, &str, &str))] = &[
        ("function", (CalledKind::Function, "function", "arguments")),
        ("custom", (CalledKind::Custom, "custom", "input")),
    ];
    let mut fields = at.object()?;
    let id = fields.required("id")?.string()?;
    let (kind, holder, input) = fields.required("type")?.choice(KINDS)?;
    let mut call = fields.required(holder)?.object()?;
    Ok(ToolCall {
        kind,
        id,
        name: call.required("name")?.string()?,
        arguments: call.required(input)?.string()?,
    })
}

fn content<'a>(at: At<'_, 'a>, parts: &[(&str, Kind)]) -> Result<Content<'a>, Error> {
    match at.value() {
        Value::String(_) => at.string().map(Content::Text),
        Value::Array(_) => at.list(TEXT_OR_PARTS, 1..=ANY, |at| part(at, parts)).map(Content::Parts),
        _ => Err(at.mismatch(TEXT_OR_PARTS)),
    }
}

fn part<'a>(at: At<'_, 'a>, allowed: &[(&str, Kind)]) -> Result<Part<'a>, Error> {
    let mut fields = at.object()?;
    match fields.required("type")?.choice(allowed)? {
        Kind::Text => fields.required("text")?.string().map(Part::Text),
        Kind::Refusal => fields.required("refusal")?.string().map(Part::Refusal),
        Kind::ImageUrl => {
            let mut image = fields.required("image_url")?.object()?;
            if let Some(at) = image.optional("detail") {
                at.choice(&[("auto", ()), ("low", ()), ("high", ())])?;
            }
            image_url(image.required("url")?).map(Part::ImageUrl)
        }
        Kind::InputAudio => {
            let mut audio = fields.required("input_audio")?.object()?;
            audio.required("data")?.string()?;
            audio.required("format")?.choice(&[("wav", ()), ("mp3", ())])?;
            Ok(Part::InputAudio)
        }
        Kind::File => {
            let mut file = fields.required("file")?.object()?;
            for key in ["filename", "file_data", "file_id"] {
                file.optional(key).map(At::string).transpose()?;
            }
            Ok(Part::File)
        }
    }
}

/// OpenAI fetches `http` and `https`, and reads `data:`.
fn image_url<'a>(at: At<'_, 'a>) -> Result<Cow<'a, str>, Error> {
    let path = *at.path();
    let url = at.string()?;
    let begins = |scheme: &str| {
        let head = url.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme)) && url.len() > scheme.len()
    };
    let blank = || url.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
    if ["https://", "http://", "data:"].into_iter().any(begins) && !blank() {
        Ok(url)
    } else {
        Err(Error::invalid_format(&path, "a valid http, https or data URL"))
    }
}

/// Text parts alone, as `prediction.content` has them.
pub(super) fn text_content(at: At<'_, '_>) -> Result<(), Error> {
    content(at, TEXT_PARTS).map(drop)
}
