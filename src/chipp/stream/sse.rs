//! The grammar of server-sent events: lines in, the data of each event out.

use crate::chipp::skim::{Limits, Skimmer};
use crate::chipp::stream::line::MAX_LINE_BYTES;

/// Longest data of one event that is held, in bytes: several lines may make it up.
pub const MAX_EVENT_BYTES: usize = MAX_LINE_BYTES;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SseEvent<'a> {
    /// Its `data:` lines, joined by `\n`.
    pub(super) data: &'a [u8],
    /// Whether it was too long to be held: `data` is what is small in it.
    pub(super) is_skimmed: bool,
    /// Whether an `event:` line called it `error`.
    pub(super) named_error: bool,
}

/// Puts events together from lines.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    data: Vec<u8>,
    has_data: bool,
    /// Takes the data instead, once that is too long to be held.
    skimmer: Option<Box<Skimmer>>,
    /// The long line that is being read is one of data.
    is_long_data: bool,
    named_error: bool,
}

/// What a line turned out to be.
pub(super) enum Read<'a> {
    /// Part of an event, a comment, or nothing.
    Nothing,
    /// It completed an event.
    Event(SseEvent<'a>),
    /// Not a line of this grammar.
    Stray,
}

impl Assembler {
    /// Takes the next line; `next` are the bytes after it, as far as they have come.
    pub(super) fn line<'a>(&'a mut self, line: &'a [u8], next: &[u8]) -> Read<'a> {
        if line.is_empty() {
            return self.end_of_event().map_or(Read::Nothing, Read::Event);
        }
        let (field, value) = field(line);
        match field {
            // Nearly every event is one line, and has come together with the empty line that ends it: no copy.
            b"data" if !self.has_data && is_blank(next) => {
                return Read::Event(SseEvent {
                    data: value,
                    is_skimmed: false,
                    named_error: std::mem::take(&mut self.named_error),
                });
            }
            b"data" => self.append(value),
            b"event" => self.named_error = value == b"error",
            b"" | b"id" | b"retry" => {}
            _ => return Read::Stray,
        }
        Read::Nothing
    }

    /// The beginning of a line that is too long to be held; false if it is not one of this grammar.
    pub(super) fn long_head(&mut self, head: &[u8]) -> bool {
        let (field, value) = field(head);
        self.is_long_data = field == b"data";
        if self.is_long_data {
            self.begin_data();
            self.skim().push(value);
        }
        matches!(field, b"data" | b"event" | b"" | b"id" | b"retry")
    }

    /// More of it.
    pub(super) fn long_more(&mut self, bytes: &[u8]) {
        if self.is_long_data {
            self.skim().push(bytes);
        }
    }

    /// The event that was being put together, at an empty line or at the end of the body.
    pub(super) fn end_of_event(&mut self) -> Option<SseEvent<'_>> {
        let named_error = std::mem::take(&mut self.named_error);
        let has_data = std::mem::take(&mut self.has_data);
        let skimmer = self.skimmer.take();
        let is_skimmed = skimmer.is_some();
        if let Some(skimmer) = skimmer {
            self.data = skimmer.into_kept();
        }
        has_data.then_some(SseEvent { data: &self.data, is_skimmed, named_error })
    }

    fn append(&mut self, value: &[u8]) {
        self.begin_data();
        if self.skimmer.is_some() || self.data.len() + value.len() > MAX_EVENT_BYTES {
            self.skim().push(value);
        } else {
            self.data.extend_from_slice(value);
        }
    }

    /// Before the value of a `data:` line.
    fn begin_data(&mut self) {
        if !std::mem::replace(&mut self.has_data, true) {
            self.data.clear();
        } else if let Some(skimmer) = &mut self.skimmer {
            skimmer.push(b"\n");
        } else {
            self.data.push(b'\n');
        }
    }

    /// What takes the data from here on; it is given what has been held so far.
    fn skim(&mut self) -> &mut Skimmer {
        self.skimmer.get_or_insert_with(|| {
            let mut skimmer = Box::new(Skimmer::new(Limits::LONG));
            skimmer.push(&std::mem::take(&mut self.data));
            skimmer
        })
    }
}

/// The name of a line's field, and its value.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return (line, b"") };
    let (field, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default();
    (field, value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether the next line is known to be empty.
fn is_blank(next: &[u8]) -> bool {
    matches!(next, [b'\n', ..] | [b'\r', b'\n', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `lines`, each ended by `\n`, when `next` is known and when it is not.
    fn events(body: &str) -> Vec<(String, bool)> {
        let read = |see_next: fn(&str) -> &str| {
            let mut assembler = Assembler::default();
            let mut events = Vec::new();
            let mut keep = |event: SseEvent<'_>| {
                events.push((String::from_utf8(event.data.to_vec()).unwrap(), event.named_error));
            };
            let mut rest = body;
            while let Some((line, after)) = rest.split_once('\n') {
                if let Read::Event(event) = assembler.line(line.as_bytes(), see_next(after).as_bytes()) {
                    keep(event);
                }
                rest = after;
            }
            if let Some(event) = assembler.end_of_event() {
                keep(event);
            }
            events
        };
        let ahead = read(|next| next);
        assert_eq!(ahead, read(|_| ""), "{body}");
        ahead
    }

    #[test]
    fn data_and_names() {
        for (body, expected) in [
            ("data: a\n\n", &[("a", false)][..]),
            ("data:a\n\ndata:  b\n\n", &[("a", false), (" b", false)]),
            ("data: a\ndata: b\ndata\n\n", &[("a\nb\n", false)]),
            (": note\nid: 1\nretry: 5\nevent: message\ndata: a\n\n", &[("a", false)]),
            ("event: error\ndata: a\n\ndata: b\n\n", &[("a", true), ("b", false)]),
            ("event: error\n\ndata: b\n\n", &[("b", false)]),
            ("data: a\nid: 1\n\n", &[("a", false)]),
            ("data: unterminated\n", &[("unterminated", false)]),
            ("data:\n\n", &[("", false)]),
            ("\n\n: only a comment\n\n", &[]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(data, error)| ((*data).to_owned(), *error)).collect();
            assert_eq!(events(body), expected, "{body}");
        }
    }

    #[test]
    fn other_lines_are_stray() {
        for line in ["hello", "{\"error\":1}", "<html>", "0:\"a\"", " data: a"] {
            let mut assembler = Assembler::default();
            assert!(matches!(assembler.line(line.as_bytes(), b""), Read::Stray), "{line}");
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_skimmed() {
        let mut assembler = Assembler::default();
        let half = "x".repeat(MAX_EVENT_BYTES / 2);
        for line in
            ["data:{\"a\":1,", &format!("data:\"b\":\"{half}\","), &format!("data:\"c\":\"{half}\"}}")]
        {
            assert!(matches!(assembler.line(line.as_bytes(), b""), Read::Nothing));
        }
        let event = assembler.end_of_event().unwrap();
        assert_eq!((event.data, event.is_skimmed), (&br#"{"a":1,"b":{},"c":{}}"#[..], true));
        assert!(assembler.long_head(b"data: {\"a\":2,\"b\":\""));
        assembler.long_more(half.as_bytes());
        assembler.long_more(b"\"}\r");
        let Read::Event(event) = assembler.line(b"", b"") else { panic!("no event") };
        assert_eq!((event.data, event.is_skimmed), (&br#"{"a":2,"b":{}}"#[..], true));
        assert!(assembler.long_head(b": a long comment"));
        assembler.long_more(b"data: {}");
        assert!(!assembler.long_head(b"<html>"));
        assert!(assembler.end_of_event().is_none());
    }
}
