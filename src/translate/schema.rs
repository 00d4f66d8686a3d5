//! JSON Schema, by a library: whether a schema is one, and whether a value fits it.
//!
//! Schemas come from clients and values from apps, so both are bounded, nothing is fetched, and no pattern takes longer
//! than its limit.

mod work;

use std::sync::OnceLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Most values in one schema.
const MAX_NODES: usize = 20_000;

/// How deep a schema may nest: as deep as the parser goes, in stack that a worker has.
const MAX_DEPTH: usize = 96;

/// Most steps back that a pattern may take on one text.
const MAX_BACKTRACKS: usize = 100_000;

/// Largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Most work of one check: values in the schema times values in what is checked.
const MAX_CHECKING: usize = 20_000_000;

/// Most errors that are told of one value, and how long each may be, in characters.
const MAX_TOLD: usize = 5;
const MAX_TOLD_CHARS: usize = 300;

/// A schema that values can be checked against; compiled when the first one is.
#[derive(Debug)]
pub struct Checker {
    schema: Value,
    nodes: usize,
    compiled: OnceLock<Option<Validator>>,
}

/// What is wrong with a schema, in a clause.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is too large or too deep.
    TooLarge,
    /// It refers to another document.
    Remote,
    /// It is no JSON Schema; where, as a JSON pointer.
    Invalid(String),
}

impl Checker {
    /// Looks at a schema; what it costs is bound by its size.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn new(schema: Value) -> Result<Self, Unusable> {
        let nodes = measure(&schema, MAX_DEPTH).filter(|nodes| *nodes <= MAX_NODES);
        let nodes = nodes.ok_or(Unusable::TooLarge)?;
        if refers_elsewhere(&schema) {
            return Err(Unusable::Remote);
        }
        if let Err(error) = jsonschema::meta::validate(&schema) {
            return Err(Unusable::Invalid(error.instance_path().to_string()));
        }
        let compiled = OnceLock::new();
        if may_mean_nothing(&schema) && compiled.get_or_init(|| compile(&schema)).is_none() {
            return Err(Unusable::Invalid(String::new()));
        }
        Ok(Self { schema, nodes, compiled })
    }

    /// What is wrong with a value, in words for who made it; empty if it is right.
    pub fn problems(&self, value: &Value) -> Vec<String> {
        let nodes = measure(value, usize::MAX).unwrap_or(usize::MAX);
        if nodes.saturating_mul(self.nodes) > MAX_CHECKING {
            return vec!["it is too large to be checked".to_owned()];
        }
        match self.compiled.get_or_init(|| compile(&self.schema)) {
            Some(_) if !work::is_bounded(&self.schema, value) => {
                vec!["it takes too long to be checked".to_owned()]
            }
            Some(validator) => {
                let errors = validator.iter_errors(value).take(MAX_TOLD);
                errors.map(|error| told(&error)).collect()
            }
            // It was looked at; what is wrong with it is not the value's fault.
            None => Vec::new(),
        }
    }
}

fn compile(schema: &Value) -> Option<Validator> {
    let patterns =
        PatternOptions::fancy_regex().backtrack_limit(MAX_BACKTRACKS).size_limit(MAX_PATTERN_BYTES);
    jsonschema::options().offline().with_pattern_options(patterns).build(schema).ok()
}

fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let text = error.to_string();
    let end = text.char_indices().nth(MAX_TOLD_CHARS).map_or(text.len(), |(end, _)| end);
    let text = text.get(..end).unwrap_or_default();
    if place.is_empty() { text.to_owned() } else { format!("at {place}: {text}") }
}

/// How many values there are in it; `None` if it is deeper than that.
fn measure(value: &Value, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let mut nodes = 1_usize;
    match value {
        Value::Array(items) => {
            for item in items {
                nodes += measure(item, depth)?;
            }
        }
        Value::Object(fields) => {
            for field in fields.values() {
                nodes += measure(field, depth)?;
            }
        }
        _ => {}
    }
    Some(nodes)
}

