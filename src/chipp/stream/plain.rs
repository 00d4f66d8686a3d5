//! What may come in a stream's place: a JSON reply or error, or bare text.

use crate::chipp::metadata::Place;
use crate::chipp::stream::termination::Outlet;
use crate::chipp::{Failure, Reply};

/// Longest body that is not a stream, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A JSON body, kept until it is whole.
#[derive(Debug, Default)]
pub(super) struct JsonBody {
    body: Vec<u8>,
}

impl JsonBody {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Outlet<'_>) {
        if self.body.len() + bytes.len() > MAX_BODY_BYTES {
            out.fail(Failure::TooLarge);
        } else {
            self.body.extend_from_slice(bytes);
        }
    }

    pub(super) fn finish(&self, out: &mut Outlet<'_>) {
        match Reply::parse(&self.body) {
            Ok(reply) => {
                out.session(reply.session.map(|id| (Place::TopLevel, id)));
                out.unknown_words(reply.unknown_words);
                out.text(reply.text);
                out.usage(reply.usage);
                out.finish_with(reply.finish);
            }
            Err(failure) => out.fail(failure),
        }
    }
}

/// Bare text, given on as it comes.
#[derive(Debug, Default)]
pub(super) struct PlainText {
    /// The beginning of a character whose end has not come yet: at most three bytes.
    held: Vec<u8>,
    /// Bytes taken so far.
    length: usize,
}

impl PlainText {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Outlet<'_>) {
        let room = MAX_BODY_BYTES - self.length;
        let (taken, excess) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.length += taken.len();
        self.held.extend_from_slice(taken);
        let text = self.complete();
        out.text(text);
        if !excess.is_empty() {
            out.fail(Failure::TooLarge);
        }
    }

    pub(super) fn finish(&self, out: &mut Outlet<'_>) {
        out.text(String::from_utf8_lossy(&self.held));
        out.finish();
    }

    /// Takes out the text up to the last whole character; what is no UTF-8 is replaced.
    fn complete(&mut self) -> String {
        let mut text = String::with_capacity(self.held.len());
        let mut open = Vec::new();
        let mut chunks = self.held.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let broken = chunk.invalid();
            if broken.is_empty() {
                continue;
            }
            let may_go_on = std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none());
            if may_go_on && chunks.peek().is_none() {
                open = broken.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.held = open;
        text
    }
}
