//! The grammar of server-sent events: lines in, the data of each event out.

use crate::chipp::stream::line::{MAX_LINE_BYTES, TooLong};

/// Longest data of one event, in bytes: several lines may make it up.
pub const MAX_EVENT_BYTES: usize = MAX_LINE_BYTES;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SseEvent<'a> {
    /// Its `data:` lines, joined by `\n`.
    pub(super) data: &'a [u8],
    /// Whether an `event:` line called it `error`.
    pub(super) named_error: bool,
}

/// Puts events together from lines.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    data: Vec<u8>,
    has_data: bool,
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
    pub(super) fn line<'a>(&'a mut self, line: &'a [u8], next: &[u8]) -> Result<Read<'a>, TooLong> {
        if line.is_empty() {
            return Ok(self.end_of_event().map_or(Read::Nothing, Read::Event));
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => {
                let (field, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            // Nearly every event is one line, and has come together with the empty line that ends it: no copy.
            b"data" if !self.has_data && is_blank(next) => {
                return Ok(Read::Event(SseEvent {
                    data: value,
                    named_error: std::mem::take(&mut self.named_error),
                }));
            }
            b"data" => self.append(value)?,
            b"event" => self.named_error = value == b"error",
            b"" | b"id" | b"retry" => {}
            _ => return Ok(Read::Stray),
        }
        Ok(Read::Nothing)
    }

    /// The event that was being put together, at an empty line or at the end of the body.
    pub(super) fn end_of_event(&mut self) -> Option<SseEvent<'_>> {
        let named_error = std::mem::take(&mut self.named_error);
        std::mem::take(&mut self.has_data).then_some(SseEvent { data: &self.data, named_error })
    }

    fn append(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.has_data {
            self.data.push(b'\n');
        } else {
            self.data.clear();
            self.has_data = true;
        }
        if self.data.len() + value.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.data.extend_from_slice(value);
        Ok(())
    }
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
                if let Read::Event(event) =
                    assembler.line(line.as_bytes(), see_next(after).as_bytes()).unwrap()
                {
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
            assert!(matches!(assembler.line(line.as_bytes(), b""), Ok(Read::Stray)), "{line}");
        }
    }

    #[test]
    fn an_event_has_a_cap() {
        let mut assembler = Assembler::default();
        let half = ["data:", &"x".repeat(MAX_EVENT_BYTES / 2)].concat();
        assert!(assembler.line(half.as_bytes(), b"").is_ok());
        assert!(matches!(assembler.line(half.as_bytes(), b""), Err(TooLong)));
    }
}
