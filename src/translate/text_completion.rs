//! OpenAI's legacy completion to Chipp's messages, and several answers' counts to one.
//!
//! An app knows no text to go on with, only what somebody says: so each prompt is said to it by a user, and what it
//! answers is the completion. Every choice is a call and a session of its own, with nothing before and nothing after
//! it: a prompt is no conversation.

use std::borrow::Cow;

use crate::chipp;
use crate::openai::Error;
use crate::openai::text_completion::{Prompt, TextRequest};
use crate::openai::usage::Usage;
use crate::translate::reply::{self, UsageSource};
use crate::translate::request::{OnParameter, Parameters};

/// What Chipp is to be asked for one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask<'r> {
    /// `index` of the choice: those of the first prompt come first.
    pub index: u32,
    /// The whole history.
    pub messages: [chipp::Message<'r>; 1],
    /// What stands before the answer in the choice's text; empty unless that was asked for. It is not cut by `stop` and
    /// `max_tokens`, and no part of the completion's tokens.
    pub echo: &'r str,
}

/// What Chipp is to be asked, one for each choice in the order of their index. None for tokens, which
/// [`parameters`] refuses.
pub fn asks<'r>(request: &'r TextRequest<'_>) -> impl Iterator<Item = Ask<'r>> {
    let texts = match &request.prompt {
        Prompt::Texts(texts) => texts.as_slice(),
        Prompt::Tokens => &[],
    };
    let each = texts.iter().flat_map(|text| (0..request.n).map(move |_| &**text));
    (0..).zip(each).map(|(index, text)| Ask {
        index,
        messages: [chipp::Message { role: chipp::Role::User, content: Cow::Borrowed(text) }],
        echo: if request.echo { text } else { "" },
    })
}

/// Refuses what would change the meaning of the answer and cannot be done; names the rest that has no effect.
///
/// The names are for `x-chipp-ignored-params`.
///
/// # Errors
/// 400 `unsupported_parameter`, `unsupported_value` or `unknown_parameter`, naming the field.
pub fn parameters<'a>(request: &TextRequest<'a>, settings: Parameters) -> Result<Vec<Cow<'a, str>>, Error> {
    if request.prompt == Prompt::Tokens {
        return Err(Error::unsupported_value("prompt", "tokens", "Send text instead."));
    }
    if request.suffix {
        return Err(Error::unsupported_parameter(
            "suffix",
            "Chipp inserts no text; say in the prompt what follows.",
        ));
    }
    if request.logprobs {
        return Err(Error::unsupported_parameter("logprobs", "Chipp gives no log probabilities."));
    }
    if request.best_of > request.n {
        let instead = "Without log probabilities none is the best; leave it out, or ask for more with 'n'.";
        return Err(Error::unsupported_parameter("best_of", instead));
    }
    // To answer without a call would be a lie about the model, and a call has effects and costs.
    if request.max_tokens == 0 {
        return Err(Error::unsupported_value("max_tokens", "0", "Ask for at least 1."));
    }
    if let (OnParameter::Reject, Some(field)) = (settings.unsupported, request.ignored.first()) {
        return Err(Error::unsupported_parameter(field, "It has no effect with this model."));
    }
    if let (OnParameter::Reject, Some(field)) = (settings.unknown, request.unknown.first()) {
        return Err(Error::unknown_parameter(field));
    }
    let ignored = request.ignored.iter().map(|field| Cow::Borrowed(*field));
    Ok(ignored.chain(request.unknown.iter().cloned()).collect())
}

