//! `/v1/conversations`: what is asked, and what is answered.

mod items;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Serializer as _;

use crate::openai::Error;
use crate::openai::chat::caps::{MAX_METADATA, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS};
use crate::openai::json::{self, At, Path, Value, check_length};

pub use items::NewItem;

/// The metadata of what has none.
pub const NO_METADATA: &str = "{}";

/// Most items that are added at once (OpenAI's).
const MAX_ITEMS: usize = 20;

/// What a body is for: which fields it has, and which it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Makes a conversation.
    Create,
    /// Gives it other metadata.
    Update,
    /// Adds items to it.
    AddItems,
}

/// A checked body.
#[derive(Debug)]
pub struct Asked<'a> {
    /// `items`
    pub items: Vec<NewItem>,
    /// `metadata`, as JSON
    pub metadata: String,
    /// Fields that OpenAI does not know.
    pub unknown: Vec<Cow<'a, str>>,
}

impl<'a> Asked<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 that names the place.
    pub fn parse(body: &'a [u8], purpose: Purpose) -> Result<Self, Error> {
        let root = Path::ROOT;
        let mut asked = Self { items: Vec::new(), metadata: NO_METADATA.to_owned(), unknown: Vec::new() };
        let mut needed = match purpose {
            Purpose::Create => None,
            Purpose::Update => Some("metadata"),
            Purpose::AddItems => Some("items"),
        };
        for (key, value) in json::parse(body)? {
            if needed == Some(&*key) {
                needed = None;
            }
            let at = At::new(value, root.key(&key));
            match (&*key, purpose) {
                ("items", Purpose::AddItems) => asked.items = items(at, 1..=MAX_ITEMS)?,
                ("items" | "metadata", Purpose::Create) | ("metadata", Purpose::Update)
                    if *at.value() == Value::Null => {}
                ("items", Purpose::Create) => asked.items = items(at, 0..=MAX_ITEMS)?,
                ("metadata", Purpose::Create | Purpose::Update) => asked.metadata = metadata(at)?,
                _ => asked.unknown.push(key),
            }
        }
        match needed {
            Some(field) => Err(Error::missing_parameter(field)),
            None => Ok(asked),
        }
    }
}

/// A conversation as an answer: everything but what was said in it. `metadata`: its JSON.
pub fn to_json(id: &str, created_at: u64, metadata: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}","object":"conversation","created_at":{created_at},"metadata":{metadata}}}"#)
        .into_bytes()
}

/// That a conversation was deleted.
pub fn deleted_json(id: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}","object":"conversation.deleted","deleted":true}}"#).into_bytes()
}

/// Checks `metadata`, and writes it as JSON in the order in which it came.
///
/// # Errors
/// 400 that names the place.
pub fn metadata(at: At<'_, '_>) -> Result<String, Error> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    at.object()?.each(MAX_METADATA, |path, key, at| {
        check_length(path, key, MAX_METADATA_KEY_CHARS)?;
        let value = at.string_up_to(MAX_METADATA_VALUE_CHARS)?.into_owned();
        pairs.retain(|(other, _)| other != key);
        pairs.push((key.to_owned(), value));
        Ok(())
    })?;
    let mut out = Vec::new();
    // Texts into a Vec: that does not fail.
    let _ = serde_json::Serializer::new(&mut out).collect_map(pairs);
    Ok(String::from_utf8(out).unwrap_or_else(|_| NO_METADATA.to_owned()))
}

/// A text of the user's as an item.
pub(super) fn user_message(text: &str) -> NewItem {
    items::user_message(text)
}

/// Checks an item, and writes it in the form in which it is kept.
pub(super) fn item(at: At<'_, '_>) -> Result<NewItem, Error> {
    items::item(at)
}

fn items(at: At<'_, '_>, how_many: RangeInclusive<usize>) -> Result<Vec<NewItem>, Error> {
    at.list("an array of objects", how_many, items::item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_keeps_its_order_and_the_last_of_equal_keys() {
        let body = br#"{"metadata":{"b":"1","a":"\"\n","b":"2"}}"#;
        let asked = Asked::parse(body, Purpose::Create).unwrap();
        assert_eq!(asked.metadata, r#"{"a":"\"\n","b":"2"}"#);
    }

    #[test]
    fn a_field_is_known_where_it_means_something() {
        let body = br#"{"metadata":{},"items":[{"role":"user","content":"hi"}],"x":1}"#;
        for (purpose, items, unknown) in [
            (Purpose::Create, 1, &["x".into()][..]),
            (Purpose::Update, 0, &["items".into(), "x".into()]),
            (Purpose::AddItems, 1, &["metadata".into(), "x".into()]),
        ] {
            let asked = Asked::parse(body, purpose).unwrap();
            assert_eq!((asked.items.len(), asked.unknown), (items, unknown.to_vec()), "{purpose:?}");
        }
    }
}
