//! JSON as a service under load may send it: broken characters are replaced, they do not cost the line.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::chipp::skim;

/// A string that borrows from the input where it holds no escapes.
///
/// The newtype is needed: serde borrows a bare `Cow` field, but never an `Option<Cow>`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The value that `bytes` hold; on broken characters, with U+FFFD in their place, and without what is too deep in it: a
/// tool's output may be as deep as it likes, and stands in events that matter.
pub(super) fn value(bytes: &[u8]) -> Option<Value> {
    let parsed = |bytes: &[u8]| {
        let parsed = serde_json::from_slice(bytes).ok();
        parsed.or_else(|| serde_json::from_str(&repaired(bytes)?).ok())
    };
    parsed(bytes).or_else(|| parsed(&skim::shallow(bytes)))
}

/// `bytes` without a byte order mark and the white space around them.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.trim_ascii_start();
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii()
}

/// A copy in which invalid UTF-8 and the escapes of lone surrogates are U+FFFD; `None` if there are none.
fn repaired(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut fixed = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut lone = false;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        fixed.push_str(before);
        let paired = matches!(
            (unit(escape), escape.get(6..).and_then(unit)),
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF))
        );
        let broken = !paired && matches!(unit(escape), Some(0xD800..=0xDFFF));
        // A pair is kept whole, so that its second half is not taken for a lone one; so is any other
        // escape, so that the second half of `\\` does not start a new one.
        let length = if paired {
            12
        } else if broken {
            6
        } else {
            1 + escape.chars().nth(1).map_or(0, char::len_utf8)
        };
        let (whole, after) = escape.split_at_checked(length)?;
        fixed.push_str(if broken { "\u{fffd}" } else { whole });
        lone |= broken;
        rest = after;
    }
    fixed.push_str(rest);
    (lone || matches!(text, Cow::Owned(_))).then_some(fixed)
}

/// The UTF-16 unit of a `\uXXXX` at the start.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_characters_are_replaced() {
        for (wire, text) in [
            (&br#""plain""#[..], "plain"),
            (br#""\ud83d\ude00""#, "😀"),
            (br#""a\ud83db""#, "a\u{fffd}b"),
            (br#""\ude00""#, "\u{fffd}"),
            (br#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (br#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}"),
            (b"\"a\xffb\\n\"", "a\u{fffd}b\n"),
            (b"\"\xf0\x9f \\ud83d\"", "\u{fffd} \u{fffd}"),
        ] {
            assert_eq!(value(wire), Some(Value::from(text)), "{wire:?}");
        }
    }

    #[test]
    fn what_is_not_json_stays_so() {
        for wire in [&b"\"a"[..], b"", b"{\"a\":\\ud83d}", b"\"\\", b"\"\\ud83d", b"\xff"] {
            assert_eq!(value(wire), None, "{wire:?}");
        }
    }

    #[test]
    fn ordinary_strings_are_borrowed() {
        let Text(text) = serde_json::from_str("\"no escapes\"").unwrap();
        assert!(matches!(text, Cow::Borrowed("no escapes")));
    }
}
