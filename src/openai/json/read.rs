//! Typed reading of a tree: each reader takes a value, or complains in OpenAI's words about its type and range.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use super::{Object, Path, Value};
use crate::openai::Error;

/// A value and the place where it stands.
#[derive(Debug)]
pub struct At<'p, 'a> {
    value: Value<'a>,
    path: Path<'p>,
}

/// The fields of an object and the place where it stands.
#[derive(Debug)]
pub struct Fields<'p, 'a> {
    object: Object<'a>,
    path: Path<'p>,
}

impl<'p, 'a> At<'p, 'a> {
    /// A value at a place.
    pub fn new(value: Value<'a>, path: Path<'p>) -> Self {
        Self { value, path }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path<'p> {
        &self.path
    }

    /// The value itself, for a look at its type.
    pub fn value(&self) -> &Value<'a> {
        &self.value
    }

    /// The value as it is.
    pub fn into_value(self) -> Value<'a> {
        self.value
    }

    /// The error that something else was expected: `one of a string or array of objects`.
    pub fn mismatch(&self, expected: &(impl fmt::Display + ?Sized)) -> Error {
        Error::invalid_type(&self.path, expected, self.value.describe())
    }

    /// A string.
    ///
    /// # Errors
    /// `invalid_type`
    pub fn string(self) -> Result<Cow<'a, str>, Error> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.mismatch("a string")),
        }
    }

    /// A string of so many characters at most.
    ///
    /// # Errors
    /// `invalid_type`, `string_above_max_length`
    pub fn string_up_to(self, most: usize) -> Result<Cow<'a, str>, Error> {
        let path = self.path;
        let text = self.string()?;
        check_length(&path, &text, most)?;
        Ok(text)
    }

    /// A name that is needed: one to `most` letters, digits, underscores and dashes.
    ///
    /// # Errors
    /// `invalid_type`, `empty_string`, `string_above_max_length`, `invalid_value`
    pub fn name(self, most: usize) -> Result<Cow<'a, str>, Error> {
        let path = self.path;
        let name = self.string_up_to(most)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() {
            Err(Error::empty_string(&path))
        } else if name.bytes().all(allowed) {
            Ok(name)
        } else {
            Err(Error::invalid_format(&path, "a string that matches the pattern '^[a-zA-Z0-9_-]+$'"))
        }
    }

    /// `true` or `false`, and nothing that resembles them.
    ///
    /// # Errors
    /// `invalid_type`
    pub fn boolean(self) -> Result<bool, Error> {
        match self.value {
            Value::True => Ok(true),
            Value::False => Ok(false),
            _ => Err(self.mismatch("a boolean")),
        }
    }

    /// An integer in a range.
    ///
    /// # Errors
    /// `invalid_type`, `integer_above_max_value`, `integer_below_min_value`
    pub fn integer(self, range: RangeInclusive<i128>) -> Result<i128, Error> {
        let Value::Number(number) = self.value else {
            return Err(self.mismatch("an integer"));
        };
        match number.as_integer() {
            None => Err(self.mismatch("an integer")),
            Some(value) if value > *range.end() => {
                Err(Error::integer_above_max(&self.path, *range.end(), &number))
            }
            Some(value) if value < *range.start() => {
                Err(Error::integer_below_min(&self.path, *range.start(), &number))
            }
            Some(value) => Ok(value),
        }
    }

    /// Any number in a range.
    ///
    /// # Errors
    /// `invalid_type`, `decimal_above_max_value`, `decimal_below_min_value`
    pub fn decimal(self, range: RangeInclusive<f64>) -> Result<f64, Error> {
        let Value::Number(number) = self.value else {
            return Err(self.mismatch("a decimal"));
        };
        let value = number.as_f64();
        if value > *range.end() {
            Err(Error::decimal_above_max(&self.path, *range.end(), &number))
        } else if value < *range.start() {
            Err(Error::decimal_below_min(&self.path, *range.start(), &number))
        } else {
            Ok(value)
        }
    }

    /// One of some known strings; gives what stands beside it.
    ///
    /// # Errors
    /// `invalid_type`, `invalid_value`
    pub fn choice<T: Copy>(self, known: &[(&str, T)]) -> Result<T, Error> {
        let names = || known.iter().map(|(name, _)| *name);
        let Value::String(text) = &self.value else {
            let expected = format!("one of {}", Listing::or(names()));
            return Err(self.mismatch(&expected));
        };
        let found = known.iter().find(|(name, _)| name == text);
        found
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| Error::invalid_value(&self.path, text, &Listing::and(names())))
    }

    /// The fields of an object.
    ///
    /// # Errors
    /// `invalid_type`
    pub fn object(self) -> Result<Fields<'p, 'a>, Error> {
        match self.value {
            Value::Object(object) => Ok(Fields { object, path: self.path }),
            _ => Err(self.mismatch("an object")),
        }
    }

    /// An array of so many elements, each read by `read`; `expected` is what it should be, `an array of objects`.
    ///
    /// # Errors
    /// `invalid_type`, `empty_array`, `array_above_max_length`, and those of the elements
    pub fn list<T>(
        self,
        expected: &str,
        length: RangeInclusive<usize>,
        mut read: impl FnMut(At<'_, 'a>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Value::Array(values) = self.value else {
            return Err(self.mismatch(expected));
        };
        if values.len() < *length.start() {
            return Err(Error::empty_array(&self.path));
        }
        if values.len() > *length.end() {
            return Err(Error::array_too_long(&self.path, *length.end(), values.len()));
        }
        // Not `collect`: through a `Result` it cannot know the length.
        let mut read_values = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            read_values.push(read(At::new(value, self.path.index(index)))?);
        }
        Ok(read_values)
    }
}

