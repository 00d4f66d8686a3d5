//! `POST /v1/completions`, OpenAI's older endpoint: one text goes on as another. The request's types are here, the
//! table of its fields in `parameters`, the whole answer in `answer`, the streamed one in `chunk`.
//!
//! As strict and as lenient as [`chat`](crate::openai::chat). Whether what is asked for can be done is decided
//! elsewhere; here only whether it is well asked.

mod answer;
mod chunk;
mod parameters;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::openai::{Error, json};

pub use answer::{TextChoice, TextCompletion};
pub use chunk::TextChunkWriter;
pub use parameters::{PARAMETERS, TextParameter};

/// Most choices of one request, over all its prompts: as many as `n` can ask for with one. Each is a call of Chipp.
pub const MAX_CHOICES: u32 = 128;

/// `max_tokens` of a request that does not say: OpenAI's 16, few as they are. Whoever relies on the default gets short
/// texts that end with `length`, and a drop-in may not surprise them with long ones; all others send the field.
pub const DEFAULT_MAX_TOKENS: u64 = 16;

/// A checked request: every field of OpenAI's schema was type- and range-checked.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of OpenAI's, or a fact about one")]
pub struct TextRequest<'a> {
    /// The alias asked for.
    pub model: Cow<'a, str>,
    /// `prompt`. With [`n`](Self::n) of each, there are at most [`MAX_CHOICES`] choices.
    pub prompt: Prompt<'a>,
    /// `n`, 1 to 128: choices for each prompt.
    pub n: u32,
    /// `best_of`, at least [`n`](Self::n); that many if there is none.
    pub best_of: u32,
    /// `echo`: each choice's text begins with its prompt.
    pub echo: bool,
    /// `stream`.
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// `stop`, at most four, none empty.
    pub stop: Vec<Cow<'a, str>>,
    /// `max_tokens`, else [`DEFAULT_MAX_TOKENS`]. 0 asks for no text at all.
    pub max_tokens: u64,
    /// `user`: who is asking on the client's side.
    pub user: Option<Cow<'a, str>>,
    /// A `suffix` that is not empty was asked for.
    pub suffix: bool,
    /// `logprobs` were asked for; 0 asks for those of the text itself.
    pub logprobs: bool,
    /// Fields that are valid, were given a value other than null, and that the proxy leaves without effect; in the request's order.
    pub ignored: Vec<&'static str>,
    /// Fields that OpenAI does not know; in the request's order.
    pub unknown: Vec<Cow<'a, str>>,
}

/// `prompt`.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt<'a> {
    /// One text or several, each to be completed on its own; at least one.
    Texts(Vec<Cow<'a, str>>),
    /// Tokens of OpenAI's, which nobody here can read.
    Tokens,
}

impl<'a> TextRequest<'a> {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// A 400 in OpenAI's words that names the first bad field.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        parameters::read(json::parse(body)?)
    }
}
