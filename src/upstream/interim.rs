//! Filter of interim responses (1xx) in the bytes that a connection reads.
//!
//! awc 3.11 takes the first head for the response: a 103 would be the answer, and the answer itself that of the next
//! request on the connection. So interim heads are dropped below awc. 101 is passed on, as it ends HTTP on the
//! connection and the proxy never asks for it.

use std::io;
use std::task::{Poll, ready};

use tokio::io::ReadBuf;

/// Largest size of all interim heads of one request, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The status line that is looked for: `?` is any digit, `_` its end or the space before the reason.
const STATUS_LINE: &[u8; 13] = b"HTTP/1.? 1??_";
/// Where in it the class of the status is.
const CLASS: usize = 9;

/// Interim responses larger than [`MAX_BYTES`]. Travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the interim responses are too large")]
pub(super) struct TooLarge;

impl TooLarge {
    /// Whether this error is the filter's.
    pub(super) fn caused(error: &io::Error) -> bool {
        matches!(error.get_ref(), Some(inner) if inner.is::<Self>())
    }
}

/// The filter of one connection.
#[derive(Debug, Default)]
pub(super) struct Filter {
    state: State,
    /// The beginning of a status line that does not tell yet; then, in [`State::Through`], to be given out first.
    held: Vec<u8>,
    /// Bytes of interim heads of this request.
    dropped: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Between a final head and the next request: nothing is looked at.
    #[default]
    Through,
    /// A head is to begin.
    Status,
    /// Inside an interim head, which is dropped.
    Head(Line),
}

/// Place within a line of an interim head.
#[derive(Clone, Copy, Debug)]
enum Line {
    Start,
    /// After a CR at the start.
    Return,
    Inside,
}

/// What the beginning of a head tells.
enum Verdict {
    Final,
    Interim,
    Undecided,
}

impl Filter {
    /// Takes note of bytes that are written: with a request's first bytes the search begins anew.
    ///
    /// A later piece of a request may begin like a request, too. That does no harm, since awc reads only when
    /// all is written.
    pub(super) fn written(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"POST ") || bytes.starts_with(b"GET ") {
            self.state = State::Status;
            self.held.clear();
            self.dropped = 0;
        }
    }

    /// Reads through the filter: as `AsyncRead::poll_read`, with `read` as the source.
    pub(super) fn poll_read(
        &mut self,
        buf: &mut ReadBuf<'_>,
        mut read: impl FnMut(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        loop {
            if matches!(self.state, State::Through) {
                if self.held.is_empty() {
                    return read(buf);
                }
                self.give(buf);
                return Poll::Ready(Ok(()));
            }
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let has_read = if self.held.is_empty() {
                let start = buf.filled().len();
                ready!(read(buf))?;
                let bytes = buf.filled_mut().get_mut(start..).unwrap_or_default();
                let has_read = !bytes.is_empty();
                let kept = self.pass(bytes)?;
                buf.set_filled(start + kept);
                if kept > 0 {
                    return Poll::Ready(Ok(()));
                }
                has_read
            } else {
                ready!(self.poll_hold(&mut read))?
            };
            if !has_read {
                // The end of the stream, after what was held.
                self.state = State::Through;
                self.give(buf);
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Puts as much of what is held into `buf` as it has room for.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.held.len().min(buf.remaining());
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
    }

    /// Reads no more than completes the status line, whatever room the reader has: its rest must not overtake it.
    /// `false` at the end of the stream.
    fn poll_hold(
        &mut self,
        read: &mut impl FnMut(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<bool>> {
        let mut array = [0; STATUS_LINE.len()];
        let missing = STATUS_LINE.len().saturating_sub(self.held.len());
        let mut few = ReadBuf::new(array.get_mut(..missing).unwrap_or_default());
        ready!(read(&mut few))?;
        if few.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.held.extend_from_slice(few.filled());
        match judge(&self.held) {
            Verdict::Undecided => {}
            Verdict::Final => self.state = State::Through,
            Verdict::Interim => {
                // A status line has no blank line in it: all of it is dropped.
                let held = std::mem::take(&mut self.held);
                let mut line = Line::Inside;
                let _ = blank_line(&mut line, &held);
                self.state = State::Head(line);
                self.drop_bytes(held.len())?;
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Filters bytes that were read: moves what is kept to their front, and returns how much that is.
    fn pass(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(0);
            }
            match &mut self.state {
                State::Through => {
                    let kept = rest.len();
                    if at > 0 {
                        bytes.copy_within(at.., 0);
                    }
                    return Ok(kept);
                }
                State::Status => match judge(rest) {
                    Verdict::Final => self.state = State::Through,
                    Verdict::Interim => self.state = State::Head(Line::Inside),
                    Verdict::Undecided => {
                        self.held.extend_from_slice(rest);
                        return Ok(0);
                    }
                },
                State::Head(line) => {
                    let end = blank_line(line, rest);
                    let count = end.unwrap_or(rest.len());
                    if end.is_some() {
                        self.state = State::Status;
                    }
                    self.drop_bytes(count)?;
                    at += count;
                }
            }
        }
    }

    fn drop_bytes(&mut self, count: usize) -> io::Result<()> {
        self.dropped += count;
        if self.dropped > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLarge));
        }
        Ok(())
    }
}

fn judge(bytes: &[u8]) -> Verdict {
    // The ordinary case.
    if bytes.get(CLASS).is_some_and(|class| *class != b'1') {
        return Verdict::Final;
    }
    let fits = |(byte, pattern): (&u8, &u8)| match pattern {
        b'?' => byte.is_ascii_digit(),
        b'_' => matches!(byte, b' ' | b'\r' | b'\n'),
        exact => byte == exact,
    };
    if !bytes.iter().zip(STATUS_LINE).all(fits) || bytes.get(CLASS..CLASS + 3) == Some(b"101") {
        Verdict::Final
    } else if bytes.len() < STATUS_LINE.len() {
        Verdict::Undecided
    } else {
        Verdict::Interim
    }
}

/// Follows the lines of a head; the place after its blank line, if that is in `bytes`.
fn blank_line(line: &mut Line, bytes: &[u8]) -> Option<usize> {
    for (byte, end) in bytes.iter().zip(1..) {
        *line = match (byte, *line) {
            (b'\n', Line::Start | Line::Return) => return Some(end),
            (b'\n', Line::Inside) => Line::Start,
            (b'\r', Line::Start) => Line::Return,
            _ => Line::Inside,
        };
    }
    None
}

#[cfg(test)]
mod tests;
