//! The one inner vocabulary of answers: every dialect of Chipp's is decoded into these events, every
//! shape of OpenAI's is written from them.

use crate::chipp::Failure;
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
    /// The last so many bytes of the text are void: the app began its step anew (`reset-step`). Never more than have
    /// been told.
    Withdrawn(usize),
    /// The reply ended as its dialect says that replies end.
    Finish(FinishReason),
    /// The reply broke, or reported an error.
    Failure(Failure),
}

/// Why an answer ended; see [`finish`](crate::chipp::finish) for the words on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The answer is complete.
    Stop,
    /// The model's limit was reached.
    Length,
    /// A filter cut the answer.
    ContentFilter,
}

/// Token counts as far as Chipp gave them; each may be missing or null upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, Chipp's hidden prompt and the session's history included.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
}