/// The usage of all choices, `n` for each prompt, in the order of their index: a prompt is counted once, as OpenAI does.
/// Then the tokens that they have cost in all, since Chipp reads the prompt for each.
pub fn usage(n: u32, choices: &[(Usage, UsageSource)]) -> (Usage, UsageSource, u64) {
    let (mut total, mut source, mut spent) = (Usage::default(), UsageSource::Upstream, 0_u64);
    for of_prompt in choices.chunks(usize::try_from(n).unwrap_or(usize::MAX).max(1)) {
        let (usage, its_source, its_spent) = reply::total(of_prompt.iter().copied());
        total.prompt_tokens = total.prompt_tokens.saturating_add(usage.prompt_tokens);
        total.completion_tokens = total.completion_tokens.saturating_add(usage.completion_tokens);
        spent = spent.saturating_add(its_spent);
        if its_source == UsageSource::Estimated {
            source = its_source;
        }
    }
    (total, source, spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENIENT: Parameters = Parameters { unsupported: OnParameter::Ignore, unknown: OnParameter::Ignore };
    const STRICT: Parameters = Parameters { unsupported: OnParameter::Reject, unknown: OnParameter::Reject };

    fn with(fields: &str) -> String {
        format!(r#"{{"model":"m","prompt":["a","b"],{fields}}}"#)
    }

    #[test]
    fn each_prompt_is_asked_n_times_and_counted_through() {
        let body = with(r#""n":3,"echo":true"#);
        let request = TextRequest::parse(body.as_bytes()).unwrap();
        let asks: Vec<_> = asks(&request).collect();
        let told: Vec<_> = asks.iter().map(|ask| (ask.index, &*ask.messages[0].content, ask.echo)).collect();
        assert_eq!(
            told,
            [(0, "a", "a"), (1, "a", "a"), (2, "a", "a"), (3, "b", "b"), (4, "b", "b"), (5, "b", "b")]
        );
        for ask in asks {
            assert_eq!(ask.messages[0].role, chipp::Role::User);
            assert!(matches!(ask.messages[0].content, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn without_echo_nothing_stands_before_the_answer() {
        let request = TextRequest::parse(br#"{"model":"m","prompt":"tell\nme"}"#).unwrap();
        let asks: Vec<_> = asks(&request).collect();
        let message = chipp::Message { role: chipp::Role::User, content: "tell\nme".into() };
        assert_eq!(asks, [Ask { index: 0, messages: [message], echo: "" }]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (fields, settings, place, code) in [
            (r#""prompt":[1,2]"#, LENIENT, "prompt", "unsupported_value"),
            (r#""prompt":[[1],[2]]"#, LENIENT, "prompt", "unsupported_value"),
            (r#""suffix":"x""#, LENIENT, "suffix", "unsupported_parameter"),
            (r#""logprobs":0"#, LENIENT, "logprobs", "unsupported_parameter"),
            (r#""n":2,"best_of":3"#, LENIENT, "best_of", "unsupported_parameter"),
            (r#""best_of":2"#, LENIENT, "best_of", "unsupported_parameter"),
            (r#""max_tokens":0,"echo":true"#, LENIENT, "max_tokens", "unsupported_value"),
            (r#""seed":1"#, STRICT, "seed", "unsupported_parameter"),
            (r#""foo":1"#, STRICT, "foo", "unknown_parameter"),
        ] {
            let body = with(fields);
            let error = parameters(&TextRequest::parse(body.as_bytes()).unwrap(), settings).unwrap_err();
            let told = (error.status, error.param.as_deref(), error.code);
            assert_eq!(told, (400, Some(place), Some(code)), "{fields}");
        }
    }

    #[test]
    fn what_asks_for_nothing_more_passes_and_what_has_no_effect_is_named() {
        let body = with(
            r#""suffix":"","logprobs":null,"n":2,"best_of":2,"foo":1,"seed":1,"temperature":0,"max_tokens":1"#,
        );
        let request = TextRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(parameters(&request, LENIENT).unwrap(), ["seed", "temperature", "foo"]);
        let body = with(r#""best_of":0,"stop":"x","user":"u","stream":true"#);
        let request = TextRequest::parse(body.as_bytes()).unwrap();
        assert!(parameters(&request, STRICT).unwrap().is_empty());
    }

    #[test]
    fn prompts_are_counted_once_each_and_paid_for_every_choice() {
        let of = |prompt, completion| {
            (Usage { prompt_tokens: prompt, completion_tokens: completion }, UsageSource::Upstream)
        };
        let (total, source, spent) = usage(2, &[of(5, 1), of(5, 2), of(7, 3), of(8, 4)]);
        assert_eq!(total, Usage { prompt_tokens: 13, completion_tokens: 10 });
        assert_eq!((source, spent), (UsageSource::Upstream, 35));
        let guessed = (Usage { prompt_tokens: 1, completion_tokens: u64::MAX }, UsageSource::Estimated);
        let (total, source, spent) = usage(1, &[of(5, 1), guessed]);
        assert_eq!((total.prompt_tokens, total.completion_tokens), (6, u64::MAX));
        assert_eq!((source, spent), (UsageSource::Estimated, u64::MAX));
        assert_eq!(usage(0, &[]), (Usage::default(), UsageSource::Upstream, 0));
    }
}
