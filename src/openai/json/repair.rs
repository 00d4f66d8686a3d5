//! Lone surrogate escapes: half of an emoji, which JavaScript clients send when they cut text by UTF-16 units.

use memchr::memchr;

/// As long as `\ud83d`, so that the positions in error messages stay.
const REPLACEMENT: &str = "\\ufffd";

/// The text with every lone surrogate escape replaced; `None` if it has none.
pub(super) fn lone_surrogates(text: &str) -> Option<String> {
    let mut repaired = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr(b'\\', text.as_bytes().get(at..)?) {
        let escape = at + found;
        at = escape + 2;
        let Some(unit) = unit_at(text, escape) else {
            continue;
        };
        at = escape + REPLACEMENT.len();
        let low_follows = || unit_at(text, at).is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        match unit {
            0xd800..0xdc00 if low_follows() => at += REPLACEMENT.len(),
            0xd800..0xe000 => {
                repaired.push_str(text.get(copied..escape)?);
                repaired.push_str(REPLACEMENT);
                copied = at;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(text.get(copied..)?);
    Some(repaired)
}

/// The UTF-16 unit of the escape `\uXXXX` at a position.
fn unit_at(text: &str, position: usize) -> Option<u16> {
    let escape = text.get(position..position.checked_add(REPLACEMENT.len())?)?;
    let digits = escape.strip_prefix("\\u")?;
    // `from_str_radix` would take a sign.
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}
