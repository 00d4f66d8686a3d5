//! The checks of what tools are offered (`tools`, the older `functions`) and which of them is to be called.

use super::caps::{ANY, MAX_NAME_CHARS, MAX_TOOLS};
use crate::openai::Error;
use crate::openai::json::{At, Fields, Value};

/// What `tool_choice` or `function_call` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// No call.
    Never,
    /// As the model sees fit.
    Free,
    /// One of several, or a certain one.
    Forced,
}

/// How many there are. An empty array is what many clients send for none.
pub(super) fn tools(at: At<'_, '_>) -> Result<usize, Error> {
    Ok(at.list("an array of objects", 0..=MAX_TOOLS, tool)?.len())
}

/// How many there are; at least one, unlike `tools`.
pub(super) fn functions(at: At<'_, '_>) -> Result<usize, Error> {
    let functions = at.list("an array of objects", 1..=MAX_TOOLS, |at| function(&mut at.object()?))?;
    Ok(functions.len())
}

fn tool(at: At<'_, '_>) -> Result<(), Error> {
    let mut fields = at.object()?;
    if fields.required("type")?.choice(&[("function", true), ("custom", false)])? {
        let mut definition = fields.required("function")?.object()?;
        function(&mut definition)?;
        boolean(&mut definition, "strict")
    } else {
        custom(&mut fields.required("custom")?.object()?)
    }
}

fn function(fields: &mut Fields<'_, '_>) -> Result<(), Error> {
    fields.required("name")?.name(MAX_NAME_CHARS)?;
    text(fields, "description")?;
    object(fields, "parameters")
}

fn custom(fields: &mut Fields<'_, '_>) -> Result<(), Error> {
    fields.required("name")?.name(MAX_NAME_CHARS)?;
    text(fields, "description")?;
    let Some(at) = fields.optional("format") else {
        return Ok(());
    };
    let mut format = at.object()?;
    if format.required("type")?.choice(&[("text", false), ("grammar", true)])? {
        let mut grammar = format.required("grammar")?.object()?;
        grammar.required("definition")?.string()?;
        grammar.required("syntax")?.choice(&[("lark", ()), ("regex", ())])?;
    }
    Ok(())
}

/// `tool_choice`: a word, or an object that names what may or must be called.
pub(super) fn tool_choice(at: At<'_, '_>) -> Result<Choice, Error> {
    const WORDS: &[(&str, Choice)] =
        &[("none", Choice::Never), ("auto", Choice::Free), ("required", Choice::Forced)];
    const TYPES: &[(&str, &str)] =
        &[("function", "function"), ("custom", "custom"), ("allowed_tools", "allowed_tools")];
    match at.value() {
        Value::String(_) => at.choice(WORDS),
        Value::Object(_) => {
            let mut fields = at.object()?;
            let holder = fields.required("type")?.choice(TYPES)?;
            let mut held = fields.required(holder)?.object()?;
            if holder == "allowed_tools" {
                return allowed_tools(&mut held);
            }
            held.required("name")?.string()?;
            Ok(Choice::Forced)
        }
        _ => Err(at.mismatch("one of a string or object")),
    }
}

fn allowed_tools(fields: &mut Fields<'_, '_>) -> Result<Choice, Error> {
    let modes = [("auto", Choice::Free), ("required", Choice::Forced)];
    let mode = fields.required("mode")?.choice(&modes)?;
    fields.required("tools")?.list("an array of objects", 0..=ANY, |at| at.object().map(drop))?;
    Ok(mode)
}

/// `function_call`: a word, or an object that names the function.
pub(super) fn function_call(at: At<'_, '_>) -> Result<Choice, Error> {
    match at.value() {
        Value::String(_) => at.choice(&[("none", Choice::Never), ("auto", Choice::Free)]),
        Value::Object(_) => {
            at.object()?.required("name")?.string()?;
            Ok(Choice::Forced)
        }
        _ => Err(at.mismatch("one of a string or object")),
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

/// Checks an optional object, whatever is in it: a JSON Schema.
pub(super) fn object(fields: &mut Fields<'_, '_>, key: &str) -> Result<(), Error> {
    fields.optional(key).map(At::object).transpose().map(drop)
}
