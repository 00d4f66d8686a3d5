//! Lines out of bytes that come in any portions: each byte is looked at once, and a line that lies whole in a
//! portion is not copied.
//!
//! A line ends with `\n` or `\r\n`. A lone `\r`, which the SSE standard would also take for an end, is not one:
//! nothing that serves these dialects writes it.

use std::ops::ControlFlow;

/// Longest line, in bytes without its end.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// What is kept of the buffer between lines, in bytes of capacity: one long line must not hold memory for ever.
const KEPT_BYTES: usize = 16 * 1024;

/// A line was longer than [`MAX_LINE_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Splits a body into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

impl Lines {
    /// Gives each line that `bytes` complete, together with the bytes that follow it.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut on_line: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            let after = tail.get(1..).unwrap_or_default();
            let flow = if self.partial.is_empty() {
                on_line(checked(head)?, after)
            } else {
                self.hold(head)?;
                let flow = on_line(checked(&self.partial)?, after);
                self.partial.clear();
                self.partial.shrink_to(KEPT_BYTES);
                flow
            };
            if flow.is_break() {
                return Ok(());
            }
            rest = after;
        }
        self.hold(rest)
    }

    /// The last line, if the body does not end with the end of one.
    pub(super) fn finish(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let mut last = std::mem::take(&mut self.partial);
        last.truncate(checked(&last)?.len());
        Ok((!last.is_empty()).then_some(last))
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        // One more, for the `\r` of an end that is still to come.
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES + 1 {
            return Err(TooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// The line without the `\r` of its end.
fn checked(line: &[u8]) -> Result<&[u8], TooLong> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE_BYTES {
        return Err(TooLong);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(portions: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for portion in portions {
            let pushed = lines.push(portion, |line, _| {
                found.push(line.to_vec());
                ControlFlow::Continue(())
            });
            if pushed.is_err() {
                return (found, pushed);
            }
        }
        let last = lines.finish().map(|last| found.extend(last));
        (found, last)
    }

    #[test]
    fn ends_of_lines() {
        let whole: &[u8] = b"a\n\r\nb\r\n\nc\rd\n\r";
        let expected: Vec<Vec<u8>> = [&b"a"[..], b"", b"b", b"", b"c\rd"].map(<[u8]>::to_vec).into();
        assert_eq!(split(&[whole]), (expected.clone(), Ok(())));
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(split(&bytes), (expected, Ok(())));
    }

    #[test]
    fn the_cap_is_the_same_at_any_split() {
        for (excess, end, fits) in [
            (0, "\n", true),
            (0, "\r\n", true),
            (0, "\r", true),
            (0, "", true),
            (1, "\n", false),
            (1, "\r\n", false),
            (1, "\r", false),
            (0, "\rx\n", false),
        ] {
            let mut long = vec![b'x'; MAX_LINE_BYTES + excess];
            long.extend_from_slice(end.as_bytes());
            let (head, tail) = long.split_at(MAX_LINE_BYTES - 1);
            let bytewise: Vec<&[u8]> = std::iter::once(head).chain(tail.chunks(1)).collect();
            for portions in [&[long.as_slice()][..], &bytewise] {
                let (lines, outcome) = split(portions);
                assert_eq!(outcome.is_ok(), fits, "{excess} {end:?}");
                assert_eq!(lines.len(), usize::from(fits), "{excess} {end:?}");
            }
        }
    }

    #[test]
    fn a_line_that_lies_whole_is_not_copied() {
        let bytes = b"one\ntwo\n";
        let mut lines = Lines::default();
        let mut starts = Vec::new();
        lines
            .push(bytes, |line, _| {
                starts.push(line.as_ptr());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(starts, [bytes.as_ptr(), bytes[4..].as_ptr()]);
    }

    #[test]
    fn a_break_ends_it() {
        let mut seen = 0;
        let pushed = Lines::default().push(b"a\nb\n", |_, _| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((pushed, seen), (Ok(()), 1));
    }
}
