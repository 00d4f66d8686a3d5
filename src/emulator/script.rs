//! A reply as a list of steps: what is written in which pieces, what is waited for, how it ends.
//!
//! Making a script is pure; the server plays it. So whatever an app does to its caller can be read here.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::Writes;
use super::behaviour::Coding;
use super::coder::Coder;
use super::record::{Message, Outcome};
use super::reply_head::head;

#[derive(Debug)]
pub(super) enum Step {
    /// One write to the socket.
    Write(Vec<u8>),
    Pause(Duration),
    /// Waits until the gate of this name lets a piece pass.
    Gate(Arc<str>),
    /// The app's run begins: what was sent goes into the session.
    Begin {
        session: String,
        messages: Vec<Message>,
    },
    /// The answer is complete: it goes into the session.
    Store {
        session: String,
        answer: Arc<str>,
    },
    /// Nothing more, until the client leaves.
    Hang,
    /// The connection is reset instead of closed.
    Reset,
}

/// How the reply's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Chunked,
    /// By the end of the connection alone.
    UntilClose,
}

/// How the pieces of a body become writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// A piece a write.
    Pieces,
    /// All in as few writes as can be.
    Batched,
    /// A byte a write (and a chunk).
    Bytes,
}

impl From<Writes> for Delivery {
    fn from(writes: Writes) -> Self {
        match writes {
            Writes::PerEvent => Self::Pieces,
            Writes::Batched => Self::Batched,
        }
    }
}

#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// The connection does not survive this reply.
    pub(super) close: bool,
    /// What is noted about the request once this has been played.
    pub(super) outcome: Outcome,
    framing: Framing,
    delivery: Delivery,
    /// Goes out in the same write as what comes next.
    prefix: Vec<u8>,
    /// Encodes the body.
    coder: Option<Coder>,
}

impl Script {
    pub(super) fn new(outcome: Outcome, delivery: Delivery) -> Self {
        Self {
            steps: Vec::new(),
            close: false,
            outcome,
            framing: Framing::Chunked,
            delivery,
            prefix: Vec::new(),
            coder: None,
        }
    }

    /// A complete reply in one write.
    pub(super) fn whole(outcome: Outcome, status: u16, kind: &str, body: &[u8]) -> Self {
        let mut script = Self::new(outcome, Delivery::Batched);
        script.reply(status, &[("content-type", kind)], body);
        script
    }

    /// Chipp's documented form of an error.
    pub(super) fn error(status: u16, text: &str) -> Self {
        Self::refusal(status, &format!(r#"{{"error":{}}}"#, quote(text)))
    }

    /// An error with this JSON body.
    pub(super) fn refusal(status: u16, body: &str) -> Self {
        Self::whole(Outcome::Refused(status), status, "application/json", body.as_bytes())
    }

    /// A head and a whole body, in one write.
    pub(super) fn reply(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut write = head(status, headers);
        let body = &*match self.coder.take() {
            Some(mut coder) => Cow::Owned([coder.piece(body), coder.end()].concat()),
            None => Cow::Borrowed(body),
        };
        if self.framing == Framing::Chunked {
            write.push_str("content-length: ");
            write.push_str(itoa::Buffer::new().format(body.len()));
            write.push_str("\r\n");
        }
        write.push_str("\r\n");
        let mut write = write.into_bytes();
        write.extend_from_slice(body);
        self.write(write);
    }

    /// A head that promises a body, and only half of it.
    pub(super) fn short_reply(&mut self, headers: &[(&str, &str)], body: &[u8]) {
        let mut write = head(200, headers);
        let _ = write!(write, "content-length: {}\r\n\r\n", body.len());
        let mut write = write.into_bytes();
        write.extend(body.iter().take(body.len() / 2));
        self.write(write);
        self.close = true;
    }

    /// From here on, the body ends with the connection.
    pub(super) fn unframed(&mut self) {
        self.framing = Framing::UntilClose;
        self.close = true;
    }

    /// From here on, the body is encoded.
    pub(super) fn code(&mut self, coding: Coding) {
        self.coder = Coder::new(coding);
    }

    /// Puts these bytes in front of the next write.
    pub(super) fn prefix(&mut self, bytes: &[u8]) {
        self.prefix.extend_from_slice(bytes);
    }

    /// The head of a stream.
    pub(super) fn stream_head(&mut self, headers: &[(&str, &str)]) {
        let mut write = head(200, headers);
        if self.framing == Framing::Chunked {
            write.push_str("transfer-encoding: chunked\r\n");
        }
        write.push_str("\r\n");
        self.write(write.into_bytes());
    }

    /// A piece of the stream's body.
    pub(super) fn piece(&mut self, piece: &[u8]) {
        if let Some(coder) = &mut self.coder {
            let coded = coder.piece(piece);
            let framed = self.framed(&coded);
            self.write(framed);
        } else if self.delivery == Delivery::Bytes {
            for byte in piece {
                let framed = self.framed(std::slice::from_ref(byte));
                self.write(framed);
            }
        } else {
            let framed = self.framed(piece);
            self.write(framed);
        }
    }

    /// Announces a chunk and sends only part of it.
    pub(super) fn torn_chunk(&mut self, part: &[u8]) {
        let mut write = format!("{:x}\r\n", part.len() + 512).into_bytes();
        write.extend_from_slice(part);
        self.write(write);
        self.close = true;
    }

    /// The end of the stream's body.
    pub(super) fn end(&mut self) {
        let rest = self.coder.take().map(Coder::end).filter(|rest| !rest.is_empty());
        if let Some(rest) = rest {
            let framed = self.framed(&rest);
            self.write(framed);
        }
        if self.framing == Framing::Chunked {
            self.write(b"0\r\n\r\n".to_vec());
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        // Storing comes before the last write in any case; batched, before all, so that they stay one.
        let joined = self.delivery == Delivery::Batched
            && matches!(step, Step::Store { .. })
            && matches!(self.steps.last(), Some(Step::Write(_)));
        let at = self.steps.len() - usize::from(joined);
        self.steps.insert(at, step);
    }

    pub(super) fn write(&mut self, mut bytes: Vec<u8>) {
        if !self.prefix.is_empty() {
            bytes.splice(..0, self.prefix.drain(..));
        }
        match self.steps.last_mut() {
            Some(Step::Write(last)) if self.delivery == Delivery::Batched => last.extend(bytes),
            _ => self.steps.push(Step::Write(bytes)),
        }
    }

    fn framed(&self, piece: &[u8]) -> Vec<u8> {
        if self.framing == Framing::UntilClose {
            return piece.to_vec();
        }
        let mut write = Vec::with_capacity(piece.len() + 12);
        write.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        write.extend_from_slice(piece);
        write.extend_from_slice(b"\r\n");
        write
    }
}

/// A text as JSON.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
