//! The identifiers that travel through the proxy, as types: one cannot be passed for another.
//!
//! Each is made by `parse` (or minted), so a value that exists is sane: it fits into an HTTP header.
//! Secret ones print as `***`.

mod kept;

use std::fmt;
use std::sync::Arc;

pub use kept::{ConversationId, ItemId, ResponseId};

/// Longest identifier taken from outside, in bytes.
pub const MAX_ID_BYTES: usize = 255;

fn is_header_safe(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A Chipp application's name id, `myapp-123`; what Chipp calls `model`. Never shown to a client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AppId(Arc<str>);

impl AppId {
    /// `None` if empty, longer than [`MAX_ID_BYTES`], or not printable ASCII without spaces.
    pub fn parse(text: &str) -> Option<Self> {
        is_header_safe(text).then(|| Self(text.into()))
    }

    /// The id as Chipp wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppId(***)")
    }
}

/// The id of a conversation that Chipp keeps (`chatSessionId`). Whoever knows it can read on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChatSessionId(Arc<str>);

impl ChatSessionId {
    /// `None` if empty, longer than [`MAX_ID_BYTES`], or not printable ASCII without spaces.
    pub fn parse(text: &str) -> Option<Self> {
        is_header_safe(text).then(|| Self(text.into()))
    }

    /// The id as Chipp wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a segment of a path; `None` if it would have to be escaped, which no id of Chipp's that has been seen would.
    pub fn as_path_segment(&self) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
        self.0.bytes().all(is_plain).then_some(&self.0)
    }
}

impl fmt::Debug for ChatSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatSessionId(***)")
    }
}

/// The id of one request: the client's own `x-request-id` where it was sane, else minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// `None` if empty, longer than [`MAX_ID_BYTES`], or not printable ASCII without spaces.
    pub fn parse(text: &str) -> Option<Self> {
        is_header_safe(text).then(|| Self(text.into()))
    }

    /// A new one, unique and sortable by time: `req_` and 32 hexadecimal digits.
    pub fn mint() -> Self {
        let mut buffer = [0_u8; uuid::fmt::Simple::LENGTH + 4];
        let (prefix, digits) = buffer.split_at_mut(4);
        prefix.copy_from_slice(b"req_");
        uuid::Uuid::now_v7().as_simple().encode_lower(digits);
        Self(std::str::from_utf8(&buffer).unwrap_or("req_").into())
    }

    /// The id as it stands in headers and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an answer, `chatcmpl-…` or `cmpl-…`: minted here, since Chipp's own may be missing or change in mid-stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionId(Arc<str>);

impl CompletionId {
    /// A new one of a chat: `chatcmpl-` and 32 hexadecimal digits.
    pub fn mint() -> Self {
        Self::after("chatcmpl-")
    }

    /// A new one of a legacy completion: `cmpl-` and 32 hexadecimal digits.
    pub fn mint_text() -> Self {
        Self::after("cmpl-")
    }

    fn after(prefix: &str) -> Self {
        let mut buffer = [0_u8; uuid::fmt::Simple::LENGTH + "chatcmpl-".len()];
        let (start, rest) = buffer.split_at_mut(prefix.len());
        start.copy_from_slice(prefix.as_bytes());
        let length = prefix.len() + uuid::Uuid::new_v4().as_simple().encode_lower(rest).len();
        let text = buffer.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        Self(text.unwrap_or(prefix).into())
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a call of a tool, `call_…`: minted here, since apps write none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCallId(Arc<str>);

impl ToolCallId {
    /// A new one: `call_` and 24 hexadecimal digits.
    pub fn mint() -> Self {
        let mut digits = [0_u8; uuid::fmt::Simple::LENGTH];
        let digits = uuid::Uuid::new_v4().as_simple().encode_lower(&mut digits);
        // Of random digits: the first twelve have no version in them that would be the same in all.
        let (start, end) = (digits.get(..12).unwrap_or_default(), digits.get(20..).unwrap_or_default());
        Self(["call_", start, end].concat().into())
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_do_not_fit_a_header_are_none() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for bad in ["", "a b", "a\r\nb", "ä", "\u{7f}", &long] {
            assert!(ChatSessionId::parse(bad).is_none(), "{bad:?}");
            assert!(RequestId::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(AppId::parse("myapp-123").map(|id| id.as_str().to_owned()), Some("myapp-123".into()));
    }

    #[test]
    fn secret_ids_do_not_print() {
        let session = ChatSessionId::parse("0192-secret").unwrap();
        assert!(!format!("{session:?}").contains("secret"));
        let app = AppId::parse("secret-123").unwrap();
        assert!(!format!("{app:?}").contains("secret"));
    }

    #[test]
    fn minted_ids_differ_and_have_their_prefix() {
        assert_ne!(RequestId::mint(), RequestId::mint());
        assert_eq!(RequestId::mint().as_str().len(), 36);
        assert_eq!(CompletionId::mint().as_str().len(), 41);
        assert!(CompletionId::mint().as_str().starts_with("chatcmpl-"));
        assert_eq!(CompletionId::mint_text().as_str().len(), 37);
        assert!(CompletionId::mint_text().as_str().starts_with("cmpl-"));
        assert_ne!(CompletionId::mint_text(), CompletionId::mint_text());
        assert_eq!(ToolCallId::mint().as_str().len(), 29);
        assert!(ToolCallId::mint().as_str().starts_with("call_"));
        assert_ne!(ToolCallId::mint(), ToolCallId::mint());
    }
}
