//! The request of `POST /v1/chat/completions`: its types here, the table of its fields in `parameters`, the checks
//! of what nests in `message`, `tools` and `options`.
//!
//! Strict where OpenAI is: types, ranges, required fields, with the place in `param`. Lenient where real clients are
//! careless and nothing is lost by it: null for any optional field, extra fields inside messages and tools (answers
//! come back with all that other servers put into them), empty stop sequences, an assistant without content.
//! Whether what is asked for can be done is decided elsewhere; here only whether it is well asked.

pub(in crate::openai) mod caps;
pub(in crate::openai) mod legacy;
mod message;
mod offer;
pub(in crate::openai) mod options;
mod parameters;
#[cfg(test)]
mod tests;
pub(in crate::openai) mod tools;

use std::borrow::Cow;

use crate::openai::{Error, json};

pub use offer::{
    CallForm, Called, CalledKind, Choice, Format, FormatSchema, Offer, Tool, ToolChoice, ToolInput,
};
pub use parameters::{Handling, PARAMETERS, Parameter};

/// A checked chat request: every field of OpenAI's schema was type- and range-checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest<'a> {
    /// The alias asked for.
    pub model: Cow<'a, str>,
    /// At least one.
    pub messages: Vec<Message<'a>>,
    /// `stream`.
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// `stop`, at most four, none empty.
    pub stop: Vec<Cow<'a, str>>,
    /// `max_completion_tokens`, else `max_tokens`; at least 1.
    pub max_tokens: Option<u64>,
    /// `n`, 1 to 128.
    pub n: u32,
    /// `safety_identifier`, else `user`: who is asking on the client's side.
    pub user: Option<Cow<'a, str>>,
    /// `response_format`.
    pub format: Format<'a>,
    /// `logprobs: true` was asked for.
    pub logprobs: bool,
    /// The field that asks for audio output (`audio`, or `modalities` with `audio` in it).
    pub audio: Option<&'static str>,
    /// The tools that may be called (`tools` or `functions`, not empty, the choice not `none`).
    pub offer: Option<Offer<'a>>,
    /// Fields that are valid, were given a value other than null, and that the proxy leaves without effect; in the request's order.
    pub ignored: Vec<&'static str>,
    /// Fields that OpenAI does not know; in the request's order.
    pub unknown: Vec<Cow<'a, str>>,
}

/// One message of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content<'a>,
    /// `name`: of the participant, or of the function whose result this is.
    pub name: Option<Cow<'a, str>>,
    /// `tool_calls` (and the older `function_call`) of an assistant.
    pub tool_calls: Vec<ToolCall<'a>>,
    /// `tool_call_id` of a tool's result.
    pub tool_call_id: Option<Cow<'a, str>>,
    /// `refusal` of an assistant.
    pub refusal: Option<Cow<'a, str>>,
}

/// OpenAI's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `system`
    System,
    /// `developer`
    Developer,
    /// `user`
    User,
    /// `assistant`
    Assistant,
    /// `tool`
    Tool,
    /// `function`
    Function,
}

/// `content`.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// Null or absent (an assistant that only calls tools).
    None,
    /// A string.
    Text(Cow<'a, str>),
    /// An array of parts.
    Parts(Vec<Part<'a>>),
}

/// A part of a message's content.
#[derive(Clone, Debug, PartialEq)]
pub enum Part<'a> {
    /// `text`
    Text(Cow<'a, str>),
    /// `refusal`
    Refusal(Cow<'a, str>),
    /// `image_url`: an address or a `data:` URL.
    ImageUrl(Cow<'a, str>),
    /// `input_audio`
    InputAudio,
    /// `file`
    File,
}

/// A call that an assistant made.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall<'a> {
    /// Which kind of tool.
    pub kind: CalledKind,
    /// Empty for the older `function_call`.
    pub id: Cow<'a, str>,
    /// The function's (or custom tool's) name.
    pub name: Cow<'a, str>,
    /// Its arguments (or input) as text, as the client sent it.
    pub arguments: Cow<'a, str>,
}

impl<'a> ChatRequest<'a> {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// A 400 in OpenAI's words that names the first bad field.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        parameters::read(json::parse(body)?)
    }
}
