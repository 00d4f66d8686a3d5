//! What a check costs at most, counted before it is made.
//!
//! The sizes of schema and value say little: a schema of two choices that both refer to the whole doubles the work with
//! every level of a value. So every keyword is applied, on paper, to every part that it could be applied to, and that is
//! broken off at [`MAX_STEPS`].

use serde_json::{Map, Value};

/// Most keywords that are applied in one check.
const MAX_STEPS: usize = 1_000_000;

/// How deep schema and value are followed together.
const MAX_NESTING: usize = 256;

/// Bytes of text that are one step of a pattern.
const TEXT_STEP: usize = 32;

/// How often the choices beside `unevaluatedProperties` or `unevaluatedItems` are looked at.
const UNEVALUATED: usize = 3;

/// Keywords that refer.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Whether a value can be checked in bounded time.
pub(super) fn is_bounded(schema: &Value, value: &Value) -> bool {
    Work { root: schema, left: MAX_STEPS }.apply(schema, value, MAX_NESTING).is_some()
}

/// The steps that are left; `None` of what is below means that there are not enough.
struct Work<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Work<'s> {
    fn spend(&mut self, steps: usize) -> Option<()> {
        self.left = self.left.checked_sub(steps)?;
        Some(())
    }

    fn apply(&mut self, schema: &'s Value, value: &Value, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let Value::Object(fields) = schema else { return self.spend(1) };
        // With a name of its own inside of another schema, it is not clear what references in it mean.
        if fields.contains_key("$id") && !std::ptr::eq(schema, self.root) {
            return None;
        }
        let length = |key: &str| fields.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        self.spend(1 + fields.len() + length("enum") + length("required"))?;
        if let (Some(text), true) = (value.as_str(), fields.contains_key("pattern")) {
            self.spend(text.len() / TEXT_STEP)?;
        }
        let is_unevaluated =
            fields.contains_key("unevaluatedProperties") || fields.contains_key("unevaluatedItems");
        for _ in 0..if is_unevaluated { UNEVALUATED } else { 1 } {
            self.apply_choices(fields, value, depth)?;
        }
        match value {
            Value::Array(values) => self.apply_to_items(fields, values, depth),
            Value::Object(values) => self.apply_to_fields(fields, values, depth),
            _ => Some(()),
        }
    }

    /// What is applied to the value itself.
    fn apply_choices(&mut self, schema: &'s Map<String, Value>, value: &Value, depth: usize) -> Option<()> {
        for reference in REFERENCES.iter().filter_map(|key| schema.get(*key)?.as_str()) {
            for target in targets(reference, self.root)? {
                self.apply(target, value, depth)?;
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            let choices = schema.get(key).and_then(Value::as_array).into_iter().flatten();
            choices.into_iter().try_for_each(|choice| self.apply(choice, value, depth))?;
        }
        for key in ["not", "if", "then", "else"] {
            schema.get(key).map_or(Some(()), |schema| self.apply(schema, value, depth))?;
        }
        for key in ["dependencies", "dependentSchemas"] {
            let dependent = schema.get(key).and_then(Value::as_object).into_iter().flat_map(Map::values);
            dependent.into_iter().try_for_each(|schema| self.apply(schema, value, depth))?;
        }
        Some(())
    }

    fn apply_to_items(
        &mut self,
        schema: &'s Map<String, Value>,
        values: &[Value],
        depth: usize,
    ) -> Option<()> {
        self.spend(values.len())?;
        for key in ["items", "additionalItems", "contains", "unevaluatedItems"] {
            if let Some(schema) = schema.get(key).filter(|schema| !schema.is_array()) {
                values.iter().try_for_each(|value| self.apply(schema, value, depth))?;
            }
        }
        for key in ["prefixItems", "items"] {
            let schemas = schema.get(key).and_then(Value::as_array).into_iter().flatten();
            schemas.zip(values).try_for_each(|(schema, value)| self.apply(schema, value, depth))?;
        }
        Some(())
    }

    fn apply_to_fields(
        &mut self,
        schema: &'s Map<String, Value>,
        values: &Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        self.spend(values.len())?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_named = |key: &String| properties.is_some_and(|properties| properties.contains_key(key));
        for (key, value) in values {
            let schema = properties.and_then(|properties| properties.get(key));
            schema.map_or(Some(()), |schema| self.apply(schema, value, depth))?;
        }
        if let Some(patterns) = schema.get("patternProperties").and_then(Value::as_object) {
            for (key, value) in values {
                for schema in patterns.values() {
                    self.spend(1 + key.len() / TEXT_STEP)?;
                    self.apply(schema, value, depth)?;
                }
            }
        }
        for key in ["additionalProperties", "unevaluatedProperties"] {
            let Some(schema) = schema.get(key) else { continue };
            for (_, value) in values.iter().filter(|(key, _)| !is_named(key)) {
                self.apply(schema, value, depth)?;
            }
        }
        if let Some(schema) = schema.get("propertyNames") {
            values.keys().try_for_each(|key| self.apply(schema, &Value::from(key.as_str()), depth))?;
        }
        Some(())
    }
}

/// What a reference can mean: what its pointer finds, or everything that has the name; `None` if that is nothing.
fn targets<'s>(reference: &str, root: &'s Value) -> Option<Vec<&'s Value>> {
    let fragment = reference.strip_prefix('#')?;
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment).map(|target| vec![target]);
    }
    let mut found = Vec::new();
    let mut ahead = vec![root];
    while let Some(value) = ahead.pop() {
        match value {
            Value::Array(items) => ahead.extend(items),
            Value::Object(fields) => {
                let is_named = |key: &str| fields.get(key).and_then(Value::as_str) == Some(&*fragment);
                if is_named("$anchor") || is_named("$dynamicAnchor") {
                    found.push(value);
                }
                ahead.extend(fields.values());
            }
            _ => {}
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(depth: usize, around: impl Fn(Value) -> Value) -> Value {
        (0..depth).fold(json!([]), |value, _| around(value))
    }

    #[test]
    fn what_doubles_with_every_level_is_not_bounded() {
        let list = nested(60, |value| json!([value]));
        let object = nested(60, |value| json!({"x": value}));
        for (schema, value) in [
            (json!({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}), &list),
            (json!({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}), &list),
            (
                json!({"$defs": {"a": {"$anchor": "a", "oneOf": [{"items": {"$ref": "#a"}}, {"items": {"$ref": "#a"}}]}}, "$ref": "#a"}),
                &list,
            ),
            (
                json!({"$dynamicAnchor": "a", "not": {"items": {"$dynamicRef": "#a"}}, "contains": {"$dynamicRef": "#a"}}),
                &list,
            ),
            (
                json!({"unevaluatedProperties": false, "anyOf": [{"properties": {"x": {"$ref": "#"}}}]}),
                &object,
            ),
            (json!({"items": {"$id": "http://x/", "$ref": "#"}}), &list),
            (json!({"$ref": "#"}), &list),
        ] {
            assert!(!is_bounded(&schema, value), "{schema}");
        }
    }

    #[test]
    fn usual_schemas_are_bounded() {
        let tree = json!({"$id": "http://x/tree", "properties": {"x": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}});
        assert!(is_bounded(&tree, &nested(100, |value| json!({"x": value}))));
        let item = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}, "$id": {"pattern": "^a"}},
            "required": ["a"], "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
        let schema = json!({"type": "array", "items": item, "$defs": {"a": {"enum": ["x", "y"]}}});
        assert!(is_bounded(&schema, &json!(vec![json!({"a": "x", "$id": "ab"}); 10_000])));
    }
}
