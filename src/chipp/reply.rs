//! A plain (unstreamed) reply, in every form that has been seen.

use crate::chipp::{Failure, FinishReason, Usage};
use crate::ids::ChatSessionId;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The session that now holds this turn.
    pub session: Option<ChatSessionId>,
    /// The answer; may be empty (the app ended on a tool step).
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Token counts, if any were given.
    pub usage: Option<Usage>,
}

impl Reply {
    /// Reads the body of a 200.
    ///
    /// # Errors
    /// An error object under the 200 is [`Failure::Api`]; a page, an empty body, or anything that is
    /// not a reply in one of the known forms is the failure of that name.
    pub fn parse(_body: &[u8]) -> Result<Self, Failure> {
        Err(Failure::Malformed)
    }
}
