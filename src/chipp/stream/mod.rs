//! Streamed replies: which dialect, and what it says.
//!
//! The request cannot choose the dialect, and the service has changed it without notice, so the first bytes decide:
//! `sniff` tells the forms apart, one file reads each, and all write through `termination`, which keeps the promise
//! of [`Event`] about a reply's end. Nothing is looked at twice: the cost is linear, and a delta of text costs one
//! allocation, the text itself.

mod calls;
mod data_stream;
mod event_stream;
mod line;
mod openai_chunk;
mod plain;
mod sniff;
mod sse;
mod termination;
mod ui_message;
mod whole;

use crate::chipp::{Event, Failure, UnknownWords, error, json};
use crate::ids::ChatSessionId;

pub use line::MAX_LINE_BYTES;
pub use plain::MAX_BODY_BYTES;
pub use sse::MAX_EVENT_BYTES;
pub use whole::whole;

/// Decodes one streamed reply. Sans IO: bytes in, events out, at any split of the bytes the same events
/// (only bare text comes in the portions in which it came).
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    dialect: Option<Dialect>,
    termination: termination::Termination,
}

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

impl Dialect {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChunk => "openai_chunk",
            Self::DataStream => "data_stream",
            Self::UiMessage => "ui_message",
            Self::Json => "json",
            Self::Html => "html",
            Self::Plain => "plain",
        }
    }
}

#[derive(Debug)]
enum State {
    Sniffing(sniff::Sniffer),
    EventStream(event_stream::EventStream),
    DataStream(data_stream::DataStream),
    Json(plain::JsonBody),
    Plain(plain::PlainText),
    /// The body has ended, or broke.
    Ended,
}

impl Default for State {
    fn default() -> Self {
        Self::Sniffing(sniff::Sniffer::default())
    }
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where the response header has named the session: no event can name another one.
    #[must_use]
    pub fn knowing(session: Option<&ChatSessionId>) -> Self {
        let mut decoder = Self::new();
        if let Some(session) = session {
            decoder.termination.know(session.clone());
        }
        decoder
    }

    /// Takes the next bytes and appends the events that they complete.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let State::Sniffing(sniffer) = &mut self.state else {
            return self.feed(bytes, events);
        };
        if let Some((form, rest)) = sniffer.push(bytes) {
            let head = std::mem::take(sniffer).into_held();
            self.begin(form, events);
            self.feed(&head, events);
            self.feed(rest, events);
        }
    }

    /// Says that the body has ended; appends the last events, a [`Event::Failure`] if no end was seen.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        let mut out = self.termination.outlet(events);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Sniffing(sniffer) => {
                let commented = sniffer.commented();
                let head = sniffer.into_held();
                if head.is_empty() {
                    // A stream that had begun is not an empty reply.
                    out.fail(if commented { Failure::Cut } else { Failure::Empty });
                } else {
                    self.dialect = Some(Dialect::Plain);
                    let mut text = plain::PlainText::default();
                    text.push(&head, &mut out);
                    text.finish(&mut out);
                }
            }
            State::EventStream(mut stream) => {
                stream.finish(&mut out);
                self.dialect = stream.dialect();
            }
            State::DataStream(mut stream) => stream.finish(&mut out),
            State::Json(body) => body.finish(&mut out),
            State::Plain(text) => text.finish(&mut out),
            State::Ended => {}
        }
    }

    /// Whether the answer is complete as far as it shows, and no tool of the app's is at work: only then may a long
    /// silence stand for the dialect's end.
    pub fn is_finishing(&self) -> bool {
        self.termination.is_finishing()
    }

    /// Says that there was a long silence. If [`is_finishing`](Self::is_finishing), the answer ends here; else this is
    /// the same as [`Decoder::finish`].
    pub fn finish_early(&mut self, events: &mut Vec<Event>) {
        if self.is_finishing() {
            self.termination.outlet(events).finish();
            self.state = State::Ended;
        } else {
            self.finish(events);
        }
    }

    /// Whether the dialect's own end has come: the body may break off now, or end.
    pub fn has_end_mark(&self) -> bool {
        self.termination.is_marked()
    }

    /// Whether a tool of the app's has been called: it has begun to act.
    pub fn has_called_tools(&self) -> bool {
        self.termination.has_called()
    }

    /// The dialect, once enough bytes have come to tell.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// How many malformed lines were skipped.
    pub fn skipped(&self) -> u32 {
        self.termination.skipped()
    }

    /// How many events or lines were too long to be held, and were read past: tool outputs, files, metadata.
    pub fn oversized(&self) -> u32 {
        self.termination.oversized()
    }

    /// Finish words that nobody knows.
    pub fn unknown_words(&self) -> &UnknownWords {
        self.termination.unknown_words()
    }

    fn begin(&mut self, form: sniff::Form, events: &mut Vec<Event>) {
        let (dialect, state) = match form {
            sniff::Form::EventStream => (None, State::EventStream(event_stream::EventStream::default())),
            sniff::Form::DataStream => {
                (Some(Dialect::DataStream), State::DataStream(data_stream::DataStream::default()))
            }
            sniff::Form::Json => (Some(Dialect::Json), State::Json(plain::JsonBody::default())),
            sniff::Form::Plain => (Some(Dialect::Plain), State::Plain(plain::PlainText::default())),
            sniff::Form::Html => {
                self.termination.outlet(events).fail(Failure::Html);
                (Some(Dialect::Html), State::Ended)
            }
        };
        self.dialect = dialect;
        self.state = state;
    }

    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let mut out = self.termination.outlet(events);
        match &mut self.state {
            State::EventStream(stream) => {
                stream.push(bytes, &mut out);
                self.dialect = stream.dialect();
            }
            State::DataStream(stream) => stream.push(bytes, &mut out),
            State::Json(body) => body.push(bytes, &mut out),
            State::Plain(text) => text.push(bytes, &mut out),
            State::Sniffing(_) | State::Ended => {}
        }
        if self.termination.failed() {
            self.state = State::Ended;
        }
    }
}

/// A line that is not of the stream's grammar: skipped, unless it is the error object of a server that broke.
fn stray(line: &[u8], out: &mut termination::Outlet<'_>) {
    let value = line.starts_with(b"{").then(|| json::value(line)).flatten();
    match value.as_ref().and_then(error::reported) {
        Some(error) => out.fail(Failure::Api(error)),
        None => out.skip(),
    }
}
