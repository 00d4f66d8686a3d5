//! What Chipp's answers say of themselves, in OpenAI's words.

use crate::chipp;
use crate::openai::completion::FinishReason;
use crate::openai::usage::{Usage, estimate_tokens};
use crate::translate::cut::Cut;

/// Where the counts in `usage` come from; the value of `x-chipp-usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// Chipp counted.
    Upstream,
    /// At least one count is an estimate.
    Estimated,
}

impl UsageSource {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Estimated => "estimated",
        }
    }
}

/// Why the answer ended, as the client is told: a cut in the proxy comes before Chipp's reason.
pub const fn finish_reason(upstream: chipp::FinishReason, cut: Option<Cut>) -> FinishReason {
    match (cut, upstream) {
        (Some(Cut::Stop), _) | (None, chipp::FinishReason::Stop) => FinishReason::Stop,
        (Some(Cut::Length), _) | (None, chipp::FinishReason::Length) => FinishReason::Length,
        (None, chipp::FinishReason::ContentFilter) => FinishReason::ContentFilter,
    }
}

/// Bytes that were read and written, from which missing counts are estimated.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    /// Of the whole history.
    pub prompt_bytes: usize,
    /// Of the answer, as the client gets it.
    pub answer_bytes: usize,
}

/// Chipp's counts where they are given and true of what the client gets; estimates in their place where not.
pub fn usage(given: Option<chipp::Usage>, cut: Option<Cut>, volume: Volume) -> (Usage, UsageSource) {
    let given = given.unwrap_or_default();
    // Of an answer that was cut, Chipp counted more than the client gets.
    let completion = given.completion_tokens.filter(|_| cut.is_none());
    let source = match (given.prompt_tokens, completion) {
        (Some(_), Some(_)) => UsageSource::Upstream,
        _ => UsageSource::Estimated,
    };
    let usage = Usage {
        prompt_tokens: given.prompt_tokens.unwrap_or_else(|| estimate_tokens(volume.prompt_bytes)),
        completion_tokens: completion.unwrap_or_else(|| estimate_tokens(volume.answer_bytes)),
    };
    (usage, source)
}

/// The usage of several answers to one prompt: that is counted once, as OpenAI does. Then the tokens that they have
/// cost in all, since Chipp reads the prompt for each.
pub fn total(each: impl IntoIterator<Item = (Usage, UsageSource)>) -> (Usage, UsageSource, u64) {
    let (mut total, mut source, mut spent) = (Usage::default(), UsageSource::Upstream, 0_u64);
    for (usage, its_source) in each {
        total.prompt_tokens = total.prompt_tokens.max(usage.prompt_tokens);
        total.completion_tokens = total.completion_tokens.saturating_add(usage.completion_tokens);
        spent = spent.saturating_add(usage.total_tokens());
        if its_source == UsageSource::Estimated {
            source = its_source;
        }
    }
    (total, source, spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: Volume = Volume { prompt_bytes: 40, answer_bytes: 8 };

    fn given(prompt: Option<u64>, completion: Option<u64>) -> chipp::Usage {
        chipp::Usage { prompt_tokens: prompt, completion_tokens: completion }
    }

    #[test]
    fn given_counts_are_kept_and_missing_ones_estimated() {
        let upstream = usage(Some(given(Some(7), Some(9))), None, VOLUME);
        assert_eq!(upstream, (Usage { prompt_tokens: 7, completion_tokens: 9 }, UsageSource::Upstream));
        let half = usage(Some(given(Some(7), None)), None, VOLUME);
        assert_eq!(half, (Usage { prompt_tokens: 7, completion_tokens: 2 }, UsageSource::Estimated));
        let none = usage(None, None, VOLUME);
        assert_eq!(none, (Usage { prompt_tokens: 10, completion_tokens: 2 }, UsageSource::Estimated));
    }

    #[test]
    fn a_cut_answer_is_counted_as_the_client_gets_it() {
        let cut = usage(Some(given(Some(7), Some(900))), Some(Cut::Length), VOLUME);
        assert_eq!(cut, (Usage { prompt_tokens: 7, completion_tokens: 2 }, UsageSource::Estimated));
    }

    #[test]
    fn several_answers_have_one_prompt_and_cost_it_each() {
        let usage = |prompt, completion| Usage { prompt_tokens: prompt, completion_tokens: completion };
        let both = total([(usage(7, 2), UsageSource::Upstream), (usage(9, 5), UsageSource::Estimated)]);
        assert_eq!(both, (usage(9, 7), UsageSource::Estimated, 23));
    }

    #[test]
    fn a_cut_comes_before_the_reason_given() {
        assert_eq!(finish_reason(chipp::FinishReason::Length, Some(Cut::Stop)), FinishReason::Stop);
        assert_eq!(finish_reason(chipp::FinishReason::Stop, Some(Cut::Length)), FinishReason::Length);
        assert_eq!(finish_reason(chipp::FinishReason::ContentFilter, None), FinishReason::ContentFilter);
    }
}
