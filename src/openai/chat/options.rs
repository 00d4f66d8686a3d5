//! The checks of the options that nest: formats, audio, search, prediction, metadata and their like.

use std::borrow::Cow;

use super::caps::{
    ANY, MAX_LOGIT_BIAS, MAX_METADATA, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS, MAX_NAME_CHARS,
    MAX_STOP_CHARS, MAX_STOPS,
};
use super::message::text_content;
use super::tools::{boolean, text, tree};
use super::{Format, FormatSchema};
use crate::openai::Error;
use crate::openai::json::{At, Fields, Value, check_length};

/// The sequences; empty ones (which would end every answer at once, and which forms send for an empty box) left out.
pub(super) fn stop<'a>(at: At<'_, 'a>) -> Result<Vec<Cow<'a, str>>, Error> {
    const EXPECTED: &str = "one of a string or array of strings";
    let mut stop = match at.value() {
        Value::String(_) => vec![at.string_up_to(MAX_STOP_CHARS)?],
        Value::Array(_) => at.list(EXPECTED, 0..=MAX_STOPS, |at| at.string_up_to(MAX_STOP_CHARS))?,
        _ => return Err(at.mismatch(EXPECTED)),
    };
    stop.retain(|sequence| !sequence.is_empty());
    Ok(stop)
}

/// `include_usage`.
pub(super) fn stream_options(at: At<'_, '_>) -> Result<bool, Error> {
    let mut fields = at.object()?;
    let include_usage = fields.optional("include_usage").map(At::boolean).transpose()?;
    boolean(&mut fields, "include_obfuscation")?;
    Ok(include_usage.unwrap_or_default())
}

pub(super) fn response_format<'a>(at: At<'_, 'a>) -> Result<Format<'a>, Error> {
    let mut fields = at.object()?;
    match fields.required("type")?.choice(FORMATS)? {
        Kind::Text => Ok(Format::Text),
        Kind::JsonObject => Ok(Format::JsonObject),
        Kind::JsonSchema => format_schema(&mut fields.required("json_schema")?.object()?),
    }
}

/// The kinds of formats, before they are read.
#[derive(Clone, Copy)]
pub(in crate::openai) enum Kind {
    Text,
    JsonObject,
    JsonSchema,
}

/// `type` of a format.
pub(in crate::openai) const FORMATS: &[(&str, Kind)] =
    &[("json_object", Kind::JsonObject), ("json_schema", Kind::JsonSchema), ("text", Kind::Text)];

/// The fields of a format with a schema.
pub(in crate::openai) fn format_schema<'a>(fields: &mut Fields<'_, 'a>) -> Result<Format<'a>, Error> {
    Ok(Format::JsonSchema(FormatSchema {
        name: fields.required("name")?.name(MAX_NAME_CHARS)?,
        description: fields.optional("description").map(At::string).transpose()?,
        schema: fields.optional("schema").map(tree).transpose()?,
        strict: fields.optional("strict").map(At::boolean).transpose()?.unwrap_or_default(),
    }))
}

pub(super) fn metadata(at: At<'_, '_>) -> Result<(), Error> {
    at.object()?.each(MAX_METADATA, |path, key, at| {
        check_length(path, key, MAX_METADATA_KEY_CHARS)?;
        at.string_up_to(MAX_METADATA_VALUE_CHARS).map(drop)
    })
}

pub(super) fn logit_bias(at: At<'_, '_>) -> Result<(), Error> {
    at.object()?.each(MAX_LOGIT_BIAS, |_, _, at| at.integer(-100..=100).map(drop))
}

/// Whether audio is among them.
pub(super) fn modalities(at: At<'_, '_>) -> Result<bool, Error> {
    let known = [("text", false), ("audio", true)];
    let asked = at.list("an array of strings", 0..=ANY, |at| at.choice(&known))?;
    Ok(asked.contains(&true))
}

pub(super) fn audio(at: At<'_, '_>) -> Result<(), Error> {
    const FORMATS: &[(&str, ())] =
        &[("wav", ()), ("aac", ()), ("mp3", ()), ("flac", ()), ("opus", ()), ("pcm16", ())];
    let mut fields = at.object()?;
    let voice = fields.required("voice")?;
    match voice.value() {
        Value::String(_) => {}
        Value::Object(_) => drop(voice.object()?.required("id")?.string()?),
        _ => return Err(voice.mismatch("one of a string or object")),
    }
    fields.required("format")?.choice(FORMATS)
}

pub(super) fn prediction(at: At<'_, '_>) -> Result<(), Error> {
    let mut fields = at.object()?;
    fields.required("type")?.choice(&[("content", ())])?;
    text_content(fields.required("content")?)
}

pub(super) fn web_search_options(at: At<'_, '_>) -> Result<(), Error> {
    let mut fields = at.object()?;
    if let Some(at) = fields.optional("search_context_size") {
        at.choice(&[("low", ()), ("medium", ()), ("high", ())])?;
    }
    let Some(at) = fields.optional("user_location") else {
        return Ok(());
    };
    let mut location = at.object()?;
    location.required("type")?.choice(&[("approximate", ())])?;
    let mut approximate = location.required("approximate")?.object()?;
    ["country", "region", "city", "timezone"].into_iter().try_for_each(|key| text(&mut approximate, key))
}
