//! Content codings of a response: gzip, deflate, br and zstd, decoded piece by piece.
//!
//! The proxy asks for `identity`, but something on the way may compress all the same. actix-http's own decoder is not
//! used: it takes a br or zstd body that is cut off for a complete one, and decodes a piece of input whole,
//! whatever size that has when decoded.

use std::io::Write as _;

use actix_http::header::{CONTENT_ENCODING, HeaderMap};
use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Buf as _, Bytes};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation as _};

use super::SendErrorKind;

/// Size of the largest decoded piece, in bytes; of gzip three times as much, since its decoder also empties its own
/// buffers.
const PIECE: usize = 32 << 10;
/// Largest window of zstd as a content coding, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The coding that a head names; `None` for an uncoded body.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, SendErrorKind> {
        let mut found = None;
        for value in headers.get_all(CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| SendErrorKind::UnknownCoding)?;
            for name in value.split(',').map(str::trim) {
                if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                    continue;
                }
                let coding = Self::named(name).ok_or(SendErrorKind::UnknownCoding)?;
                if found.replace(coding).is_some() {
                    return Err(SendErrorKind::UnknownCoding);
                }
            }
        }
        Ok(found)
    }

    fn named(name: &str) -> Option<Self> {
        let names = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        names.into_iter().find_map(|(own, coding)| own.eq_ignore_ascii_case(name).then_some(coding))
    }
}

/// The coded bytes are not what the head says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// The decoder of one body.
pub(super) struct Decoder {
    coder: Coder,
    /// Coded bytes still to be decoded.
    input: Bytes,
    /// The coder may hold more output than the last piece had room for.
    has_more: bool,
    has_begun: bool,
    room: Box<[u8]>,
}

enum Coder {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// With or without zlib's frame, which many senders leave out; the first byte tells.
    Deflate {
        inflate: Option<Decompress>,
        is_over: bool,
    },
    Brotli {
        state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
        is_over: bool,
    },
    Zstd {
        context: Zstd<'static>,
        is_over: bool,
    },
}

/// What a step of a coder did.
struct Step {
    taken: usize,
    given: Bytes,
    has_more: bool,
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Result<Self, SendErrorKind> {
        let coder = match coding {
            Coding::Gzip => Coder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Deflate => Coder::Deflate { inflate: None, is_over: false },
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                let state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
                Coder::Brotli { state, is_over: false }
            }
            Coding::Zstd => {
                let context = Zstd::new().and_then(|mut context| {
                    context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map(|()| context)
                });
                Coder::Zstd { context: context.map_err(|_| SendErrorKind::UnknownCoding)?, is_over: false }
            }
        };
        let room = vec![0; PIECE].into_boxed_slice();
        Ok(Self { coder, input: Bytes::new(), has_more: false, has_begun: false, room })
    }

    /// Takes a coded piece, once [`next`](Self::next) has given all of the one before.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.has_begun |= !piece.is_empty();
        self.input = piece;
    }

    /// The next decoded piece; `None` if that takes more input.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Corrupt> {
        while self.has_more || !self.input.is_empty() {
            let step = self.coder.step(&self.input, &mut self.room)?;
            if step.taken == 0 && step.given.is_empty() && !self.input.is_empty() {
                return Err(Corrupt);
            }
            self.input.advance(step.taken);
            self.has_more = step.has_more;
            if !step.given.is_empty() {
                return Ok(Some(step.given));
            }
        }
        Ok(None)
    }

    /// Whether the coded bytes have come to their end; a body without a byte needs none.
    pub(super) fn is_complete(&mut self) -> bool {
        !self.has_begun
            || match &mut self.coder {
                Coder::Gzip(decoder) => decoder.try_finish().is_ok(),
                Coder::Deflate { is_over, .. }
                | Coder::Brotli { is_over, .. }
                | Coder::Zstd { is_over, .. } => *is_over,
            }
    }
}

impl Coder {
    fn step(&mut self, input: &[u8], room: &mut [u8]) -> Result<Step, Corrupt> {
        match self {
            Self::Gzip(decoder) => gunzip(decoder, input),
            // Nothing may follow the end.
            Self::Deflate { is_over: true, .. } | Self::Brotli { is_over: true, .. } => Err(Corrupt),
            Self::Deflate { inflate, is_over } => {
                let has_frame = input.first().is_some_and(|first| first & 0x0f == 8);
                let inflate = inflate.get_or_insert_with(|| Decompress::new(has_frame));
                let (taken, given) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(input, room, FlushDecompress::None).map_err(|_| Corrupt)?;
                *is_over = status == Status::StreamEnd;
                let count = |total: u64, before: u64| usize::try_from(total - before).map_err(|_| Corrupt);
                step(count(inflate.total_in(), taken)?, room, count(inflate.total_out(), given)?, *is_over)
            }
            Self::Brotli { state, is_over } => {
                let (mut taken, mut given) = (0, 0);
                let (mut left, mut free, mut total) = (input.len(), room.len(), 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut free, &mut given, room, &mut total, state,
                );
                *is_over = match result {
                    BrotliResult::ResultSuccess => true,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => false,
                    BrotliResult::ResultFailure => return Err(Corrupt),
                };
                step(taken, room, given, *is_over)
            }
            Self::Zstd { context, is_over } => {
                let status = context.run_on_buffers(input, room).map_err(|_| Corrupt)?;
                *is_over = status.remaining == 0;
                step(status.bytes_read, room, status.bytes_written, *is_over)
            }
        }
    }
}

fn step(taken: usize, room: &[u8], given: usize, is_over: bool) -> Result<Step, Corrupt> {
    let bytes = room.get(..given).ok_or(Corrupt)?;
    Ok(Step { taken, given: Bytes::copy_from_slice(bytes), has_more: given == room.len() && !is_over })
}

fn gunzip(decoder: &mut MultiGzDecoder<Vec<u8>>, input: &[u8]) -> Result<Step, Corrupt> {
    let taken = decoder.write(input).map_err(|_| Corrupt)?;
    decoder.flush().map_err(|_| Corrupt)?;
    let given = std::mem::take(decoder.get_mut());
    Ok(Step { taken, given: given.into(), has_more: false })
}

#[cfg(test)]
mod tests;