/// Whether a schema of the right form may have parts that mean nothing: patterns that are none, references to nowhere.
fn may_mean_nothing(value: &Value) -> bool {
    const KEYS: [&str; 5] = ["pattern", "patternProperties", "$ref", "$dynamicRef", "$recursiveRef"];
    match value {
        Value::Array(items) => items.iter().any(may_mean_nothing),
        Value::Object(fields) => {
            fields.iter().any(|(key, field)| KEYS.contains(&key.as_str()) || may_mean_nothing(field))
        }
        _ => false,
    }
}

/// Whether a `$ref` leads out of the schema.
fn refers_elsewhere(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(refers_elsewhere),
        Value::Object(fields) => fields.iter().any(|(key, field)| {
            let is_reference = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            let leads_out = is_reference && field.as_str().is_some_and(|target| !target.starts_with('#'));
            leads_out || refers_elsewhere(field)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(schema: Value, value: &Value) -> Vec<String> {
        Checker::new(schema).unwrap().problems(value)
    }

    #[test]
    fn what_fits_has_no_problems_and_what_does_not_is_told_with_its_place() {
        let schema = json!({
            "type": "object", "required": ["days"], "additionalProperties": false,
            "properties": {"days": {"$ref": "#/$defs/count"}}, "$defs": {"count": {"type": "integer", "minimum": 1}}
        });
        assert!(problems(schema.clone(), &json!({"days": 2})).is_empty());
        assert_eq!(
            problems(schema.clone(), &json!({"days": 0})),
            ["at /days: 0 is less than the minimum of 1"]
        );
        assert_eq!(problems(schema.clone(), &json!({})), ["\"days\" is a required property"]);
        assert_eq!(problems(schema, &json!({"days": 1, "x": 2})).len(), 1);
    }

    #[test]
    fn schemas_that_cannot_be_used() {
        assert_eq!(
            Checker::new(json!({"type": "nothing"})).unwrap_err(),
            Unusable::Invalid("/type".to_owned())
        );
        let remote = json!({"properties": {"a": {"$ref": "https://example.com/x.json"}}});
        assert_eq!(Checker::new(remote).unwrap_err(), Unusable::Remote);
        let mut deep = json!({});
        for _ in 0..200 {
            deep = json!({"items": deep});
        }
        assert_eq!(Checker::new(deep).unwrap_err(), Unusable::TooLarge);
        let wide = json!({"enum": vec![1; 30_000]});
        assert_eq!(Checker::new(wide).unwrap_err(), Unusable::TooLarge);
    }

    #[test]
    fn a_schema_may_turn_in_a_circle_but_not_lead_nowhere() {
        let tree =
            json!({"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": false});
        assert!(problems(tree.clone(), &json!({"child": {"child": {}}})).is_empty());
        assert_eq!(problems(tree, &json!({"child": {"x": 1}})).len(), 1);
        for nothing in [json!({"$ref": "#/$defs/nowhere"}), json!({"pattern": "("})] {
            assert_eq!(Checker::new(nothing).unwrap_err(), Unusable::Invalid(String::new()));
        }
    }

    #[test]
    fn nobody_makes_us_work_for_long() {
        let schema = json!({"items": {"enum": (0..1000).collect::<Vec<_>>()}});
        let value = json!(vec![1; 100_000]);
        assert_eq!(problems(schema, &value), ["it is too large to be checked"]);
        let twice = json!({"anyOf": [{"items": {"$ref": "#"}, "minItems": 1}, {"items": {"$ref": "#"}, "minItems": 1}]});
        let value = (0..60).fold(json!([]), |value, _| json!([value]));
        assert_eq!(problems(twice, &value), ["it takes too long to be checked"]);
        let slow = json!({"pattern": "^(a+)+$(?!x)"});
        assert!(!problems(slow, &json!("a".repeat(60) + "!")).is_empty());
        let long = json!({"const": "y".repeat(5000)});
        assert!(problems(long, &json!("x"))[0].chars().count() <= MAX_TOLD_CHARS);
    }
}
