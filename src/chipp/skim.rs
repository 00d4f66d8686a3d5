//! JSON that is too long to be held, or too deep to be parsed: what is small in it is kept, the rest is read past.
//!
//! Tool outputs, files and metadata of many megabytes are events like others: their type, ids and words still matter.
//! A long string, a member of the top object that is large as a whole, and an object or array that is too deep, becomes
//! `{}`.

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Longest string, in bytes with its escapes and quotes.
    string: usize,
    /// Most bytes in all before members of the top object are left out. After twice as much the rest is.
    kept: usize,
}

impl Limits {
    /// For JSON that is too long to be held.
    pub(super) const LONG: Self = Self { string: 64 * 1024, kept: 256 * 1024 };
    /// For JSON that is held, and may be too deep.
    const HELD: Self = Self { string: usize::MAX, kept: usize::MAX / 4 };
}

/// Most levels of arrays and objects in what is kept: fewer than a parser takes.
const MAX_DEPTH: usize = 96;
/// In place of what is left out.
const LEFT_OUT: &[u8] = b"{}";

/// Reads one JSON document in any portions.
#[derive(Debug)]
pub(super) struct Skimmer {
    limits: Limits,
    kept: Vec<u8>,
    /// Levels of objects and arrays around the next byte.
    depth: usize,
    /// Where the member of the top object (or the item of the top array) that is being read begins in `kept`.
    member: usize,
    mode: Mode,
    /// In a string: whether the next byte is escaped.
    is_escaped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Between,
    /// In a string that begins at this place in `kept`.
    String { start: usize },
    /// In a string that is left out.
    LongString,
    /// In a value that is left out, up to this level; whether within a string of it.
    LeftOut { until: usize, in_string: bool },
    /// So much that is small that the rest is not kept.
    Full,
}

/// A document without what is too deep in it.
pub(super) fn shallow(document: &[u8]) -> Vec<u8> {
    let mut skimmer = Skimmer::new(Limits::HELD);
    skimmer.push(document);
    skimmer.into_kept()
}

