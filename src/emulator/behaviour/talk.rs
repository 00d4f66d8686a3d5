//! How an app talks: the parts that a row of the table is put together from.

use super::rounds::Rounds;
use crate::emulator::dialect::Dialect;

/// How an app talks: what, in which form, over which kind of wire, with which memory.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Talk {
    pub(in crate::emulator) dialect: Dialect,
    pub(in crate::emulator) reveals: Reveals,
    pub(in crate::emulator) form: Form,
    pub(in crate::emulator) tale: Tale,
    pub(in crate::emulator) wire: Wire,
    pub(in crate::emulator) says: Says,
    pub(in crate::emulator) memory: Memory,
    /// The finish word of the whole reply, in the AI SDK's spelling or the model provider's own.
    pub(in crate::emulator) finish: &'static str,
}

/// The place where a stream names its session. Dialects A and B have no `start` event: an event of its own
/// stands in for it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Reveals {
    HeaderAndStart,
    Header,
    /// `sessionId` at the top of the `start` event.
    Start,
    /// An event of its own.
    Event,
    /// In an event after the finish.
    Late,
    Never,
}

/// The shape of a plain reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Form {
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
pub(in crate::emulator) enum Tale {
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
    /// Rounds of the model with tools between them.
    Rounds(Rounds),
    /// Rounds with one tool if the newest message says `look up`, else ordinary.
    LooksUp,
    /// A large event that a reader has to skip, before the text.
    BigFile,
    /// Dialect A: a large chunk without text.
    BigChunk,
    /// One delta of text that is too large for a reader of lines.
    BigText,
    /// A person has taken the chat over.
    Takeover,
    /// Ends on the app's finish word, but the answer is not complete.
    Incomplete,
    /// The app's finish word, then the end without the terminator.
    OpenEnd,
    Odd(Oddity),
}

/// Rare events of dialect C around the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Oddity {
    /// The raw chunk form: `text` and `done` events only.
    RawEvents,
    /// Only types that nobody knows.
    UnknownTypes,
    /// `reset-step` after half of the text, then the whole text.
    Reset,
    /// `reset-step` before any text.
    ResetFirst,
    /// The newer types of events between the halves of the text.
    NewTypes,
    /// Comments first and between the words.
    KeepAlive,
    /// Nothing but an error whose text is under `error`.
    ToolError,
}

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Wire {
    Ordinary,
    /// Each byte is a write and a chunk of its own.
    Bytewise,
    /// Lines end in CR LF.
    Crlf,
    /// A 103 comes alone before the 200.
    Interim,
    /// A 100 and a 103 come in the same write as the 200.
    InterimTwice,
    /// The body has a content encoding that the client has not asked for.
    Coded(Coding),
    /// Neither content-length nor chunked.
    Unframed,
    /// The head comes after a long time.
    LateHead,
}

/// Content encodings of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Coding {
    Gzip,
    Brotli,
    Zstd,
    /// One that no client knows.
    Rot13,
}

impl Coding {
    /// The token in `content-encoding`.
    pub(in crate::emulator) fn token(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Rot13 => "x-rot13",
        }
    }
}

/// The text of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Says {
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
pub(in crate::emulator) enum Memory {
    Kept,
    /// At every second turn the session that was sent is silently replaced by a new one.
    Lost,
    /// At every second turn the session that was sent is a 404.
    Missing,
    /// At every second turn the session that was sent is a 403.
    Forbidden,
    /// The first request of a conversation is a 503, until it comes again.
    FlakyOpening,
}

/// An ordinary app.
pub(in crate::emulator) const TALK: Talk = Talk {
    dialect: Dialect::UiMessage,
    reveals: Reveals::HeaderAndStart,
    form: Form::Documented,
    tale: Tale::Ordinary,
    wire: Wire::Ordinary,
    says: Says::Answer,
    memory: Memory::Kept,
    finish: "stop",
};

impl Talk {
    /// How the app talks to this newest message.
    pub(in crate::emulator) fn to(mut self, newest: &str) -> Self {
        if self.tale == Tale::LooksUp {
            let wanted = newest.to_lowercase().contains("look up");
            self.tale = if wanted { Tale::Rounds(Rounds::of(1)) } else { Tale::Ordinary };
        }
        self
    }

    pub(super) const fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    pub(super) const fn reveals(self, reveals: Reveals) -> Self {
        Self { reveals, ..self }
    }

    pub(super) const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(super) const fn tale(self, tale: Tale) -> Self {
        Self { tale, ..self }
    }

    pub(super) const fn wire(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    pub(super) const fn says(self, says: Says) -> Self {
        Self { says, ..self }
    }

    pub(super) const fn memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    pub(super) const fn finish(self, finish: &'static str) -> Self {
        Self { finish, ..self }
    }
}
