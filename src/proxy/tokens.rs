//! The tokens of an exchange, where Chipp has not counted them.

use crate::chipp;
use crate::openai::usage::Usage;
use crate::proxy::call::Call;
use crate::translate::reply::{Counted, UsageSource};

impl Call {
    /// What an answer has cost, with our own counts where Chipp gives none.
    pub(super) async fn usage(&self, given: Option<chipp::Usage>, answer: &str) -> (Usage, UsageSource) {
        let counted = Counted::new(given, self.ask.cutter.cut());
        match counted.whole() {
            Some(usage) => (usage, UsageSource::Upstream),
            None => (counted.or(self.count(answer).await), UsageSource::Estimated),
        }
    }

    #[cfg(not(feature = "tokenizer"))]
    #[expect(clippy::unused_async, reason = "with the tokenizer it takes time")]
    async fn count(&self, answer: &str) -> Usage {
        use crate::openai::usage::estimate_tokens;

        Usage {
            prompt_tokens: estimate_tokens(self.attempt.prompt_bytes),
            completion_tokens: estimate_tokens(answer.len()),
        }
    }

    /// The texts of the history are read from the client's body once more, so that nobody has to carry them about.
    #[cfg(feature = "tokenizer")]
    async fn count(&self, answer: &str) -> Usage {
        let (route, choice) = (&self.attempt.route, self.attempt.choice);
        if self.attempt.prompt_bytes + answer.len() <= INLINE_BYTES {
            return count(&self.ask, route, choice, answer);
        }
        let (ask, route, text) = (self.ask.clone(), route.clone(), answer.to_owned());
        let counted = tokio::task::spawn_blocking(move || count(&ask, &route, choice, &text)).await;
        counted.unwrap_or_default()
    }
}

/// Texts up to this length are counted at once, which takes a tenth of a millisecond; others would keep their worker
/// from its other streams.
#[cfg(feature = "tokenizer")]
const INLINE_BYTES: usize = 4 << 10;

/// What is counted of a history; the rest is estimated, so that nobody can make us count for seconds.
#[cfg(feature = "tokenizer")]
const MAX_COUNTED_BYTES: usize = 1 << 20;

#[cfg(feature = "tokenizer")]
fn count(ask: &crate::proxy::plan::Ask, route: &crate::catalog::Route, choice: u32, answer: &str) -> Usage {
    use crate::openai::tokens;
    use crate::openai::usage::estimate_tokens;

    let mut left = MAX_COUNTED_BYTES;
    let mut count = |text: &str| {
        if text.len() > left {
            return estimate_tokens(text.len());
        }
        left -= text.len();
        tokens::count(text)
    };
    let messages = ask.messages(route, choice).unwrap_or_default();
    Usage {
        completion_tokens: count(answer),
        prompt_tokens: messages.iter().map(|message| count(&message.content)).sum(),
    }
}
