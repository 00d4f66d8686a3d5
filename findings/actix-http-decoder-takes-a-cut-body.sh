#!/usr/bin/env bash
# What actix-http's content decoder makes of a coded body whose end is missing.
#
# Usage: findings/actix-http-decoder-takes-a-cut-body.sh     (needs bash, Rust 1.89 or later with cargo, a C compiler)
#
# 200 KB of text are coded as a whole, and the coded bytes given to `actix_http::encoding::Decoder` in pieces of 4 KB:
# all of them, all but the last third, and all but the last byte. The payload itself ends without an error each time, as
# if a sender had cut the body before framing it, so the decoder alone can notice. Nothing is sent.
#
# One would guess that a cut body is an error in any coding, as it is in gzip. Seen with rustc 1.95.0, actix-http 3.20.0
# and the versions of brotli, zstd and flate2 that it shares with this program, on x86-64 Linux:
#
# - br (brotli 9.1.1) and zstd (zstd 0.14.4): the decoded stream ends as that of a whole body does, without an error,
#   and can lack far more than was cut: without the last byte, 44 KB (br) or 69 KB (zstd) of the text are missing.
# - gzip: an error.
# - deflate: an error with flate2 1.1.11; with 1.1.10, which actix-http 3.20.0 allows as well, the stream ends without.
#
# At the end of the payload, the decoder calls `try_finish()` for deflate and gzip, but only `flush()` for br and zstd,
# and that does not ask whether the coded stream is complete.
#
# So whether a cut body is noticed depends on its coding. The exit code is 0 as long as that is so.
set -euo pipefail

work=$(mktemp -d)
cleanup() {
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# flate2, coding, what is cut, missing bytes of the coded body, missing bytes of the text, end of the decoded stream.
cat >"$work/expected" <<'EOT'
1.1.11  br       nothing         0 of 76133      0 of 200005  no error
1.1.11  br       last third  25378 of 76133  93509 of 200005  no error
1.1.11  br       last byte       1 of 76133  44357 of 200005  no error
1.1.11  zstd     nothing         0 of 84617      0 of 200005  no error
1.1.11  zstd     last third  28206 of 84617  68933 of 200005  no error
1.1.11  zstd     last byte       1 of 84617  68933 of 200005  no error
1.1.11  deflate  nothing         0 of 86313      0 of 200005  no error
1.1.11  deflate  last third  28771 of 86313  68375 of 200005  error: incomplete deflate stream
1.1.11  deflate  last byte       1 of 86313      0 of 200005  error: incomplete deflate stream
1.1.11  gzip     nothing         0 of 86325      0 of 200005  no error
1.1.11  gzip     last third  28775 of 86325  68375 of 200005  error: incomplete deflate stream
1.1.11  gzip     last byte       1 of 86325      0 of 200005  error: corrupt gzip stream does not have a matching checksum
1.1.10  deflate  nothing         0 of 86313      0 of 200005  no error
1.1.10  deflate  last third  28771 of 86313  68375 of 200005  no error
1.1.10  deflate  last byte       1 of 86313      0 of 200005  no error
1.1.10  gzip     nothing         0 of 86325      0 of 200005  no error
1.1.10  gzip     last third  28775 of 86325  68375 of 200005  error: corrupt gzip stream does not have a matching checksum
1.1.10  gzip     last byte       1 of 86325      0 of 200005  error: corrupt gzip stream does not have a matching checksum
EOT

mkdir "$work/src"
cat >"$work/src/main.rs" <<'EOT'
use std::io::Write as _;

use actix_http::encoding::Decoder;
use actix_http::error::PayloadError;
use actix_http::header::ContentEncoding;
use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::Compression;
use futures_util::{stream, StreamExt as _};

/// Numbered lines of pseudo-random digits: coding makes them shorter, but by no more than two thirds.
fn text() -> Vec<u8> {
    let mut state = 1_u64;
    let mut text = Vec::new();
    while text.len() < 200_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "line {}: {:x}", text.len(), state >> 24).unwrap();
    }
    text
}