impl Skimmer {
    /// Before the first byte.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, kept: Vec::new(), depth: 0, member: 0, mode: Mode::Between, is_escaped: false }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.mode {
                Mode::Between => self.between(rest),
                Mode::String { start } => self.string(start, rest),
                Mode::LongString => self.left_out_string(rest, Mode::Between),
                Mode::LeftOut { until, in_string: true } => {
                    self.left_out_string(rest, Mode::LeftOut { until, in_string: false })
                }
                Mode::LeftOut { until, in_string: false } => self.left_out(until, rest),
                Mode::Full => return,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// What was kept.
    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// One byte outside of strings.
    fn between(&mut self, rest: &[u8]) -> usize {
        let Some(&byte) = rest.first() else { return 0 };
        match byte {
            _ if byte.is_ascii_whitespace() => return 1,
            b'"' => self.mode = Mode::String { start: self.kept.len() },
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.kept.push(byte);
        let is_too_much = self.depth > 0 && self.kept.len() > self.limits.kept;
        if self.depth == 1 && matches!(byte, b'{' | b'[' | b',' | b':') {
            self.member = self.kept.len();
        } else if self.depth > MAX_DEPTH {
            self.kept.pop();
            self.kept.extend_from_slice(LEFT_OUT);
            self.mode = Mode::LeftOut { until: MAX_DEPTH, in_string: false };
        } else if is_too_much && self.mode == Mode::Between {
            self.leave_member_out(byte);
        }
        if self.kept.len() > 2 * self.limits.kept {
            self.leave_rest_out();
        }
        1
    }

    /// The member of which `byte` is the last byte so far is too large.
    fn leave_member_out(&mut self, byte: u8) {
        self.kept.truncate(self.member);
        self.kept.extend_from_slice(LEFT_OUT);
        let has_ended = self.depth == 1 && matches!(byte, b'}' | b']');
        self.mode = if has_ended { Mode::Between } else { Mode::LeftOut { until: 1, in_string: false } };
    }

    /// The document ends for us with the member before this one.
    fn leave_rest_out(&mut self) {
        self.kept.truncate(self.member);
        match self.kept.last() {
            Some(b':') => self.kept.extend_from_slice(LEFT_OUT),
            Some(b',') => drop(self.kept.pop()),
            _ => {}
        }
        let end = if self.kept.first() == Some(&b'[') { b']' } else { b'}' };
        self.kept.push(end);
        self.mode = Mode::Full;
    }

    /// A string that is kept if it is not too long.
    fn string(&mut self, start: usize, rest: &[u8]) -> usize {
        let (taken, has_ended) = self.through_string(rest);
        self.kept.extend_from_slice(rest.get(..taken).unwrap_or_default());
        if has_ended {
            self.mode = Mode::Between;
        }
        if self.kept.len() - start > self.limits.string {
            self.kept.truncate(start);
            self.kept.shrink_to(2 * self.limits.kept);
            self.kept.extend_from_slice(LEFT_OUT);
            self.mode = if has_ended { Mode::Between } else { Mode::LongString };
        }
        taken
    }

    fn left_out_string(&mut self, rest: &[u8], after: Mode) -> usize {
        let (taken, has_ended) = self.through_string(rest);
        if has_ended {
            self.mode = after;
        }
        taken
    }

    /// How many bytes belong to the string, and whether its closing quote is the last of them.
    fn through_string(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = usize::from(std::mem::take(&mut self.is_escaped));
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                None => return (bytes.len(), false),
                Some(found) if rest.get(found) == Some(&b'"') => return (at + found + 1, true),
                Some(found) => at += found + 2,
            }
            if at > bytes.len() {
                self.is_escaped = true;
                return (bytes.len(), false);
            }
        }
    }

    /// What is outside of strings in a value that is left out.
    fn left_out(&mut self, until: usize, rest: &[u8]) -> usize {
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'"' => {
                    self.mode = Mode::LeftOut { until, in_string: true };
                    return at + 1;
                }
                b'{' | b'[' => self.depth += 1,
                b',' | b'}' | b']' if self.depth <= until => {
                    self.mode = Mode::Between;
                    return at;
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == until {
                        self.mode = Mode::Between;
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const MAX_STRING_BYTES: usize = Limits::LONG.string;
    const MAX_KEPT_BYTES: usize = Limits::LONG.kept;

    fn skimmed<'a>(portions: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut skimmer = Skimmer::new(Limits::LONG);
        portions.into_iter().for_each(|portion| skimmer.push(portion));
        skimmer.into_kept()
    }

    #[test]
    fn what_is_deep_is_left_out_and_nothing_else() {
        let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
        let long = "x".repeat(100_000);
        for deep in [deep.clone(), format!("{{\"a\":{deep}}}"), format!("[1,{deep},\"}}\"]")] {
            let document = format!(
                "{{\"delta\":\"{long}\",\"metadata\":{{\"x\":{deep},\"y\":1}},\"type\":\"text-delta\"}}"
            );
            let kept: Value = serde_json::from_slice(&shallow(document.as_bytes())).unwrap();
            assert_eq!((&kept["delta"], &kept["metadata"]["y"]), (&json!(long), &json!(1)));
            assert_eq!(kept["type"], "text-delta");
        }
        let at_the_limit = ["[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)].concat();
        assert_eq!(shallow(at_the_limit.as_bytes()), at_the_limit.as_bytes());
    }

    fn value(document: &Value) -> Value {
        serde_json::from_slice(&skimmed([document.to_string().as_bytes()])).unwrap()
    }

    #[test]
    fn what_is_small_is_kept_as_it_is() {
        let document =
            json!({"type": "a\"b\\", "n": [1, -2.5e3, true, null, {"x": []}], "text": "\u{1f980}"});
        assert_eq!(value(&document), document);
        assert_eq!(value(&json!("text")), json!("text"));
        assert_eq!(value(&json!([[1], {"a": "b"}])), json!([[1], {"a": "b"}]));
    }

    #[test]
    fn what_is_large_is_left_out_wherever_it_stands() {
        let long = "x\\\"".repeat(MAX_STRING_BYTES);
        let many = vec![json!({"row": [1, "y}"]}); MAX_KEPT_BYTES / 8];
        for (large, left) in [
            (json!(long), json!({})),
            (json!(many), json!({})),
            (json!({"many": many, "after": long}), json!({})),
            (json!({"long": long, "small": [1]}), json!({"long": {}, "small": [1]})),
        ] {
            let document = json!({"output": large, "type": "tool-output-available", "toolCallId": "1"});
            let expected = json!({"output": left, "type": "tool-output-available", "toolCallId": "1"});
            assert_eq!(value(&document), expected);
            let nested = value(&json!([{"a": 1}, large, {"b": 2}]));
            assert_eq!((&nested[0], &nested[2]), (&json!({"a": 1}), &json!({"b": 2})));
        }
        let digits = [b"{\"n\":".as_slice(), &b"1".repeat(2 * MAX_KEPT_BYTES), b",\"a\":1}"].concat();
        assert_eq!(skimmed([digits.as_slice()]), b"{\"n\":{},\"a\":1}");
    }

    #[test]
    fn memory_is_flat_and_nonsense_is_given_up() {
        let members = "\"a\":\"b\",".repeat(MAX_KEPT_BYTES);
        let kept = skimmed([b"{\"type\":\"file\",".as_slice(), members.as_bytes()]);
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept["type"], "file");
        let items = skimmed([b"[".as_slice(), "1,".repeat(MAX_KEPT_BYTES * 2).as_bytes()]);
        assert!(serde_json::from_slice::<Value>(&items).unwrap().is_array());
        let mut skimmer = Skimmer::new(Limits::LONG);
        let portion = ["\"", &"z".repeat(1 << 20), "\","].concat();
        skimmer.push(b"[");
        for _ in 0..32 {
            skimmer.push(portion.as_bytes());
            assert!(skimmer.kept.capacity() <= 4 * MAX_KEPT_BYTES + portion.len());
        }
        assert!(skimmer.kept.len() < 200);
        for nonsense in ["}}}]]\"", "\"\\", ",,,:::", "}{\"a\""] {
            skimmed([nonsense.as_bytes()]);
        }
    }

    proptest! {
        #[test]
        fn portions_do_not_matter(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("{".to_owned()), Just("}".to_owned()), Just("[".to_owned()), Just("]".to_owned()),
                    Just(",".to_owned()), Just(":".to_owned()), Just("\"".to_owned()), Just("\\".to_owned()),
                    Just("a".repeat(70_000)), Just("1 ".repeat(200_000)), "[a-c\"\\\\]{0,9}",
                ],
                0..24,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = parts.concat();
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.sort_unstable();
            let mut portions = Vec::new();
            let mut rest = text.as_bytes();
            let mut from = 0;
            for place in places {
                let (head, tail) = rest.split_at(place - from);
                portions.push(head);
                (rest, from) = (tail, place);
            }
            portions.push(rest);
            prop_assert_eq!(skimmed(portions), skimmed([text.as_bytes()]));
        }
    }
}
