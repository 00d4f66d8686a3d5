//! A closed reading of OpenAI's schemas, as far as these need it: a field that they do not name is a failure, and so is a
//! word of JSON Schema that is not known here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::openai::chat::Handling;

const SCHEMAS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openai.json"));

/// The words of JSON Schema that are heeded, or say nothing about what is valid (`format`, `default`).
const KNOWN: &[&str] = &["type", "properties", "required", "items", "enum", "anyOf", "format", "default"];

/// All published schemas.
pub(super) fn published() -> Value {
    serde_json::from_str(SCHEMAS).unwrap()
}

/// Whether a value is exactly what a schema allows.
pub(super) fn check(all: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(all, all.pointer(reference.trim_start_matches('#')).unwrap(), value, at);
    }
    let fields = schema.as_object().unwrap();
    if let Some(odd) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("{at}: cannot read the schema's '{odd}'"));
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().any(|choice| check(all, choice, value, at).is_ok());
        return fits.then_some(()).ok_or_else(|| format!("{at}: {value} is none of the choices"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{at}: {value} is none of {words:?}"));
    }
    let kind = schema["type"].as_str().unwrap();
    let is_of_kind = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        _ => return Err(format!("{at}: cannot read the type '{kind}'")),
    };
    if !is_of_kind {
        return Err(format!("{at}: {value} is no {kind}"));
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        check(all, &schema["items"], element, &format!("{at}[{index}]"))?;
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => check(all, schema, field, &format!("{at}.{name}"))?,
            None => return Err(format!("{at}: nobody knows '{name}'")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    Ok(())
}

#[test]
fn the_reading_finds_what_is_wrong() {
    let all = published();
    let schema = &all["$defs"]["CreateCompletionResponse"];
    let good = serde_json::json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"text": "", "index": 0, "logprobs": null, "finish_reason": "stop"}]
    });
    check(&all, schema, &good, "").unwrap();
    for (place, value) in [
        ("/object", "chat.completion".into()),
        ("/created", "1".into()),
        ("/choices/0/finish_reason", Value::Null),
        ("/choices/0/logprobs", 1.into()),
        ("/choices/0", serde_json::json!({"text": ""})),
        (
            "/choices/0",
            serde_json::json!({"text": "", "index": 0, "logprobs": null, "finish_reason": "stop", "x": 1}),
        ),
        ("/choices", Value::Null),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        check(&all, schema, &bad, "").unwrap_err();
    }
    let mut bad = good.clone();
    bad["more"] = 1.into();
    check(&all, schema, &bad, "").unwrap_err();
}

#[test]
fn the_table_has_exactly_openais_fields() {
    let all = published();
    let properties = all["$defs"]["CreateCompletionRequest"]["properties"].as_object().unwrap();
    let published: BTreeSet<_> = properties.keys().map(String::as_str).collect();
    let table: BTreeSet<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
    assert_eq!(published, table);
    assert_eq!(table.len(), PARAMETERS.len(), "a field stands twice in the table");
    let of = |handling: Handling| PARAMETERS.iter().filter(|of| of.handling == handling).count();
    assert_eq!(Handling::ALL.map(of), [5, 4, 6, 3]);
    assert_eq!(format!("{:?}", PARAMETERS[1]), "prompt: Honoured");
}
