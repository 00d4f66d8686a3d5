//! Finish words: how model providers say why a run ended. Chipp passes the provider's own word through.

use crate::chipp::{Failure, FinishReason};

/// Longest unknown word kept for the log, in characters.
const MAX_UNKNOWN_CHARS: usize = 40;

/// What a finish word means for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FinishWord {
    /// The answer is complete, or ends here for this reason. Also no word at all.
    End(FinishReason),
    /// The model called tools of the app's: the run continues when they have run.
    ToolCalls,
    /// The run broke off: what was said is not an answer.
    Broken,
    /// A person has taken the session over: no answer will come.
    Takeover,
    /// In no column of the table. It proves nothing, neither an end nor a failure.
    Unknown,
}

impl FinishWord {
    /// Looks the word up, whatever its case and punctuation: `MAX_TOKENS`, `max-tokens` and `maxTokens` are the same.
    pub(super) fn of(word: &str) -> Self {
        if word == "stop" {
            return Self::End(FinishReason::Stop);
        }
        let mut letters: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        if letters.is_empty() && !word.trim().is_empty() {
            return Self::Unknown;
        }
        letters.make_ascii_lowercase();
        let row = TABLE.iter().find(|(_, words)| words.contains(&&*letters));
        row.map_or(Self::Unknown, |(meaning, _)| *meaning)
    }

    /// The reason for a reply that is whole whatever its word says, such as a plain JSON reply.
    ///
    /// # Errors
    /// The word says that there is no answer.
    pub(super) fn of_whole(self) -> Result<FinishReason, Failure> {
        match self {
            Self::End(reason) => Ok(reason),
            Self::ToolCalls | Self::Unknown => Ok(FinishReason::Stop),
            Self::Broken => Err(Failure::Interrupted),
            Self::Takeover => Err(Failure::Takeover),
        }
    }
}

/// Unknown words of one reply: how many, and the first of them for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownWords {
    /// How many there were.
    pub count: u32,
    /// The first one, with nothing but ASCII letters, digits, `_`, `-` and `.`, and capped.
    pub first: Box<str>,
}

impl UnknownWords {
    pub(super) fn note(&mut self, word: &str) {
        if self.count == 0 {
            let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "_-.".contains(*letter);
            self.first = word.chars().filter(is_plain).take(MAX_UNKNOWN_CHARS).collect::<String>().into();
        }
        self.count = self.count.saturating_add(1);
    }
}

/// The words in lower case without punctuation, by meaning. Sources: OpenAI (chat and responses), Anthropic, Google,
/// Mistral, Cohere, Amazon Bedrock, Hugging Face, Together, `DeepSeek`, Moonshot and Zhipu, and the AI SDK's own.
const TABLE: &[(FinishWord, &[&str])] = &[
    (
        FinishWord::End(FinishReason::Stop),
        &[
            "",
            "null",
            "stop",
            "stopped",
            "endturn",
            "endofturn",
            "stopsequence",
            "completed",
            "complete",
            "done",
            "finish",
            "finished",
            "eos",
            "eostoken",
            "succeeded",
            "success",
            "normal",
            // The AI SDK's words for a provider's word that it does not know.
            "other",
            "unknown",
        ],
    ),
    (
        FinishWord::End(FinishReason::Length),
        &[
            "length",
            "maxtokens",
            "maxoutputtokens",
            "maxcompletiontokens",
            "maxlength",
            "modellength",
            "tokenlimit",
            "modelcontextwindowexceeded",
            "contextwindowexceeded",
            "contextlengthexceeded",
            "errorlimit",
        ],
    ),
    (
        FinishWord::End(FinishReason::ContentFilter),
        &[
            "contentfilter",
            "contentfiltered",
            "contentfiltering",
            "contentmoderation",
            "filtered",
            "filter",
            "refusal",
            "refused",
            "safety",
            "sensitive",
            "blocklist",
            "blocked",
            "prohibitedcontent",
            "recitation",
            "language",
            "spii",
            "imagesafety",
            "imageprohibitedcontent",
            "imagerecitation",
            "errortoxic",
            "guardrailintervened",
            "guardrail",
            "moderation",
            "policyviolation",
        ],
    ),
    (
        FinishWord::ToolCalls,
        &["toolcalls", "toolcall", "tooluse", "functioncall", "functioncalls", "pauseturn", "tools"],
    ),
    (
        FinishWord::Broken,
        &[
            "interrupted",
            "error",
            "networkerror",
            "servererror",
            "abort",
            "aborted",
            "cancel",
            "cancelled",
            "canceled",
            "usercancel",
            "failed",
            "failure",
            "timeout",
            "timedout",
            "incomplete",
            "overloaded",
            "insufficientsystemresource",
            "malformedfunctioncall",
            "unexpectedtoolcall",
            "toomanytoolcalls",
            "malformedtooluse",
            "malformedmodeloutput",
            "malformedresponse",
            "missingthoughtsignature",
        ],
    ),
    (FinishWord::Takeover, &["humantakeover", "takeover"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_every_provider() {
        let columns: [(FinishWord, &[&str]); 6] = [
            (
                FinishWord::End(FinishReason::Stop),
                &[
                    "",
                    "stop",
                    "STOP",
                    "end_turn",
                    "stop_sequence",
                    "completed",
                    "COMPLETE",
                    "eos_token",
                    "other",
                ],
            ),
            (
                FinishWord::End(FinishReason::Length),
                &[
                    "length",
                    "max_tokens",
                    "MAX_TOKENS",
                    "maxTokens",
                    "max_output_tokens",
                    "model_context_window_exceeded",
                    "model_length",
                ],
            ),
            (
                FinishWord::End(FinishReason::ContentFilter),
                &[
                    "content_filter",
                    "content-filter",
                    "refusal",
                    "SAFETY",
                    "safety",
                    "sensitive",
                    "BLOCKLIST",
                ],
            ),
            (
                FinishWord::ToolCalls,
                &["tool_calls", "tool-calls", "tool_use", "function_call", "pause_turn", "TOOL_CALL"],
            ),
            (
                FinishWord::Broken,
                &[
                    "interrupted",
                    "error",
                    "network_error",
                    "abort",
                    "ERROR",
                    "MALFORMED_FUNCTION_CALL",
                    "canceled",
                ],
            ),
            (FinishWord::Takeover, &["human_takeover"]),
        ];
        for (meaning, words) in columns {
            for word in words {
                assert_eq!(FinishWord::of(word), meaning, "{word}");
            }
        }
        for word in ["wibble", "stop!now", "stopping", "\u{441}\u{442}\u{43e}\u{43f}", "?"] {
            assert_eq!(FinishWord::of(word), FinishWord::Unknown, "{word}");
        }
    }

    #[test]
    fn a_word_stands_in_one_column_only() {
        let mut seen = std::collections::HashSet::new();
        for word in TABLE.iter().flat_map(|(_, words)| *words) {
            assert!(seen.insert(word), "{word}");
            assert!(
                word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()),
                "{word}"
            );
        }
    }

    #[test]
    fn only_plain_letters_of_an_unknown_word_are_kept() {
        let mut words = UnknownWords::default();
        words.note("new word\n{\"x\"}");
        words.note("another");
        assert_eq!((words.count, &*words.first), (2, "newwordx"));
        let mut long = UnknownWords::default();
        long.note(&"x".repeat(100));
        assert_eq!(long.first.len(), MAX_UNKNOWN_CHARS);
    }
}