impl<'a> Fields<'_, 'a> {
    /// A field that may be absent; null counts as absent.
    pub fn optional<'f>(&'f mut self, key: &'f str) -> Option<At<'f, 'a>> {
        match self.object.take(key) {
            None | Some(Value::Null) => None,
            Some(value) => Some(At::new(value, self.path.key(key))),
        }
    }

    /// A field that has to be there; null is left to the reader's type check.
    ///
    /// # Errors
    /// `missing_required_parameter`
    pub fn required<'f>(&'f mut self, key: &'f str) -> Result<At<'f, 'a>, Error> {
        match self.object.take(key) {
            None => Err(Error::missing_parameter(&self.path.key(key))),
            Some(value) => Ok(At::new(value, self.path.key(key))),
        }
    }

    /// Reads every field, whatever its name.
    ///
    /// # Errors
    /// `object_above_max_properties`, and those of the fields
    pub fn each(
        self,
        most: usize,
        mut read: impl FnMut(&Path<'_>, &str, At<'_, 'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.object.len() > most {
            return Err(Error::too_many_properties(&self.path, most, self.object.len()));
        }
        self.object
            .into_iter()
            .try_for_each(|(key, value)| read(&self.path, &key, At::new(value, self.path.key(&key))))
    }
}

/// Checks that a text has at most so many characters.
///
/// # Errors
/// `string_above_max_length`
pub fn check_length(path: &Path<'_>, text: &str, most: usize) -> Result<(), Error> {
    if text.len() <= most {
        return Ok(());
    }
    match text.chars().count() {
        length if length > most => Err(Error::string_too_long(path, most, length)),
        _ => Ok(()),
    }
}

/// Names as English lists them: `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`.
#[derive(Clone, Copy, Debug)]
pub struct Listing<I> {
    names: I,
    word: &'static str,
}

impl<I> Listing<I> {
    /// All of them.
    pub fn and(names: I) -> Self {
        Self { names, word: "and" }
    }

    /// One of them.
    pub fn or(names: I) -> Self {
        Self { names, word: "or" }
    }
}

impl<'n, I: Iterator<Item = &'n str> + Clone> fmt::Display for Listing<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.names.clone().count();
        for (index, name) in self.names.clone().enumerate() {
            match (index, count) {
                (0, _) => write!(f, "'{name}'")?,
                (1, 2) => write!(f, " {} '{name}'", self.word)?,
                _ if index + 1 == count => write!(f, ", {} '{name}'", self.word)?,
                _ => write!(f, ", '{name}'")?,
            }
        }
        Ok(())
    }
}
