//! A request's body as a JSON tree that borrows from it, and typed readers over the tree that complain in OpenAI's
//! words (`read`) and name the place (`path`).
//!
//! An own tree, though crates offer borrowed ones: it has a cap on the number of values (a body of `[0,0,…` costs
//! sixteen times its size), values can be taken out of it, so that text with escapes is not copied a
//! second time, and the last of equal keys wins, as everywhere in JavaScript and Python.

mod path;
mod read;
mod repair;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

pub use path::Path;
pub use read::{At, Fields, Listing, check_length};

use crate::openai::Error;

/// Most values (scalars, arrays, objects) in one body; 32 bytes each, a field 24 more. Depth is capped by `serde_json`, at 128.
pub const MAX_VALUES: usize = 500_000;

/// Room for the fields of a message (`role`, `content`), the object that requests hold most of.
const USUAL_FIELDS: usize = 2;

/// One JSON value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// `null`
    #[default]
    Null,
    /// `true`; two variants, since a byte beside the tag makes every move of a value slower.
    True,
    /// `false`
    False,
    /// Any number.
    Number(Number),
    /// A string; borrowed unless it has escapes.
    String(Cow<'a, str>),
    /// `[…]`
    Array(Vec<Value<'a>>),
    /// `{…}`
    Object(Object<'a>),
}

/// A number, as exact as 64 bits allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer from 0.
    Unsigned(u64),
    /// An integer below 0.
    Signed(i64),
    /// Anything else: a fraction, an exponent, an integer of more than 64 bits.
    Float(f64),
}

/// An object: its fields in the order of the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// Takes a field's value out; of equal keys, the last one's.
    pub fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let field = self.0.iter_mut().rev().find(|(name, _)| name == key);
        field.map(|(_, value)| std::mem::take(value))
    }

    /// A field's value; of equal keys, the last one's.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let field = self.0.iter().rev().find(|(name, _)| name == key);
        field.map(|(_, value)| value)
    }

    /// How many fields there are, equal keys counted each.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As JSON again, fields in their order.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::True => serializer.serialize_bool(true),
            Self::False => serializer.serialize_bool(false),
            Self::Number(Number::Unsigned(number)) => serializer.serialize_u64(*number),
            Self::Number(Number::Signed(number)) => serializer.serialize_i64(*number),
            Self::Number(Number::Float(number)) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(object) => serializer.collect_map(object.0.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// Reads a body that has to be one JSON object. A byte order mark before and white space around it are accepted;
/// lone surrogate escapes (`"\ud83d"`, an emoji that was cut in half) become U+FFFD.
///
/// # Errors
/// 400, with a hint at what is wrong and where.
pub fn parse(body: &[u8]) -> Result<Object<'_>, Error> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let text = simdutf8::compat::from_utf8(body).map_err(|error| {
        Error::unparseable_body(format_args!("The text is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let value = match tree(text) {
        Ok(value) => value,
        Err(error) => match repair::lone_surrogates(text) {
            // A second parse and a copy of everything: such bodies are rare.
            Some(repaired) => tree(&repaired).map_err(|error| unparseable(&error))?.into_owned(),
            None => return Err(unparseable(&error)),
        },
    };
    match value {
        Value::Object(object) => Ok(object),
        other => {
            Err(Error::unparseable_body(format_args!("The body is {}, not an object", other.describe())))
        }
    }
}

/// The parser's messages are constants with a line and a column: none repeats the body.
fn unparseable(error: &serde_json::Error) -> Error {
    if error.is_eof() && error.column() == 0 && error.line() <= 1 {
        return Error::unparseable_body("The body is empty");
    }
    Error::unparseable_body(format_args!("Not valid JSON: {error}"))
}

fn tree(text: &str) -> Result<Value<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut left = MAX_VALUES;
    let value = Tree { left: &mut left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

impl Value<'_> {
    /// What it is, with its article, as error messages have it.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True | Self::False => "a boolean",
            Self::Number(number) if number.as_integer().is_some() => "an integer",
            Self::Number(_) => "a decimal number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    fn into_owned(self) -> Value<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Value::Null => Value::Null,
            Value::True => Value::True,
            Value::False => Value::False,
            Value::Number(number) => Value::Number(number),
            Value::String(text) => Value::String(own(text)),
            Value::Array(values) => Value::Array(values.into_iter().map(Value::into_owned).collect()),
            Value::Object(object) => {
                let fields = object.0.into_iter();
                Value::Object(Object(fields.map(|(key, value)| (own(key), value.into_owned())).collect()))
            }
        }
    }
}

impl Number {
    /// The integer that it is: `1.0` and `1e3` are integers too, as JSON Schema has it. Floats beyond 128 bits are
    /// taken as the nearest bound, which is out of every range here.
    pub fn as_integer(self) -> Option<i128> {
        match self {
            Self::Unsigned(value) => Some(value.into()),
            Self::Signed(value) => Some(value.into()),
            #[expect(clippy::cast_possible_truncation, reason = "whole, and `as` saturates")]
            Self::Float(value) => (value.fract() == 0.0).then_some(value as i128),
        }
    }

    /// The nearest float.
    pub fn as_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "ranges of decimals are small")]
            Self::Unsigned(value) => value as f64,
            #[expect(clippy::cast_precision_loss, reason = "ranges of decimals are small")]
            Self::Signed(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            // Plain digits could be three hundred of them.
            Self::Float(value) if *value != 0.0 && !(1e-6..1e16).contains(&value.abs()) => {
                write!(f, "{value:e}")
            }
            Self::Float(value) => value.fmt(f),
        }
    }
}

/// Builds a [`Value`]; `left` counts down from [`MAX_VALUES`].
struct Tree<'c> {
    left: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        *self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return Err(D::Error::custom(format_args!("more than {MAX_VALUES} values"))),
        };
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(if value { Value::True } else { Value::False })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Signed(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(Tree { left: self.left })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = access.next_key_seed(Key)? {
            if fields.is_empty() {
                fields.reserve_exact(USUAL_FIELDS);
            }
            fields.push((key, access.next_value_seed(Tree { left: self.left })?));
        }
        Ok(Value::Object(Object(fields)))
    }
}

/// Reads a key, borrowed if it can be. (Serde's own `Cow` always copies.)
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
