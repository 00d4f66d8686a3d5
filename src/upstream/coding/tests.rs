//! Every coding, in every split, cut and spoilt.

use std::io::Write;

use actix_http::header::HeaderValue;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

/// Coded forms of a text, with a flush after each piece of it.
fn coded(pieces: &[&[u8]]) -> Vec<(Coding, Vec<u8>)> {
    let level = Compression::default();
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    let mut deflate = DeflateEncoder::new(Vec::new(), level);
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
    for piece in pieces {
        let all: [&mut dyn Write; 5] = [&mut gzip, &mut zlib, &mut deflate, &mut zstd, &mut brotli];
        for encoder in all {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
    }
    vec![
        (Coding::Gzip, gzip.finish().unwrap()),
        (Coding::Deflate, zlib.finish().unwrap()),
        (Coding::Deflate, deflate.finish().unwrap()),
        (Coding::Zstd, zstd.finish().unwrap()),
        (Coding::Brotli, brotli.into_inner()),
    ]
}

/// What comes of coded pieces, and whether their end was the coding's.
fn decode<'a>(
    coding: Coding,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, bool), Corrupt> {
    let mut decoder = Decoder::new(coding).unwrap();
    let mut text = Vec::new();
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        while let Some(given) = decoder.next()? {
            assert!(given.len() <= 3 * PIECE, "{}", given.len());
            text.extend_from_slice(&given);
        }
    }
    Ok((text, decoder.is_complete()))
}

#[test]
fn the_coding_of_a_head() {
    let cases: [(&[&str], _); 14] = [
        (&[], Ok(None)),
        (&[""], Ok(None)),
        (&["identity"], Ok(None)),
        (&["Identity , "], Ok(None)),
        (&["gzip"], Ok(Some(Coding::Gzip))),
        (&[" X-GZip "], Ok(Some(Coding::Gzip))),
        (&["deflate"], Ok(Some(Coding::Deflate))),
        (&["br"], Ok(Some(Coding::Brotli))),
        (&["identity, zstd"], Ok(Some(Coding::Zstd))),
        (&["compress"], Err(SendErrorKind::UnknownCoding)),
        (&["gzip, br"], Err(SendErrorKind::UnknownCoding)),
        (&["gzip", "gzip"], Err(SendErrorKind::UnknownCoding)),
        (&["gzip;q=1"], Err(SendErrorKind::UnknownCoding)),
        (&["*"], Err(SendErrorKind::UnknownCoding)),
    ];
    for (values, expected) in cases {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(Coding::of(&headers), expected, "{values:?}");
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_bytes(b"g\xffzip").unwrap());
    assert_eq!(Coding::of(&headers), Err(SendErrorKind::UnknownCoding));
}

proptest! {
    #[test]
    fn a_body_is_decoded_however_it_is_split(
        texts in proptest::collection::vec("[ -~]{0,60}", 0..6),
        size in 1_usize..50,
    ) {
        let pieces: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        for (coding, bytes) in coded(&pieces) {
            let decoded = decode(coding, bytes.chunks(size));
            prop_assert_eq!(decoded, Ok((texts.concat().into_bytes(), true)), "{:?}", coding);
        }
    }
}

#[test]
fn what_was_flushed_comes_out_at_once() {
    let events = ["data: one\n\n", "data: two\n\n", "data: three\n\n"];
    let pieces: Vec<&[u8]> = events.iter().map(|event| event.as_bytes()).collect();
    let whole = coded(&pieces);
    for count in 1..=events.len() {
        let begun = coded(&pieces[..count]);
        for ((coding, whole), (_, begun)) in whole.iter().zip(begun) {
            // Up to where the two differ, at the latest: there the shorter one ends, and the longer one goes on.
            let common = whole.iter().zip(&begun).take_while(|(one, other)| one == other).count();
            let (text, is_complete) = decode(*coding, [&whole[..common]]).unwrap();
            assert_eq!(text, events[..count].concat().as_bytes(), "{coding:?}");
            assert_eq!(is_complete, count == events.len(), "{coding:?}");
        }
    }
}

#[test]
fn what_is_cut_is_not_complete() {
    for (coding, bytes) in coded(&[b"data: one\n\n", b"data: two\n\n"]) {
        for end in 1..bytes.len() {
            let (_, is_complete) = decode(coding, [&bytes[..end]]).unwrap();
            assert!(!is_complete, "{coding:?} {end}");
        }
        assert_eq!(decode(coding, [&b""[..]]), Ok((Vec::new(), true)), "a body of no byte");
    }
}

#[test]
fn what_is_spoilt_is_corrupt() {
    for (coding, bytes) in coded(&[b"data: one\n\n"]) {
        let trailing = [&bytes[..], b"x"].concat();
        let text = b"{\"error\":\"not coded at all\"}".as_slice();
        for spoilt in [&trailing[..], text] {
            let sound = decode(coding, [spoilt]).is_ok_and(|(_, is_complete)| is_complete);
            assert!(!sound, "{coding:?} {spoilt:?}");
        }
    }
    let (_, mut gzip) = coded(&[b"data: one\n\n"]).swap_remove(0);
    let checksum = gzip.len() - 8;
    gzip[checksum] ^= 1;
    assert!(decode(Coding::Gzip, [&gzip[..]]).is_ok_and(|(_, is_complete)| !is_complete));
}

#[test]
fn members_and_frames_follow_each_other() {
    for (coding, bytes) in coded(&[b"one"]) {
        if matches!(coding, Coding::Gzip | Coding::Zstd) {
            let twice = [&bytes[..], &bytes[..]].concat();
            assert_eq!(decode(coding, [&twice[..]]), Ok((b"oneone".to_vec(), true)), "{coding:?}");
            assert_eq!(decode(coding, twice.chunks(1)), Ok((b"oneone".to_vec(), true)), "{coding:?}");
        }
    }
}

#[test]
fn much_from_little_comes_in_pieces() {
    let zeros = vec![0; 40 * PIECE];
    for (coding, bytes) in coded(&[&zeros]) {
        assert!(bytes.len() < PIECE, "{coding:?}");
        let (text, is_complete) = decode(coding, [&bytes[..]]).unwrap();
        assert!(text == zeros && is_complete, "{coding:?} {}", text.len());
    }
}

#[test]
fn a_zstd_window_beyond_the_standards_limit_is_corrupt() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(ZSTD_WINDOW + 1).unwrap();
    encoder.write_all(b"one").unwrap();
    encoder.flush().unwrap();
    assert_eq!(decode(Coding::Zstd, [&encoder.finish().unwrap()[..]]), Err(Corrupt));
}
