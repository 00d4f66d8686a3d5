//! OpenAI's published schema against the table: no field forgotten, no type let through.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const SCHEMAS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openai.json"));

/// Follows a reference.
fn resolve<'s>(all: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(all, all.pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// The properties of a schema and of all its parts.
fn properties<'s>(all: &'s Value, schema: &'s Value, into: &mut Vec<(&'s str, &'s Value)>) {
    let schema = resolve(all, schema);
    if let Some(own) = schema["properties"].as_object() {
        into.extend(own.iter().map(|(name, schema)| (name.as_str(), schema)));
    }
    let parts = schema["allOf"].as_array().into_iter().flatten();
    parts.for_each(|part| properties(all, part, into));
}

/// The JSON types that a schema lets through; null apart.
fn types<'s>(all: &'s Value, schema: &'s Value, into: &mut BTreeSet<&'s str>) {
    let schema = resolve(all, schema);
    into.extend(schema["type"].as_str());
    for word in ["anyOf", "oneOf"] {
        let choices = schema[word].as_array().into_iter().flatten();
        choices.for_each(|choice| types(all, choice, into));
    }
}

fn request_properties(all: &Value) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    properties(all, &all["$defs"]["CreateChatCompletionRequest"], &mut found);
    found
}

#[test]
fn the_table_has_exactly_openais_fields() {
    let all: Value = serde_json::from_str(SCHEMAS).unwrap();
    let published: BTreeSet<_> = request_properties(&all).into_iter().map(|(name, _)| name).collect();
    let table: BTreeSet<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
    assert_eq!(published, table);
    assert_eq!(table.len(), PARAMETERS.len(), "a field stands twice in the table");
}

#[test]
fn a_type_that_the_schema_does_not_have_is_refused_by_name() {
    let samples = [
        ("boolean", "true"),
        ("integer", "1"),
        ("number", "0.5"),
        ("string", r#""x""#),
        ("array", "[]"),
        ("object", "{}"),
    ];
    let all: Value = serde_json::from_str(SCHEMAS).unwrap();
    let mut refused = 0;
    for (name, schema) in request_properties(&all) {
        let mut allowed = BTreeSet::new();
        types(&all, schema, &mut allowed);
        assert!(!allowed.is_empty(), "{name}");
        for (kind, sample) in samples {
            if allowed.contains(kind) || (kind == "integer" && allowed.contains("number")) {
                continue;
            }
            let error = refusal(with(&format!(r#""{name}":{sample}"#)));
            check_shape(&error);
            let told = (error.param.as_deref(), error.code);
            assert_eq!(told, (Some(name), Some("invalid_type")), "{sample}: {}", error.message);
            refused += 1;
        }
    }
    assert!(refused > 150, "{refused}");
}

#[test]
fn every_handling_is_in_use_and_prints() {
    let count =
        |handling: Handling| PARAMETERS.iter().filter(|parameter| parameter.handling == handling).count();
    assert_eq!(count(Handling::Honoured), 8);
    assert_eq!(count(Handling::Emulated), 10);
    let model = PARAMETERS.iter().find(|parameter| parameter.name == "model").unwrap();
    assert_eq!(format!("{model:?}"), "model: Honoured");
}
