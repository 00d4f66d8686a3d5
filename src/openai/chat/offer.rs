//! What a request offers to be called, and the form that it wants its answer in: what the endpoints that have tools
//! and formats have in common, however each spells them.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::openai::Error;
use crate::openai::json::{Listing, Value};

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

/// What a request says of which tools may be called.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice<'a> {
    /// None.
    Never,
    /// Any; and whether one has to be.
    Any(bool),
    /// Some, by their names; and whether one has to be.
    Some(bool, Vec<Cow<'a, str>>),
    /// A certain one has to be.
    One(Cow<'a, str>),
}

impl<'a> Offer<'a> {
    /// What may be called; `None` if nothing may. `field` offers, and `choice_field` chooses. Of equal names the first
    /// counts.
    ///
    /// # Errors
    /// 400 for a choice of what is not offered.
    pub fn of(
        field: &'static str,
        choice_field: &'static str,
        mut tools: Vec<Tool<'a>>,
        choice: Option<Choice<'a>>,
        is_parallel: bool,
        form: CallForm,
    ) -> Result<Option<Self>, Error> {
        tools.iter_mut().enumerate().for_each(|(place, tool)| tool.place = place);
        let choice = choice.unwrap_or(Choice::Any(false));
        let (must, names) = match choice {
            Choice::Never => return Ok(None),
            Choice::Any(must) => (must, None),
            Choice::Some(must, names) => (must, Some(names)),
            Choice::One(name) => (true, Some(vec![name])),
        };
        // With nothing on offer, "auto" loses nothing.
        if tools.is_empty() && must {
            return Err(Error::needs_tools(choice_field, field));
        }
        if let Some(names) = names {
            let offered = |name: &&Cow<'a, str>| !tools.iter().any(|tool| tool.name == **name);
            if let Some(unknown) = names.iter().find(offered) {
                let known = Listing::and(tools.iter().map(|tool| &*tool.name));
                return Err(Error::invalid_value(choice_field, unknown, &known));
            }
            tools.retain(|tool| names.contains(&tool.name));
        }
        let mut seen = HashSet::new();
        tools.retain(|tool| seen.insert(tool.name.clone()));
        let choice = if must { ToolChoice::Required } else { ToolChoice::Auto };
        Ok((!tools.is_empty()).then_some(Self { field, tools, choice, is_parallel, form }))
    }
}

/// Something that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'a> {
    /// Its place in the field that offers it.
    pub place: usize,
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
