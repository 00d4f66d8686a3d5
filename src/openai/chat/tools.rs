//! The checks of what tools are offered (`tools`, the older `functions`) and which of them is to be called.

use super::caps::{ANY, MAX_NAME_CHARS, MAX_TOOLS};
use super::offer::{CallForm, Choice, Offer, Tool, ToolInput};
use crate::openai::Error;
use crate::openai::json::{At, Fields, Value};

/// Those on offer. An empty array is what many clients send for none.
pub(super) fn tools<'a>(at: At<'_, 'a>) -> Result<Vec<Tool<'a>>, Error> {
    at.list("an array of objects", 0..=MAX_TOOLS, tool)
}

/// Those on offer; at least one, unlike `tools`.
pub(super) fn functions<'a>(at: At<'_, 'a>) -> Result<Vec<Tool<'a>>, Error> {
    at.list("an array of objects", 1..=MAX_TOOLS, |at| function(&mut at.object()?))
}

fn tool<'a>(at: At<'_, 'a>) -> Result<Tool<'a>, Error> {
    let mut fields = at.object()?;
    if fields.required("type")?.choice(&[("function", true), ("custom", false)])? {
        function(&mut fields.required("function")?.object()?)
    } else {
        custom(&mut fields.required("custom")?.object()?)
    }
}

/// A function's definition.
pub(in crate::openai) fn function<'a>(fields: &mut Fields<'_, 'a>) -> Result<Tool<'a>, Error> {
    let name = fields.required("name")?.name(MAX_NAME_CHARS)?;
    let description = fields.optional("description").map(At::string).transpose()?;
    let schema = fields.optional("parameters").map(tree).transpose()?;
    let strict = fields.optional("strict").map(At::boolean).transpose()?.unwrap_or_default();
    Ok(Tool { place: 0, name, description, input: ToolInput::Arguments { schema, strict } })
}

fn custom<'a>(fields: &mut Fields<'_, 'a>) -> Result<Tool<'a>, Error> {
    let name = fields.required("name")?.name(MAX_NAME_CHARS)?;
    let description = fields.optional("description").map(At::string).transpose()?;
    let mut grammar = None;
    if let Some(at) = fields.optional("format") {
        let mut format = at.object()?;
        if format.required("type")?.choice(&[("text", false), ("grammar", true)])? {
            let mut held = format.required("grammar")?.object()?;
            grammar = Some(held.required("definition")?.string()?);
            held.required("syntax")?.choice(&[("lark", ()), ("regex", ())])?;
        }
    }
    Ok(Tool { place: 0, name, description, input: ToolInput::Text { grammar } })
}

/// `tool_choice`: a word, or an object that names what may or must be called.
pub(super) fn tool_choice<'a>(at: At<'_, 'a>) -> Result<Choice<'a>, Error> {
    const TYPES: &[(&str, &str)] =
        &[("function", "function"), ("custom", "custom"), ("allowed_tools", "allowed_tools")];
    match at.value() {
        Value::String(_) => {
            let is_word = at.choice(&[("none", None), ("auto", Some(false)), ("required", Some(true))])?;
            Ok(is_word.map_or(Choice::Never, Choice::Any))
        }
        Value::Object(_) => {
            let mut fields = at.object()?;
            let holder = fields.required("type")?.choice(TYPES)?;
            let mut held = fields.required(holder)?.object()?;
            if holder == "allowed_tools" {
                return allowed_tools(&mut held);
            }
            Ok(Choice::One(held.required("name")?.string()?))
        }
        _ => Err(at.mismatch("one of a string or object")),
    }
}

fn allowed_tools<'a>(fields: &mut Fields<'_, 'a>) -> Result<Choice<'a>, Error> {
    let must = fields.required("mode")?.choice(&[("auto", false), ("required", true)])?;
    let names = fields.required("tools")?.list("an array of objects", 0..=ANY, |at| {
        let mut tool = at.object()?;
        let holder = match tool.optional("custom") {
            Some(custom) => Some(custom.object()?.required("name")?.string()?),
            None => None,
        };
        match holder {
            Some(name) => Ok(name),
            None => tool.required("function")?.object()?.required("name")?.string(),
        }
    })?;
    Ok(Choice::Some(must, names))
}

/// `function_call`: a word, or an object that names the function.
pub(super) fn function_call<'a>(at: At<'_, 'a>) -> Result<Choice<'a>, Error> {
    match at.value() {
        Value::String(_) => {
            let may = at.choice(&[("none", false), ("auto", true)])?;
            Ok(if may { Choice::Any(false) } else { Choice::Never })
        }
        Value::Object(_) => Ok(Choice::One(at.object()?.required("name")?.string()?)),
        _ => Err(at.mismatch("one of a string or object")),
    }
}

/// What the two spellings offer together: `tools`, unless nothing of them may be called.
pub(super) fn offer<'a>(
    tools: (Vec<Tool<'a>>, Option<Choice<'a>>),
    is_parallel: bool,
    functions: (Vec<Tool<'a>>, Option<Choice<'a>>),
) -> Result<Option<Offer<'a>>, Error> {
    let older = Offer::of("functions", "function_call", functions.0, functions.1, false, CallForm::Function)?;
    let offer = Offer::of("tools", "tool_choice", tools.0, tools.1, is_parallel, CallForm::Tools)?;
    Ok(offer.or(older))
}

/// An object as it is: a JSON Schema.
pub(in crate::openai) fn tree<'a>(at: At<'_, 'a>) -> Result<Value<'a>, Error> {
    match at.value() {
        Value::Object(_) => Ok(at.into_value()),
        _ => Err(at.mismatch("an object")),
    }
}

/// Checks an optional string.
pub(super) fn text(fields: &mut Fields<'_, '_>, key: &str) -> Result<(), Error> {
    fields.optional(key).map(At::string).transpose().map(drop)
}

/// Checks an optional boolean.
pub(super) fn boolean(fields: &mut Fields<'_, '_>, key: &str) -> Result<(), Error> {
    fields.optional(key).map(At::boolean).transpose().map(drop)
}
