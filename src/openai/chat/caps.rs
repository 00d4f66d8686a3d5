//! The bounds of a chat request: OpenAI's own where it has one, ours where a value is kept or repeated.

/// Messages of one request; a conversation of months has hundreds.
pub(in crate::openai) const MAX_MESSAGES: usize = 10_000;
/// Fields of the body; OpenAI knows about forty.
pub(in crate::openai) const MAX_FIELDS: usize = 128;
/// Characters of `model`, which every chunk repeats.
pub(in crate::openai) const MAX_MODEL_CHARS: usize = 256;
/// Characters of `user`; OpenAI names no bound, some clients put several ids into it.
pub(in crate::openai) const MAX_USER_CHARS: usize = 512;
/// Characters of `safety_identifier` (OpenAI's).
pub(in crate::openai) const MAX_SAFETY_IDENTIFIER_CHARS: usize = 64;
/// Bound of `seed`, up and down (OpenAI's): the greatest 64-bit integer as JavaScript writes it.
pub(in crate::openai) const MAX_SEED: i128 = 9_223_372_036_854_776_000;
/// Sequences in `stop` (OpenAI's).
pub(in crate::openai) const MAX_STOPS: usize = 4;
/// Characters of one stop sequence: as many are held back from a stream.
pub(in crate::openai) const MAX_STOP_CHARS: usize = 1000;
/// Pairs in `metadata` (OpenAI's).
pub(in crate::openai) const MAX_METADATA: usize = 16;
/// Characters of a key in `metadata` (OpenAI's).
pub(in crate::openai) const MAX_METADATA_KEY_CHARS: usize = 64;
/// Characters of a value in `metadata` (OpenAI's).
pub(in crate::openai) const MAX_METADATA_VALUE_CHARS: usize = 512;
/// Entries of `logit_bias`: about a vocabulary.
pub(in crate::openai) const MAX_LOGIT_BIAS: usize = 300_000;
/// Elements of `tools` and `functions` (OpenAI's).
pub(in crate::openai) const MAX_TOOLS: usize = 128;
/// Characters of a function's or schema's name (OpenAI's).
pub(in crate::openai) const MAX_NAME_CHARS: usize = 64;
/// Elements of an array that has no bound of its own; the number of values of the whole body has one.
pub(in crate::openai) const ANY: usize = usize::MAX;
