//! What Chipp's answers say of themselves, in OpenAI's words.

use crate::chipp;
use crate::openai::completion::FinishReason;
use crate::openai::usage::Usage;
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

/// What Chipp counted, as far as that is true of what the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    prompt: Option<u64>,
    completion: Option<u64>,
}

impl Counted {
    /// Of an answer that was cut, Chipp counted more than the client gets.
    pub fn new(given: Option<chipp::Usage>, cut: Option<Cut>) -> Self {
        let given = given.unwrap_or_default();
        Self { prompt: given.prompt_tokens, completion: given.completion_tokens.filter(|_| cut.is_none()) }
    }

    /// The counts, if none is missing.
    pub fn whole(self) -> Option<Usage> {
        let usage = |prompt_tokens, completion_tokens| Usage { prompt_tokens, completion_tokens };
        self.prompt.zip(self.completion).map(|(prompt, completion)| usage(prompt, completion))
    }

    /// With our own counts for those that are missing.
    pub fn or(self, own: Usage) -> Usage {
        Usage {
            prompt_tokens: self.prompt.unwrap_or(own.prompt_tokens),
            completion_tokens: self.completion.unwrap_or(own.completion_tokens),
        }
    }
}

/// The usage of several answers, as many to each prompt, in their order: a prompt is counted once, as OpenAI does. Then
/// the tokens that they have cost in all, since Chipp reads the prompt for each.
pub fn total(each: &[(Usage, UsageSource)], prompts: u32) -> (Usage, UsageSource, u64) {
    let (mut total, mut source, mut spent) = (Usage::default(), UsageSource::Upstream, 0_u64);
    let prompts = usize::try_from(prompts).unwrap_or(usize::MAX).max(1);
    for of_prompt in each.chunks(each.len().div_ceil(prompts).max(1)) {
        let mut prompt_tokens = 0;
        for (usage, its_source) in of_prompt {
            prompt_tokens = prompt_tokens.max(usage.prompt_tokens);
            total.completion_tokens = total.completion_tokens.saturating_add(usage.completion_tokens);
            spent = spent.saturating_add(usage.total_tokens());
            if *its_source == UsageSource::Estimated {
                source = *its_source;
            }
        }
        total.prompt_tokens = total.prompt_tokens.saturating_add(prompt_tokens);
    }
    (total, source, spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Usage = Usage { prompt_tokens: 10, completion_tokens: 2 };

    fn counted(prompt: Option<u64>, completion: Option<u64>, cut: Option<Cut>) -> Counted {
        Counted::new(Some(chipp::Usage { prompt_tokens: prompt, completion_tokens: completion }), cut)
    }

    #[test]
    fn given_counts_are_kept_and_missing_ones_our_own() {
        let usage = |prompt, completion| Usage { prompt_tokens: prompt, completion_tokens: completion };
        assert_eq!(counted(Some(7), Some(9), None).whole(), Some(usage(7, 9)));
        let half = counted(Some(7), None, None);
        assert_eq!((half.whole(), half.or(OWN)), (None, usage(7, 2)));
        let none = Counted::new(None, None);
        assert_eq!((none.whole(), none.or(OWN)), (None, OWN));
    }

    #[test]
    fn a_cut_answer_is_counted_as_the_client_gets_it() {
        let cut = counted(Some(7), Some(900), Some(Cut::Length));
        assert_eq!((cut.whole(), cut.or(OWN)), (None, Usage { prompt_tokens: 7, completion_tokens: 2 }));
    }

    fn of(prompt_tokens: u64, completion_tokens: u64) -> (Usage, UsageSource) {
        (Usage { prompt_tokens, completion_tokens }, UsageSource::Upstream)
    }

    #[test]
    fn several_answers_have_one_prompt_and_cost_it_each() {
        let guessed = (of(9, 5).0, UsageSource::Estimated);
        assert_eq!(total(&[of(7, 2), guessed], 1), (of(9, 7).0, UsageSource::Estimated, 23));
    }

    #[test]
    fn each_of_several_prompts_is_counted() {
        let each = [of(5, 1), of(5, 2), of(7, 3), of(8, 4)];
        assert_eq!(total(&each, 2), (of(13, 10).0, UsageSource::Upstream, 35));
        assert_eq!(
            total(&[of(5, 1), of(1, u64::MAX)], 2),
            (of(6, u64::MAX).0, UsageSource::Upstream, u64::MAX)
        );
        assert_eq!(total(&[], 0), (Usage::default(), UsageSource::Upstream, 0));
    }

    #[test]
    fn a_cut_comes_before_the_reason_given() {
        assert_eq!(finish_reason(chipp::FinishReason::Length, Some(Cut::Stop)), FinishReason::Stop);
        assert_eq!(finish_reason(chipp::FinishReason::Stop, Some(Cut::Length)), FinishReason::Length);
        assert_eq!(finish_reason(chipp::FinishReason::ContentFilter, None), FinishReason::ContentFilter);
    }
}
