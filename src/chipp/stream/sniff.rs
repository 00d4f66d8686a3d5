//! Which form a body has, told from its first bytes. Headers are no help: they have been seen to be wrong.

/// The forms that can be told from the first bytes. Which of the two SSE dialects it is, its events say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of server-sent events: dialect A or C.
    EventStream,
    /// Dialect B.
    DataStream,
    /// A JSON object.
    Json,
    /// A web page.
    Html,
    /// Anything else.
    Plain,
}

/// Looks at the first bytes, as few as can be.
///
/// A byte order mark, white space and comment lines (`: ping`) say nothing and are passed over.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    /// The bytes since then; fewer than the longest name of a field.
    held: Vec<u8>,
    in_comment: bool,
    commented: bool,
}

enum Verdict {
    Undecided,
    Mark,
    Comment,
    Found(Form),
}

impl Sniffer {
    /// Takes bytes; once they tell, gives the form and the bytes that it did not take.
    pub(super) fn push<'b>(&mut self, bytes: &'b [u8]) -> Option<(Form, &'b [u8])> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_comment {
                self.in_comment = byte != b'\n';
                continue;
            }
            if self.held.is_empty() && byte.is_ascii_whitespace() {
                continue;
            }
            self.held.push(byte);
            match judge(&self.held) {
                Verdict::Undecided => {}
                Verdict::Mark => self.held.clear(),
                Verdict::Comment => {
                    self.held.clear();
                    self.in_comment = true;
                    self.commented = true;
                }
                Verdict::Found(form) => return Some((form, bytes.get(index + 1..).unwrap_or_default())),
            }
        }
        None
    }

    /// The bytes that were taken and belong to the body's content.
    pub(super) fn into_held(self) -> Vec<u8> {
        self.held
    }

    /// Whether there was a comment: a stream had begun.
    pub(super) fn commented(&self) -> bool {
        self.commented
    }
}

/// The names that can begin a stream of events.
const FIELDS: [&[u8]; 4] = [b"data:", b"event:", b"id:", b"retry:"];

const MARK: &[u8] = "\u{feff}".as_bytes();

fn judge(head: &[u8]) -> Verdict {
    match head {
        [b'{', ..] => Verdict::Found(Form::Json),
        [b'<', ..] => Verdict::Found(Form::Html),
        [b':', ..] => Verdict::Comment,
        _ if head == MARK => Verdict::Mark,
        _ if FIELDS.contains(&head) => Verdict::Found(Form::EventStream),
        // A line of the data stream always goes on with a string, an array or an object. An answer in plain text
        // may well begin with `3:30 pm` or `a: yes`.
        [b'0'..=b'9' | b'a'..=b'z', b':', b'"' | b'[' | b'{'] => Verdict::Found(Form::DataStream),
        [b'0'..=b'9' | b'a'..=b'z'] | [b'0'..=b'9' | b'a'..=b'z', b':'] => Verdict::Undecided,
        _ if MARK.starts_with(head) || FIELDS.iter().any(|field| field.starts_with(head)) => {
            Verdict::Undecided
        }
        _ => Verdict::Found(Form::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(body: &[u8]) -> Option<(Form, Vec<u8>)> {
        let mut sniffer = Sniffer::default();
        let (form, rest) = sniffer.push(body)?;
        Some((form, [&sniffer.into_held(), rest].concat()))
    }

    #[test]
    fn forms() {
        for (body, form, content) in [
            ("data: {}", Form::EventStream, "data: {}"),
            (": ping\n\ndata:{}", Form::EventStream, "data:{}"),
            ("\u{feff}event: x", Form::EventStream, "event: x"),
            ("id: 1", Form::EventStream, "id: 1"),
            ("retry: 1", Form::EventStream, "retry: 1"),
            ("0:\"a\"", Form::DataStream, "0:\"a\""),
            ("\r\n f:{}", Form::DataStream, "f:{}"),
            ("8:[]", Form::DataStream, "8:[]"),
            ("d:{}", Form::DataStream, "d:{}"),
            (" {\"a\"", Form::Json, "{\"a\""),
            ("\u{feff}\n{", Form::Json, "{"),
            ("\n<!doctype", Form::Html, "<!doctype"),
            ("Hello", Form::Plain, "Hello"),
            ("date", Form::Plain, "date"),
            ("3:30 pm", Form::Plain, "3:30 pm"),
            ("a: yes", Form::Plain, "a: yes"),
            ("[1] a link", Form::Plain, "[1] a link"),
            ("\u{ff01}", Form::Plain, "\u{ff01}"),
        ] {
            assert_eq!(sniff(body.as_bytes()), Some((form, content.into())), "{body}");
        }
    }

    #[test]
    fn too_few_bytes_do_not_tell() {
        for body in ["", " \r\n", "d", "dat", "even", "0", "0:", ": a comment", "\n:x\n\n"] {
            assert_eq!(sniff(body.as_bytes()), None, "{body}");
        }
        assert_eq!(sniff(b"\xef\xbb"), None);
    }
}
