//! `usage`: what a completion cost in tokens, and the estimate for when the upstream does not say.

/// Tokens of a prompt and its completion. On the wire the total is their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// `prompt_tokens`
    pub prompt_tokens: u64,
    /// `completion_tokens`
    pub completion_tokens: u64,
}

impl Usage {
    /// `total_tokens`
    pub const fn total_tokens(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Appends the whole object; the details, of which Chipp says nothing, are constant.
    pub fn write_json(self, out: &mut Vec<u8>) {
        let numbers = [
            ("{\"prompt_tokens\":", self.prompt_tokens),
            (",\"completion_tokens\":", self.completion_tokens),
            (",\"total_tokens\":", self.total_tokens()),
        ];
        for (key, number) in numbers {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        out.extend_from_slice(DETAILS.as_bytes());
    }
}

const DETAILS: &str = concat!(
    r#","prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
    r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"#,
    r#""accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#
);

/// Bytes of text that count as one token where nobody has counted.
pub const BYTES_PER_TOKEN: usize = 4;

/// Tokens of so many bytes of text: a quarter of them, rounded up. Bytes and not characters, since Chinese has about a
/// token a character and three bytes in each: within a tenth or so for both.
pub fn estimate_tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(usage: Usage) -> String {
        let mut out = Vec::new();
        usage.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn usage_is_openais_whole_object() {
        let usage = Usage { prompt_tokens: 9, completion_tokens: 12 };
        assert_eq!(
            written(usage),
            concat!(
                r#"{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"#,
                r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
                r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"#,
                r#""accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#
            )
        );
    }

    #[test]
    fn absurd_counts_from_upstream_do_not_overflow() {
        let usage = Usage { prompt_tokens: u64::MAX, completion_tokens: 1 };
        assert_eq!(usage.total_tokens(), u64::MAX);
    }

    #[test]
    fn an_estimate_is_a_quarter_of_the_bytes_rounded_up() {
        let estimates: Vec<u64> = [0, 1, 4, 5, 4000].into_iter().map(estimate_tokens).collect();
        assert_eq!(estimates, [0, 1, 1, 2, 1000]);
    }
}
