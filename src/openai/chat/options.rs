//! The checks of the options that nest: formats, audio, search, prediction, metadata and their like.

use std::borrow::Cow;

use super::ResponseFormat;
use super::caps::{
    ANY, MAX_LOGIT_BIAS, MAX_METADATA, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS, MAX_NAME_CHARS,
    MAX_STOP_CHARS, MAX_STOPS,
};
use super::message::text_content;
use super::tools::{boolean, object, text};
use crate::openai::Error;
use crate::openai::json::{At, Value, check_length};

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

pub(super) fn response_format(at: At<'_, '_>) -> Result<ResponseFormat, Error> {
    const TYPES: &[(&str, ResponseFormat)] = &[
        ("json_object", ResponseFormat::JsonObject),
        ("json_schema", ResponseFormat::JsonSchema),
        ("text", ResponseFormat::Text),
    ];
    let mut fields = at.object()?;
    let format = fields.required("type")?.choice(TYPES)?;
    if format == ResponseFormat::JsonSchema {
        let mut schema = fields.required("json_schema")?.object()?;
        schema.required("name")?.name(MAX_NAME_CHARS)?;
        text(&mut schema, "description")?;
        object(&mut schema, "schema")?;
        boolean(&mut schema, "strict")?;
    }
    Ok(format)
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
