//! Streamed replies: which dialect, and what it says.

use crate::chipp::Event;

/// Decodes one streamed reply. Sans IO: bytes in, events out, at any split of the bytes the same events.
#[derive(Debug, Default)]
pub struct Decoder {}

/// The dialects that a stream may come in; see `sniff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A: OpenAI's chunks, as documented.
    OpenAiChunk,
    /// B: AI SDK v4 data stream, `CODE:JSON` lines.
    DataStream,
    /// C: AI SDK v5 UI message stream, SSE with typed JSON.
    UiMessage,
    /// A plain JSON reply or error in a stream's place.
    Json,
    /// A web page: an error.
    Html,
    /// Bare text.
    Plain,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and appends the events that they complete.
    pub fn push(&mut self, _bytes: &[u8], _events: &mut Vec<Event>) {}

    /// Says that the body has ended; appends the last events, a [`Event::Failure`] if no end was seen.
    pub fn finish(&mut self, _events: &mut Vec<Event>) {}

    /// The dialect, once enough bytes have come to tell.
    pub fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// How many malformed lines were skipped.
    pub fn skipped(&self) -> u32 {
        0
    }
}
