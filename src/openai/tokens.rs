//! Tokens of a text: counted where the tokenizer is built in, else estimated.
//!
//! Chipp does not say which model an app has, so the tokenizer is that of OpenAI's present ones.

/// Makes ready to count, which takes a fifth of a second where the tokenizer is built in; the first count does it else.
pub fn load() {
    count("");
}

/// Tokens of a text.
#[cfg(not(feature = "tokenizer"))]
pub fn count(text: &str) -> u64 {
    crate::openai::usage::estimate_tokens(text.len())
}

/// Tokens of a text.
#[cfg(feature = "tokenizer")]
pub fn count(text: &str) -> u64 {
    let tokens = tiktoken_rs::o200k_base_singleton().count_ordinary(text);
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_as_far_as_that_is_known() {
        assert_eq!(count(""), 0);
        let tokens = count("The quick brown fox jumps over the lazy dog.");
        assert_eq!(tokens, if cfg!(feature = "tokenizer") { 10 } else { 11 });
    }
}
