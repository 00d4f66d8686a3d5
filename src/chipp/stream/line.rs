//! Lines out of bytes that come in any portions: each byte is looked at once, and a line that lies whole in a
//! portion is not copied. A line that is too long to be held is handed on in portions.
//!
//! A line ends with `\n` or `\r\n`. A lone `\r`, which the SSE standard would also take for an end, is not one:
//! nothing that serves these dialects writes it.

use std::ops::ControlFlow;

/// Longest line that is held, in bytes without its end.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The beginning of a long line is not cut into smaller portions than this, so that it tells what the line is.
const HEAD_BYTES: usize = 64;

/// What is kept of the buffer between lines, in bytes of capacity: one long line must not hold memory for ever.
const KEPT_BYTES: usize = 16 * 1024;

/// A line, or a portion of one that is longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Portion<'a> {
    /// A line without its end, and the bytes after it, as far as they have come.
    Line { line: &'a [u8], next: &'a [u8] },
    /// A long line begins, with at least [`HEAD_BYTES`].
    LongHead(&'a [u8]),
    /// It continues.
    LongMore(&'a [u8]),
    /// It has ended; the `\r` of its end may have been the last byte of it.
    LongEnd,
}

/// Splits a body into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// In the middle of a long line.
    is_long: bool,
}

type Flow = ControlFlow<()>;

impl Lines {
    /// Gives each line that `bytes` complete, and the portions of long ones. After a break, no more bytes may be pushed.
    pub(super) fn push(&mut self, bytes: &[u8], mut on: impl FnMut(Portion<'_>) -> Flow) {
        let _ = self.split(bytes, &mut on);
    }

    fn split(&mut self, bytes: &[u8], on: &mut impl FnMut(Portion<'_>) -> Flow) -> Flow {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            let next = tail.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.is_long) {
                on(Portion::LongMore(head))?;
                on(Portion::LongEnd)?;
            } else if self.partial.is_empty() {
                whole(head, next, on)?;
            } else {
                self.partial.extend_from_slice(head);
                let flow = whole(&self.partial, next, on);
                self.partial.clear();
                self.partial.shrink_to(KEPT_BYTES);
                flow?;
            }
            rest = next;
        }
        self.hold(rest, on)
    }

    /// The last line, if the body does not end with the end of one.
    pub(super) fn finish(&mut self, mut on: impl FnMut(Portion<'_>) -> Flow) {
        let last = std::mem::take(&mut self.partial);
        let _ = match (std::mem::take(&mut self.is_long), last.is_empty()) {
            (true, _) => on(Portion::LongEnd),
            (false, true) => Flow::Continue(()),
            (false, false) => whole(&last, b"", &mut on),
        };
    }

    fn hold(&mut self, bytes: &[u8], on: &mut impl FnMut(Portion<'_>) -> Flow) -> Flow {
        if self.is_long {
            return on(Portion::LongMore(bytes));
        }
        // One more, for the `\r` of an end that is still to come.
        if self.partial.len() + bytes.len() <= MAX_LINE_BYTES + 1 {
            self.partial.extend_from_slice(bytes);
            return Flow::Continue(());
        }
        self.is_long = true;
        let mut head = std::mem::take(&mut self.partial);
        let missing = HEAD_BYTES.saturating_sub(head.len()).min(bytes.len());
        let (more, rest) = bytes.split_at(missing);
        head.extend_from_slice(more);
        on(Portion::LongHead(&head))?;
        on(Portion::LongMore(rest))
    }
}

fn whole(line: &[u8], next: &[u8], on: &mut impl FnMut(Portion<'_>) -> Flow) -> Flow {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= MAX_LINE_BYTES {
        return on(Portion::Line { line, next });
    }
    on(Portion::LongHead(line))?;
    on(Portion::LongEnd)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, long ones put together again, and how many were long.
    fn split(portions: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let mut lines = Lines::default();
        let (mut found, mut long) = (Vec::<Vec<u8>>::new(), 0);
        let mut on = |portion: Portion<'_>| {
            match portion {
                Portion::Line { line, .. } => found.push(line.to_vec()),
                Portion::LongHead(head) => {
                    assert!(head.len() >= HEAD_BYTES);
                    long += 1;
                    found.push(head.to_vec());
                }
                Portion::LongMore(more) => found.last_mut().unwrap().extend_from_slice(more),
                Portion::LongEnd => {}
            }
            ControlFlow::Continue(())
        };
        for portion in portions {
            lines.push(portion, &mut on);
        }
        lines.finish(&mut on);
        (found, long)
    }

    #[test]
    fn ends_of_lines() {
        for (body, expected) in [
            (&b""[..], &[][..]),
            (b"a\nb\n", &["a", "b"]),
            (b"a\r\n\r\nb", &["a", "", "b"]),
            (b"\n\n", &["", ""]),
            (b"a\rb\n", &["a\rb"]),
            (b"a\r", &["a"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|line| line.as_bytes().to_vec()).collect();
            assert_eq!(split(&[body]).0, expected, "{body:?}");
            let bytes: Vec<_> = body.chunks(1).collect();
            assert_eq!(split(&bytes).0, expected, "{body:?}");
        }
    }

    #[test]
    fn only_a_line_that_is_too_long_comes_in_portions() {
        let fits = vec![b'x'; MAX_LINE_BYTES];
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        for end in ["\n", "\r\n", ""] {
            for (line, is_long) in [(&fits, 0), (&long, 1)] {
                let body = [b"a\n", line.as_slice(), end.as_bytes()].concat();
                let mut trimmed = Vec::new();
                for portions in [
                    vec![body.as_slice()],
                    body.chunks(1000).collect(),
                    vec![&body[..5], &body[5..]],
                    vec![&body[..body.len() - 1], &body[body.len() - 1..]],
                ] {
                    let (mut lines, count) = split(&portions);
                    assert_eq!(count, is_long, "{end:?}");
                    let last = lines.last_mut().unwrap();
                    last.truncate(line.len());
                    trimmed.push(lines);
                }
                assert!(trimmed.iter().all(|lines| lines[1] == *line && lines.len() == 2));
            }
        }
        let (lines, count) = split(&[&long, b"\nb\n", &long, b"\r\n", &fits, b"\nc"]);
        assert_eq!((lines.len(), count), (5, 2));
        assert_eq!(lines[1], b"b");
        assert_eq!(lines[4], b"c");
    }

    #[test]
    fn what_stands_after_a_line_is_shown() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        lines.push(b"a\n\nb", |portion| {
            if let Portion::Line { line, next } = portion {
                seen.push((line.to_vec(), next.to_vec()));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(seen, [(b"a".to_vec(), b"\nb".to_vec()), (b"".to_vec(), b"b".to_vec())]);
    }

    #[test]
    fn a_break_ends_it() {
        let mut lines = Lines::default();
        let mut count = 0;
        lines.push(b"a\nb\n", |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn memory_of_a_long_line_is_given_back() {
        let mut lines = Lines::default();
        let mut none = |_: Portion<'_>| ControlFlow::Continue(());
        lines.push(&vec![b'x'; MAX_LINE_BYTES], &mut none);
        lines.push(b"\n", &mut none);
        assert!(lines.partial.capacity() <= KEPT_BYTES);
        for _ in 0..20 {
            lines.push(&vec![b'x'; MAX_LINE_BYTES], &mut none);
        }
        assert_eq!(lines.partial.capacity(), 0);
    }
}
