//! Content encodings, piece by piece: each piece of a stream can be decoded when it arrives.

use std::fmt;
use std::io::Write;

use super::behaviour::Coding;

/// Size of the brotli encoder's buffer, in bytes.
const BUFFER: usize = 4 * 1024;
/// Effort and window of the brotli encoder: enough for a test, and quick.
const QUALITY: (u32, u32) = (2, 18);

/// The encoder of one body.
pub(super) enum Coder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Rot13,
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coder")
    }
}

impl Coder {
    /// An encoder; `None` if the library cannot make one.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        Some(match coding {
            Coding::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()))
            }
            Coding::Brotli => {
                let (quality, window) = QUALITY;
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), BUFFER, quality, window)))
            }
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1).ok()?),
            Coding::Rot13 => Self::Rot13,
        })
    }

    /// The encoded piece, flushed so that it can be decoded at once.
    pub(super) fn piece(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip(coder) => {
                write(coder, piece);
                std::mem::take(coder.get_mut())
            }
            Self::Brotli(coder) => {
                write(coder, piece);
                std::mem::take(coder.get_mut())
            }
            Self::Zstd(coder) => {
                write(coder, piece);
                std::mem::take(coder.get_mut())
            }
            Self::Rot13 => piece.iter().copied().map(rotated).collect(),
        }
    }

    /// What ends the body.
    pub(super) fn end(self) -> Vec<u8> {
        match self {
            Self::Gzip(coder) => coder.finish().unwrap_or_default(),
            Self::Brotli(coder) => coder.into_inner(),
            Self::Zstd(coder) => coder.finish().unwrap_or_default(),
            Self::Rot13 => Vec::new(),
        }
    }
}

fn write(coder: &mut impl Write, piece: &[u8]) {
    // Writing into memory does not fail.
    let _ = coder.write_all(piece).and_then(|()| coder.flush());
}

fn rotated(byte: u8) -> u8 {
    let turn = |first: u8| (byte - first + 13) % 26 + first;
    match byte {
        b'a'..=b'z' => turn(b'a'),
        b'A'..=b'Z' => turn(b'A'),
        _ => byte,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn pieces_and_end_are_one_body() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let mut coder = Coder::new(coding).unwrap();
            let mut body = coder.piece(b"one ");
            body.extend(coder.piece(b"two"));
            body.extend(coder.end());
            let mut reader: Box<dyn Read> = match coding {
                Coding::Gzip => Box::new(flate2::read::GzDecoder::new(&body[..])),
                Coding::Brotli => Box::new(brotli::Decompressor::new(&body[..], BUFFER)),
                _ => Box::new(zstd::stream::read::Decoder::new(&body[..]).unwrap()),
            };
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "one two");
        }
        assert_eq!(Coder::Rot13.piece(b"Hello, z!"), b"Uryyb, m!");
    }
}
