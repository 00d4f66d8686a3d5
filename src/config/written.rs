//! A value as the file has it: text that is not yet read, and the type that it will be read as.
//!
//! The file is kept as text until it is checked, for three reasons: `0123` stays what was written, every bad value
//! becomes a problem with its key path instead of ending the parse, and `${VAR}` is filled in late, so that a
//! message can quote what was written and never what the environment holds.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be read from one value of the file.
pub(crate) trait FromText: Sized {
    /// Whether a message may quote the text; `false` for everything that is, or is easily mistaken for, a secret.
    const QUOTED: bool = true;

    /// Reads it. The error goes on after the value: "is not a duration: …".
    fn from_text(text: &str) -> Result<Self, String>;

    /// For editors.
    fn schema() -> Schema;
}

/// One value, to be read as a `T`. Has no `Debug`: it may be a secret.
pub(crate) struct Written<T> {
    text: String,
    kind: PhantomData<fn() -> T>,
}

impl<T> Written<T> {
    /// The text as the file has it, `${VAR}` included.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: PhantomData }
    }
}

impl<T> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl<T: FromText> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// A list of values, or one text with commas: what an environment variable can carry.
pub(crate) enum List<T> {
    /// `[a, b]`
    Items(Vec<Written<T>>),
    /// `a, b`
    Joined(Written<T>),
}

impl<T> List<T> {
    /// How many entries were written, right or wrong; a text with commas counts as at least one.
    pub(crate) fn len_as_written(&self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Joined(text) => text.as_str().split(',').count(),
        }
    }
}

impl<T> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Items(items) => items.serialize(serializer),
            Self::Joined(text) => text.serialize(serializer),
        }
    }
}

impl<'de, T> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(List::Joined(Written::new(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List::Items(items))
            }
        }

        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

impl<T: FromText> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "array", "items": T::schema()}, {"type": "string"}]
        })
    }
}
