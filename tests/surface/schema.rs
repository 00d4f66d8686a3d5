//! OpenAI's published schemas, read as closed: a field that they do not name is a failure, and so is a word of JSON Schema
//! that is not known here.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static ALL: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/openai.json")).unwrap());

/// The words of JSON Schema that are heeded, or say nothing about what is valid.
const KNOWN: &[&str] = &[
    "$ref",
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "format",
    "default",
    "discriminator",
    "minimum",
    "maximum",
    "additionalProperties",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "pattern",
    "propertyNames",
];

/// Checks that a value is exactly what the schema of a name allows.
#[track_caller]
pub(crate) fn is(name: &str, value: &Value) {
    let schema = &ALL["$defs"][name];
    assert!(schema.is_object(), "there is no schema {name}");
    if let Err(error) = check(schema, value, name) {
        panic!("{error}\n{value:#}");
    }
}

fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(ALL.pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

fn check(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    if schema.as_object().is_some_and(Map::is_empty) {
        return Ok(());
    }
    if let Some(odd) = schema.as_object().unwrap().keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("{at}: cannot read the schema's '{odd}'"));
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            let told: Vec<String> =
                choices.iter().filter_map(|choice| check(choice, value, at).err()).collect();
            return if told.len() < choices.len() { Ok(()) } else { Err(told.join("\n")) };
        }
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if schema.get("const").is_some_and(|word| word != value) {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    match kind(schema) {
        "object" => object(schema, value, at),
        "array" => {
            let elements = value.as_array().ok_or_else(|| format!("{at}: {value} is no array"))?;
            let mut elements = elements.iter().enumerate();
            elements
                .try_for_each(|(index, element)| check(&schema["items"], element, &format!("{at}[{index}]")))
        }
        "string" if value.is_string() => Ok(()),
        "integer" if value.is_i64() || value.is_u64() => Ok(()),
        "number" if value.is_number() => Ok(()),
        "boolean" if value.is_boolean() => Ok(()),
        "null" if value.is_null() => Ok(()),
        other => Err(format!("{at}: {value} is no {other}")),
    }
}

fn kind(schema: &Value) -> &str {
    match schema["type"].as_str() {
        Some(kind) => kind,
        None if schema.get("allOf").is_some() || schema.get("properties").is_some() => "object",
        None => "(unknown)",
    }
}

fn object(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fields = value.as_object().ok_or_else(|| format!("{at}: {value} is no object"))?;
    let (mut properties, mut required) = (Map::new(), Vec::new());
    gather(schema, &mut properties, &mut required);
    for (name, field) in fields {
        match properties.get(name) {
            Some(schema) => check(schema, field, &format!("{at}.{name}"))?,
            None if schema["additionalProperties"] == true => {}
            None if schema["additionalProperties"].is_object() => {
                check(&schema["additionalProperties"], field, &format!("{at}.{name}"))?;
            }
            None => return Err(format!("{at}: nobody knows '{name}'")),
        }
    }
    let missing = required.iter().find(|name| !fields.contains_key(name.as_str()));
    missing.map_or(Ok(()), |name| Err(format!("{at}: {name} is missing")))
}

/// The properties of a schema and of all its parts.
fn gather(schema: &Value, properties: &mut Map<String, Value>, required: &mut Vec<String>) {
    let schema = resolve(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        gather(part, properties, required);
    }
    properties.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(|name| name.as_str().map(str::to_owned)));
}

#[test]
fn the_reading_finds_what_is_wrong() {
    let good = serde_json::json!({"object": "list", "first_id": "msg_1", "last_id": "msg_1", "has_more": false, "data": [
        {"id": "msg_1", "type": "message", "role": "user", "status": "completed", "content": [{"type": "input_text", "text": "hi"}]},
    ]});
    is("ResponseItemList", &good);
    for (place, value) in [
        ("/data/0/id", Value::Null),
        ("/data/0/role", "nobody".into()),
        ("/data/0/content", "hi".into()),
        ("/data/0/content/0/more", 1.into()),
        ("/data/0/more", 1.into()),
        ("/has_more", "false".into()),
        ("/more", 1.into()),
    ] {
        let mut bad = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[name] = value;
        check(&ALL["$defs"]["ResponseItemList"], &bad, "").unwrap_err();
    }
}
