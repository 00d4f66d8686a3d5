//! What a request offers to be called, and the form that it wants its answer in: what the endpoints that have tools
//! and formats have in common, however each spells them.

use std::borrow::Cow;

use crate::openai::json::Value;

/// Tools that may be called; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer<'a> {
    /// The field that offers them: `tools` or `functions`.
    pub field: &'static str,
    /// Those that may be called, in the request's order; no two of one name.
    pub tools: Vec<Tool<'a>>,
    /// Whether one has to be called.
    pub choice: ToolChoice,
    /// `parallel_tool_calls`: whether there may be several calls in one answer.
    pub is_parallel: bool,
    /// How calls are told to the client.
    pub form: CallForm,
}

/// Something that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'a> {
    /// `name`
    pub name: Cow<'a, str>,
    /// `description`
    pub description: Option<Cow<'a, str>>,
    /// What it takes.
    pub input: ToolInput<'a>,
}

/// What a tool takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolInput<'a> {
    /// `function`: arguments as a JSON object.
    Arguments {
        /// `parameters`: a JSON Schema; none for a function that takes nothing.
        schema: Option<Value<'a>>,
        /// `strict`
        strict: bool,
    },
    /// `custom`: text of any form.
    Text {
        /// `format.grammar`: its `definition`, which is shown and not enforced.
        grammar: Option<Cow<'a, str>>,
    },
}

/// `tool_choice`, but for `none`, which is no offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// `auto`: as the model sees fit.
    Auto,
    /// `required`, or a certain one, which is then the only one on offer.
    Required,
}

/// How calls are told to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallForm {
    /// `tool_calls`
    Tools,
    /// The older `function_call`, of which there is one.
    Function,
}

/// `response_format`, or `text.format`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format<'a> {
    /// `text`, or none given.
    #[default]
    Text,
    /// `json_object`
    JsonObject,
    /// `json_schema`
    JsonSchema(FormatSchema<'a>),
}

/// What an answer in `json_schema` is to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct FormatSchema<'a> {
    /// `name`
    pub name: Cow<'a, str>,
    /// `description`
    pub description: Option<Cow<'a, str>>,
    /// `schema`; without one any JSON will do.
    pub schema: Option<Value<'a>>,
    /// `strict`: the answer has to be valid. Without it that is tried for as well.
    pub strict: bool,
}

/// A call of a tool that an answer makes; the id is for whoever tells it to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Which kind of tool.
    pub kind: CalledKind,
    /// The tool's name.
    pub name: String,
    /// `arguments` as JSON text, or the `input` of a custom tool.
    pub input: String,
}

/// The kind of a tool that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledKind {
    /// `function`
    Function,
    /// `custom`
    Custom,
}
