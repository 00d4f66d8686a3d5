//! Rounds of the model: text, then a tool of the app's own, then the next round.

/// The course of a reply in rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) struct Rounds {
    /// Rounds that end with a tool call.
    pub(in crate::emulator) tools: usize,
    /// The finish word of a round that ends with a tool call; `None` is a finish without a word.
    pub(in crate::emulator) word: Option<&'static str>,
    pub(in crate::emulator) last: Last,
    pub(in crate::emulator) tool: Tool,
    pub(in crate::emulator) metadata: Metadata,
    /// The first round has no text.
    pub(in crate::emulator) silent_first: bool,
    /// Dialect B: each round has the whole message's end, too.
    pub(in crate::emulator) end_each: bool,
    /// A tool runs until a gate lets it end, named as the newest message.
    pub(in crate::emulator) gated: bool,
}

/// The end of a reply in rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Last {
    /// A round of text, and a finish with the app's finish word.
    Finish,
    /// A round of text, and a finish without a word.
    NoWord,
    /// A round of text without any finish.
    NoFinish,
    /// No further round: the last tool's output is followed by the terminator.
    Tool,
}

/// The tools that run between rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Tool {
    Ordinary,
    /// Its output is an error.
    Failed,
    /// Two calls in one round, with their outputs in the other order.
    Parallel,
    /// Its input, output and debug information hold another chat's session id.
    ForeignSession,
    /// Its output is one event of many megabytes; in dialect C its type stands behind the output.
    BigOutput,
    /// Its output is one event of many lines.
    BigLines,
}

/// The size of the annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::emulator) enum Metadata {
    Ordinary,
    /// A megabyte for each annotation.
    Big,
}

impl Rounds {
    /// So many rounds with one tool each, then a round of text only.
    pub(in crate::emulator) const fn of(tools: usize) -> Self {
        Self {
            tools,
            word: Some("tool_calls"),
            last: Last::Finish,
            tool: Tool::Ordinary,
            metadata: Metadata::Ordinary,
            silent_first: false,
            end_each: false,
            gated: false,
        }
    }

    pub(super) const fn word(self, word: Option<&'static str>) -> Self {
        Self { word, ..self }
    }

    pub(super) const fn last(self, last: Last) -> Self {
        Self { last, ..self }
    }

    pub(super) const fn tool(self, tool: Tool) -> Self {
        Self { tool, ..self }
    }

    pub(super) const fn big_metadata(self) -> Self {
        Self { metadata: Metadata::Big, ..self }
    }

    pub(super) const fn silent_first(self) -> Self {
        Self { silent_first: true, ..self }
    }

    pub(super) const fn end_each(self) -> Self {
        Self { end_each: true, ..self }
    }

    pub(super) const fn gated(self) -> Self {
        Self { gated: true, ..self }
    }
}
