//! What the pretend apps do: each shows one behaviour, by its id.

mod table;

use std::fmt::Write as _;

use super::dialect::Dialect;
pub use table::BEHAVIOURS;

/// One pretend app.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// The alias that the sandbox gives it.
    pub name: &'static str,
    /// Its id: what Chipp calls `model`.
    pub app: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// How the first reply of a conversation ends when no stream is asked for.
    pub plain: Ends,
    /// How the first reply of a conversation ends when a stream is asked for.
    pub streamed: Ends,
    pub(super) act: Act,
}

impl Behaviour {
    /// The app with this id.
    pub(super) fn of(app: &str) -> Option<&'static Self> {
        // The ordinary apps are first, so the search is short where speed counts.
        BEHAVIOURS.iter().find(|behaviour| behaviour.app == app)
    }

    /// What it does with this newest message: the commanded app acts as the one that the message names, if any.
    pub(super) fn commanded(&'static self, newest: &str) -> &'static Self {
        if self.name != COMMANDED {
            return self;
        }
        let name = newest.split_once(COMMAND).map(|(_, rest)| rest);
        let name = name.and_then(|rest| rest.split_whitespace().next());
        let named = BEHAVIOURS.iter().find(|behaviour| Some(behaviour.name) == name);
        named.unwrap_or(self)
    }
}

/// The app that does as it is told, so that one conversation can meet several behaviours.
const COMMANDED: &str = "commanded";
/// What stands before the behaviour's name.
const COMMAND: &str = "act as: ";

/// How a reply ends, as the proxy must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With the whole answer.
    Answer,
    /// As it should, but there is no text.
    Empty,
    /// With an error status other than 200 in the answer's place.
    Refused(u16),
    /// The same, but only once: the same request is answered when it comes again.
    RefusedOnce(u16),
    /// Broken, but only once.
    BrokenOnce,
    /// Broken: cut, reset, unreadable, with an error inside, or sent in a way that a client with a pool of
    /// connections cannot trust (no framing). Never to be taken for an answer.
    Broken,
    /// Not at all, until the client leaves.
    Never,
}

/// All apps as a table for people: alias, id, what it does.
pub fn describe() -> String {
    let width = BEHAVIOURS.iter().map(|behaviour| behaviour.name.len()).max();
    let width = width.unwrap_or_default();
    let mut table = String::new();
    for Behaviour { name, app, about, .. } in BEHAVIOURS {
        let app_width = width + "emu--1".len();
        let _ = writeln!(table, "{name:width$}  {app:app_width$}  {about}");
    }
    table
}

/// What is done with a request that is in order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Talk(Talk),
    Refuse(Refusal),
    /// Fails so for each message that is heard for the first time; when it comes again it is answered.
    Once(Fails),
    /// No byte is ever sent.
    Silence,
    /// The connection is reset before any byte.
    Reset(Storing),
}

/// How an app fails that is well the second time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fails {
    With(Refusal),
    /// The connection is reset before any byte.
    Reset,
}

/// Whether a failing reply leaves its turn in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storing {
    Nothing,
    Turn,
}

/// A fixed reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    pub(super) storing: Storing,
}

/// How an app talks: what, in which form, over which kind of wire, with which memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    pub(super) dialect: Dialect,
    pub(super) reveals: Reveals,
    pub(super) form: Form,
    pub(super) tale: Tale,
    pub(super) wire: Wire,
    pub(super) says: Says,
    pub(super) memory: Memory,
    /// In the AI SDK's spelling.
    pub(super) finish: &'static str,
}

/// Where a stream names its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reveals {
    HeaderAndEvent,
    Header,
    Event,
    /// In an event after the finish.
    Late,
    Never,
}

/// The shape of a plain reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Documented,
    /// `completion_tokens: null`; the same in a stream.
    NullUsage,
    NoUsage,
    /// Only `chatSessionId` and `choices[].message`.
    Sparse,
    NoChoices,
    /// `message` as a string at the top.
    Message,
    /// `response` as a string at the top.
    Response,
    /// Shorter than its content-length.
    Short,
}

/// The course of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tale {
    Ordinary,
    /// No stream: the plain reply.
    PlainReply,
    /// No stream: the bare text.
    BareText,
    /// Deltas without the frame around them.
    Unframed,
    Blocks,
    ToolUse,
    Reasoning,
    MetadataAfter,
    MessageIdOnly,
    Noise,
    /// The last line has no line end.
    Unterminated,
    SlowWords,
    Gated,
    Stall,
    ErrorMidway,
    ErrorFirst,
    Abort,
    Cut,
    /// Cut too, but the turn is in the session.
    CutStored,
    CutInChunk,
}

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Ordinary,
    /// Each byte is a write and a chunk of its own.
    Bytewise,
    /// Lines end in CR LF.
    Crlf,
    /// A 103 comes alone before the 200.
    Interim,
    /// Neither content-length nor chunked.
    Unframed,
    /// The head comes after a long time.
    LateHead,
}

/// The text of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// What the transcript makes it say.
    Answer,
    /// The same with letters of two, three and four bytes.
    Accents,
    Long,
    Fixed(&'static str),
    /// Nothing is said, but the transcript holds an answer.
    Unsaid,
}

/// What becomes of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Kept,
    /// At every second turn the session that was sent is silently replaced by a new one.
    Lost,
    /// At every second turn the session that was sent is a 404.
    Missing,
    /// The first request of a conversation is a 503, until it comes again.
    FlakyOpening,
}

/// An ordinary app.
pub(super) const TALK: Talk = Talk {
    dialect: Dialect::UiMessage,
    reveals: Reveals::HeaderAndEvent,
    form: Form::Documented,
    tale: Tale::Ordinary,
    wire: Wire::Ordinary,
    says: Says::Answer,
    memory: Memory::Kept,
    finish: "stop",
};

impl Talk {
    const fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    const fn reveals(self, reveals: Reveals) -> Self {
        Self { reveals, ..self }
    }

    const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    const fn tale(self, tale: Tale) -> Self {
        Self { tale, ..self }
    }

    const fn wire(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    const fn says(self, says: Says) -> Self {
        Self { says, ..self }
    }

    const fn memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    const fn finish(self, finish: &'static str) -> Self {
        Self { finish, ..self }
    }
}
