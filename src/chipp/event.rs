//! The one inner vocabulary of answers: every dialect of Chipp's is decoded into these events, every
//! shape of OpenAI's is written from them.

use crate::chipp::{ApiError, ErrorKind, Failure};
use crate::ids::ChatSessionId;

/// One thing that a reply says.
///
/// A reply ends in exactly one [`Event::Finish`] or [`Event::Failure`]; nothing but
/// [`Event::Session`] and [`Event::Usage`] may come after a `Finish`, nothing at all after a `Failure`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// More of the answer's text; never empty.
    Text(String),
    /// The session that holds this turn.
    Session(ChatSessionId),
    /// Token counts; a later one replaces an earlier one.
    Usage(Usage),
    /// The app is at work (a tool, reasoning): nothing to show, but a sign of life.
    Activity,
    /// The answer is complete and only metadata should follow: read on, but not for long.
    ///
    /// Should text follow all the same, nothing is lost: it is a [`Event::Text`], and the answer is open again
    /// until the next `Closing` or the end.
    Closing(FinishReason),
    /// The reply ended as its dialect says that replies end.
    Finish(FinishReason),
    /// The reply broke, or reported an error.
    Failure(Failure),
}

/// Why an answer ended, in Chipp's (that is the AI SDK's) words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The answer is complete. Also `tool-calls`, `other`, `unknown`: the app's own tools are its own affair.
    Stop,
    /// The model's limit was reached.
    Length,
    /// A filter cut the answer.
    ContentFilter,
}

impl FinishReason {
    /// Reads the word on the wire, in the AI SDK's spelling or OpenAI's.
    ///
    /// # Errors
    /// `error` is no way to end an answer.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        match word {
            "length" => Ok(Self::Length),
            "content-filter" | "content_filter" => Ok(Self::ContentFilter),
            "error" => Err(Failure::Api(ApiError { kind: ErrorKind::Server, message: None })),
            _ => Ok(Self::Stop),
        }
    }
}

/// Token counts as far as Chipp gave them; each may be missing or null upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, Chipp's hidden prompt and the session's history included.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
}
