//! The ids of what is kept for clients. Whoever knows one and has the right key reads it, so that none can be guessed.

use std::sync::Arc;

use uuid::Uuid;

/// The random digits of an id: 32 of one UUID, and half of another's.
const DIGITS: usize = 48;

/// The id of a response, `resp_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseId(Arc<str>);

impl ResponseId {
    /// A new one: `resp_` and 48 hexadecimal digits.
    pub fn mint() -> Self {
        Self(after("resp_"))
    }

    /// `None` if it is none that was ever minted.
    pub fn parse(text: &str) -> Option<Self> {
        is_minted(text, "resp_").then(|| Self(text.into()))
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a conversation that the proxy keeps, `conv_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationId(Arc<str>);

impl ConversationId {
    /// A new one: `conv_` and 48 hexadecimal digits.
    pub fn mint() -> Self {
        Self(after("conv_"))
    }

    /// `None` if it is none that was ever minted.
    pub fn parse(text: &str) -> Option<Self> {
        is_minted(text, "conv_").then(|| Self(text.into()))
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an item of a conversation, `msg_…`, `fc_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemId(Arc<str>);

impl ItemId {
    /// A new one: what such items begin with, and 48 hexadecimal digits.
    pub fn mint(prefix: &str) -> Self {
        Self(after(prefix))
    }

    /// That of an item of a response's output, by its place there: what such items begin with, the response's digits, and
    /// the place. So the response is found by it.
    pub fn of_response(prefix: &str, response: &ResponseId, place: usize) -> String {
        let digits = response.as_str().strip_prefix("resp_").unwrap_or_default();
        format!("{prefix}{digits}{place:02x}")
    }

    /// The response whose item has this id, if it is the id of one.
    pub fn response_of(item: &str) -> Option<ResponseId> {
        let (_, digits) = item.split_once('_')?;
        ResponseId::parse(&format!("resp_{}", digits.get(..DIGITS)?))
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn after(prefix: &str) -> Arc<str> {
    let mut buffer = [0; 2 * uuid::fmt::Simple::LENGTH];
    let (first, second) = buffer.split_at_mut(uuid::fmt::Simple::LENGTH);
    Uuid::new_v4().as_simple().encode_lower(first);
    Uuid::new_v4().as_simple().encode_lower(second);
    let digits = buffer.get(..DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
    [prefix, digits.unwrap_or_default()].concat().into()
}

fn is_minted(text: &str, prefix: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(prefix).is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_are_long_and_differ() {
        let id = ResponseId::mint();
        assert!(id.as_str().starts_with("resp_") && id.as_str().len() == 53, "{id:?}");
        assert!(id.as_str().bytes().skip(5).all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, ResponseId::mint());
        assert_ne!(ConversationId::mint(), ConversationId::mint());
        assert!(ConversationId::mint().as_str().starts_with("conv_"));
    }

    #[test]
    fn only_what_can_have_been_minted_is_an_id() {
        let id = ResponseId::mint();
        assert_eq!(ResponseId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(ConversationId::parse(id.as_str()), None);
        let conversation = ConversationId::mint();
        assert_eq!(ConversationId::parse(conversation.as_str()), Some(conversation));
        let upper = id.as_str().to_uppercase();
        let long = format!("{}0", id.as_str());
        for other in ["", "resp_", "resp_123", &upper, &long, "resp_é"] {
            assert_eq!(ResponseId::parse(other), None, "{other}");
        }
    }
}
