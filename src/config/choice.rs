//! Values that are one of a few words; among them words of the file format that this version cannot honour yet.

use schemars::{Schema, json_schema};

use super::written::FromText;
use super::{
    EmptyReply, Fault, LearnSession, LimitsStore, LogFormat, LogLevel, OnStoreFailure, ResponsesStore,
    SessionStore, Strategy,
};
use crate::catalog::{Images, Tools};
use crate::translate::request::OnParameter;

/// A closed set of words.
trait Choice: Copy + 'static {
    /// Each word and its meaning; `None` = not supported yet.
    const WORDS: &'static [(&'static str, Option<Self>)];
}

impl<T: Choice> FromText for T {
    fn from_text(text: &str) -> Result<Self, String> {
        let usable = T::WORDS.iter().filter(|(_, meaning)| meaning.is_some());
        let usable: Vec<_> = usable.map(|(word, _)| format!("`{word}`")).collect();
        let usable = usable.join(" or ");
        match T::WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, Some(meaning))) => Ok(*meaning),
            Some((_, None)) => Err(format!("is not supported yet; use {usable}")),
            None => Err(format!("is not known here; use {usable}")),
        }
    }

    fn schema() -> Schema {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({"anyOf": [{"enum": words}, {"type": "string", "pattern": r"\$\{.+\}"}]})
    }
}

/// `auth.mode`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Anybody.
    Open,
    /// Keys of ours.
    Keys,
    /// The client's Chipp key.
    Passthrough,
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("open", Some(Self::Open)), ("keys", Some(Self::Keys)), ("passthrough", Some(Self::Passthrough))];
}

impl Choice for SessionStore {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("memory", Some(Self::Memory)), ("redis", Some(Self::Redis))];
}

impl Choice for ResponsesStore {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("memory", Some(Self::Memory)), ("redis", Some(Self::Redis))];
}

impl Choice for LimitsStore {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("memory", Some(Self::Memory)), ("redis", Some(Self::Redis))];
}

impl Choice for OnStoreFailure {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("local", Some(Self::Local)), ("deny", Some(Self::Deny))];
}

impl Choice for LearnSession {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("stream", Some(Self::Stream)), ("buffer_first", Some(Self::BufferFirst))];
}

impl Choice for EmptyReply {
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("return", Some(Self::Return)),
        ("error", Some(Self::Error)),
        ("transcript", Some(Self::Transcript)),
    ];
}

impl Choice for Strategy {
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("conversation", Some(Self::Conversation)),
        ("sticky", Some(Self::Sticky)),
        ("off", Some(Self::Off)),
    ];
}

impl Choice for OnParameter {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("ignore", Some(Self::Ignore)), ("reject", Some(Self::Reject))];
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("json", Some(Self::Json)), ("pretty", Some(Self::Pretty))];
}

impl Choice for LogLevel {
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("error", Some(Self::Error)),
        ("warn", Some(Self::Warn)),
        ("info", Some(Self::Info)),
        ("debug", Some(Self::Debug)),
        ("trace", Some(Self::Trace)),
    ];
}

impl Choice for Fault {
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("connect", Some(Self::Connect)),
        ("rate_limit", Some(Self::RateLimit)),
        ("unavailable", Some(Self::Unavailable)),
        ("timeout", Some(Self::Timeout)),
        ("server_error", Some(Self::ServerError)),
        ("reset", Some(Self::Reset)),
    ];
}

impl Choice for Images {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("text", Some(Self::Text)), ("parts", None), ("reject", Some(Self::Reject))];
}

impl Choice for Tools {
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("emulate", Some(Self::Emulate)), ("reject", Some(Self::Reject)), ("ignore", Some(Self::Ignore))];
}

impl LogLevel {
    /// The word of the configuration, which is that of log filters too.
    pub fn as_str(self) -> &'static str {
        word(self)
    }
}

/// The file's word for a value.
#[expect(private_bounds, reason = "the words are nobody else's business")]
pub(crate) fn word<T: Choice + PartialEq>(value: T) -> &'static str {
    let known = T::WORDS.iter().find(|(_, meaning)| *meaning == Some(value));
    known.map_or("", |(word, _)| *word)
}
