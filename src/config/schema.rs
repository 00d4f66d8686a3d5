//! The JSON Schema of the file format, for editors, and the tree of its keys, for our own messages.

use std::collections::BTreeMap;

use serde_json::Value;

use super::raw::RawConfig;

/// The JSON Schema of `config.yaml`: what `chipp-proxy schema` prints.
pub fn schema() -> String {
    let mut text = format!("{:#}", schemars::schema_for!(RawConfig).to_value());
    text.push('\n');
    text
}

/// What may stand at a place of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value.
    Value,
    /// Keys that are known.
    Section(BTreeMap<String, Shape>),
    /// Names that the file chooses.
    Named(Box<Shape>),
    /// A list.
    List(Box<Shape>),
    /// One value, or something larger.
    ValueOr(Box<Shape>),
}

impl Shape {
    /// The shape of the whole file.
    pub(super) fn of_file() -> Self {
        let schema = schemars::schema_for!(RawConfig).to_value();
        Self::of(&schema, &schema)
    }

    fn of(root: &Value, node: &Value) -> Self {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return target.map_or(Self::Value, |target| Self::of(root, target));
        }
        if let Some(choices) = node.get("anyOf").and_then(Value::as_array) {
            return Self::any_of(root, choices);
        }
        if let Some(keys) = node.get("properties").and_then(Value::as_object) {
            let keys = keys.iter().map(|(key, value)| (key.clone(), Self::of(root, value)));
            return Self::Section(keys.collect());
        }
        if let Some(entry) = node.get("additionalProperties").filter(|entry| entry.is_object()) {
            return Self::Named(Box::new(Self::of(root, entry)));
        }
        if let Some(item) = node.get("items") {
            return Self::List(Box::new(Self::of(root, item)));
        }
        Self::Value
    }

    fn any_of(root: &Value, choices: &[Value]) -> Self {
        let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
        let shapes = choices.iter().filter(|choice| !is_null(choice));
        let (values, mut larger): (Vec<_>, Vec<_>) =
            shapes.map(|choice| Self::of(root, choice)).partition(|shape| *shape == Self::Value);
        match larger.pop() {
            Some(shape) if values.is_empty() => shape,
            Some(shape) => Self::ValueOr(Box::new(shape)),
            None => Self::Value,
        }
    }

    /// Every key that can be named in full, with its shape: not what lies below names and lists.
    pub(super) fn keys(&self) -> Vec<(String, &Self)> {
        let mut keys = Vec::new();
        self.collect_keys("", &mut keys);
        keys
    }

    fn collect_keys<'a>(&'a self, path: &str, keys: &mut Vec<(String, &'a Self)>) {
        if let Self::Section(section) = self {
            for (key, shape) in section {
                let path = join(path, key);
                shape.collect_keys(&path, keys);
                keys.push((path, shape));
            }
        }
    }
}

/// `parent.key`; what cannot be printed in `key` is escaped.
pub(super) fn join(parent: &str, key: &str) -> String {
    let key = key.escape_debug();
    if parent.is_empty() { key.to_string() } else { format!("{parent}.{key}") }
}