fn code(text: &[u8], coding: ContentEncoding) -> Vec<u8> {
    match coding {
        ContentEncoding::Brotli => {
            let mut coder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            coder.write_all(text).unwrap();
            coder.into_inner()
        }
        ContentEncoding::Zstd => zstd::encode_all(text, 3).unwrap(),
        ContentEncoding::Deflate => {
            let mut coder = ZlibEncoder::new(Vec::new(), Compression::default());
            coder.write_all(text).unwrap();
            coder.finish().unwrap()
        }
        ContentEncoding::Gzip => {
            let mut coder = GzEncoder::new(Vec::new(), Compression::default());
            coder.write_all(text).unwrap();
            coder.finish().unwrap()
        }
        _ => panic!("no coder for {coding:?}"),
    }
}

/// What the decoder gives, and how it ends.
async fn decode(coded: &[u8], coding: ContentEncoding) -> (Vec<u8>, String) {
    let pieces = coded.chunks(4096).map(Bytes::copy_from_slice).map(Ok);
    let pieces: Vec<Result<Bytes, PayloadError>> = pieces.collect();
    let mut decoder = Box::pin(Decoder::new(stream::iter(pieces), coding));
    let mut decoded = Vec::new();
    while let Some(piece) = decoder.next().await {
        match piece {
            Ok(piece) => decoded.extend_from_slice(&piece),
            Err(PayloadError::Incomplete(Some(error))) => {
                return (decoded, format!("error: {error}"));
            }
            Err(error) => return (decoded, format!("error: {error}")),
        }
    }
    (decoded, "no error".to_owned())
}

#[actix_rt::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let flate2 = arguments.next().unwrap();
    let text = text();
    for name in arguments {
        let coding = name.parse().unwrap();
        let coded = code(&text, coding);
        for (cut, missing) in [
            ("nothing", 0),
            ("last third", coded.len().div_ceil(3)),
            ("last byte", 1),
        ] {
            let (decoded, end) = decode(&coded[..coded.len() - missing], coding).await;
            assert!(text.starts_with(&decoded), "{name}: not what was coded");
            println!(
                "{flate2}  {name:<7}  {cut:<10}  {missing:>5} of {}  {:>5} of {}  {end}",
                coded.len(),
                text.len() - decoded.len(),
                text.len(),
            );
        }
    }
}
EOT

# The coders are those of the decoder, as cargo takes one version of each for both.
manifest() {
  cat <<EOT
[package]
name = "cut-body"
version = "0.0.0"
edition = "2021"

[dependencies]
actix-http = { version = "=3.20.0", features = ["compress-brotli", "compress-gzip", "compress-zstd"] }
actix-rt = "=2.15.0"
brotli = "=9.1.1"
brotli-decompressor = "=6.3.1"
bytes = "=1.12.2"
flate2 = "=$1"
futures-util = { version = "=0.3.34", default-features = false, features = ["std"] }
miniz_oxide = "=0.9.1"
zstd = "=0.14.4"
zstd-safe = "=8.3.0"
zstd-sys = "=2.1.3"

[profile.dev]
debug = false

[workspace]
EOT
}

# Runs the program, built with the given version of flate2, for the given codings.
run() {
  echo "Building with actix-http 3.20.0 and flate2 $1 …" >&2
  manifest "$1" >"$work/Cargo.toml"
  (cd "$work" && CARGO_TARGET_DIR="$work/target" timeout 900 nice cargo build --quiet -j1 >&2)
  timeout 60 "$work/target/debug/cut-body" "$@"
}

run 1.1.11 br zstd deflate gzip >"$work/seen"
run 1.1.10 deflate gzip >>"$work/seen"

rustc --version
echo 'flate2, coding, cut, missing of the coded body (bytes), missing of the text (bytes), end of the decoded stream'
cat "$work/seen"
if ! diff -u --label expected --label seen "$work/expected" "$work/seen"; then
  echo 'The decoder no longer behaves as this file says.' >&2
  exit 1
fi
echo 'As expected.'
