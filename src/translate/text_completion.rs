//! OpenAI's legacy completion as chats.
//!
//! An app knows no text to go on with, only what somebody says: so each prompt is said to it by a user, and what it
//! answers is the completion. Every choice is a call and a session of its own, with nothing before and nothing after
//! it: a prompt is no conversation.

use std::borrow::Cow;

use crate::openai::Error;
use crate::openai::chat::{ChatRequest, Content, Message, ResponseFormat, Role};
use crate::openai::text_completion::{Prompt, TextRequest};

/// The prompts of a request, each of which is asked `n` times.
#[derive(Debug)]
pub struct Prompts<'a> {
    texts: Vec<Cow<'a, str>>,
    request: TextRequest<'a>,
}

/// What is to be asked: as a chat of one message for each choice.
///
/// # Errors
/// 400 `unsupported_parameter` or `unsupported_value`, naming the field, for what would change the meaning of the answer
/// and cannot be done.
pub fn prompts(mut request: TextRequest<'_>) -> Result<Prompts<'_>, Error> {
    let Prompt::Texts(texts) = std::mem::replace(&mut request.prompt, Prompt::Tokens) else {
        return Err(Error::unsupported_value("prompt", "tokens", "Send text instead."));
    };
    if request.suffix {
        return Err(Error::unsupported_parameter(
            "suffix",
            "Chipp inserts no text; say in the prompt what follows.",
        ));
    }
    if request.best_of > request.n {
        let instead = "Without log probabilities none is the best; leave it out, or ask for more with 'n'.";
        return Err(Error::unsupported_parameter("best_of", instead));
    }
    // To answer without a call would be a lie about the model, and a call has effects and costs.
    if request.max_tokens == 0 {
        return Err(Error::unsupported_value("max_tokens", "0", "Ask for at least 1."));
    }
    Ok(Prompts { texts, request })
}

impl<'a> Prompts<'a> {
    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.texts.len()).unwrap_or(u32::MAX)
    }

    /// Bytes of one, in the mean.
    pub fn mean_bytes(&self) -> usize {
        let all: usize = self.texts.iter().map(|text| text.len()).sum();
        all.div_ceil(self.texts.len().max(1))
    }

    /// What stands before the answer in a choice's text; empty unless that was asked for. It is not cut by `stop` and
    /// `max_tokens`, and no part of the completion's tokens.
    pub fn echo(&self, choice: u32) -> Cow<'a, str> {
        if self.request.echo { self.of(choice) } else { Cow::Borrowed("") }
    }

    /// What is asked for the choice of this `index`: those of the first prompt come first.
    pub fn of_choice(self, choice: u32) -> ChatRequest<'a> {
        let message = Message {
            role: Role::User,
            content: Content::Text(self.of(choice)),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            refusal: None,
        };
        let n = self.request.n.saturating_mul(self.count());
        let request = self.request;
        ChatRequest {
            model: request.model,
            messages: vec![message],
            stream: request.stream,
            include_usage: request.include_usage,
            stop: request.stop,
            max_tokens: Some(request.max_tokens),
            n,
            user: request.user,
            response_format: ResponseFormat::Text,
            logprobs: request.logprobs,
            audio: None,
            callable_tools: None,
            ignored: request.ignored,
            unknown: request.unknown,
        }
    }

    fn of(&self, choice: u32) -> Cow<'a, str> {
        let prompt = usize::try_from(choice / self.request.n.max(1)).unwrap_or(usize::MAX);
        self.texts.get(prompt).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fields: &str) -> String {
        format!(r#"{{"model":"m","prompt":["a","b"],{fields}}}"#)
    }

    fn read(body: &str) -> Prompts<'_> {
        prompts(TextRequest::parse(body.as_bytes()).unwrap()).unwrap()
    }

    fn text_of(request: &ChatRequest<'_>) -> String {
        assert_eq!(request.messages.len(), 1);
        assert_eq!(request.messages[0].role, Role::User);
        let Content::Text(text) = &request.messages[0].content else { panic!("a text") };
        text.to_string()
    }

    #[test]
    fn each_prompt_is_asked_n_times_and_counted_through() {
        let body = with(r#""n":3,"echo":true"#);
        for (choice, text) in ["a", "a", "a", "b", "b", "b"].into_iter().enumerate() {
            let choice = u32::try_from(choice).unwrap();
            let prompts = read(&body);
            assert_eq!((prompts.count(), prompts.mean_bytes(), &*prompts.echo(choice)), (2, 1, text));
            let request = prompts.of_choice(choice);
            assert_eq!((request.n, text_of(&request)), (6, text.to_owned()));
        }
    }

    #[test]
    fn without_echo_nothing_stands_before_the_answer() {
        let prompts = read(r#"{"model":"m","prompt":"tell\nme","stop":"x","user":"u","stream":true}"#);
        assert_eq!(prompts.echo(0), "");
        let request = prompts.of_choice(0);
        assert_eq!(text_of(&request), "tell\nme");
        assert_eq!((request.n, request.max_tokens, request.stream), (1, Some(16), true));
        assert_eq!((&request.stop[..], request.user.as_deref()), (&["x".into()][..], Some("u")));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (fields, place, code) in [
            (r#""prompt":[1,2]"#, "prompt", "unsupported_value"),
            (r#""prompt":[[1],[2]]"#, "prompt", "unsupported_value"),
            (r#""suffix":"x""#, "suffix", "unsupported_parameter"),
            (r#""n":2,"best_of":3"#, "best_of", "unsupported_parameter"),
            (r#""best_of":2"#, "best_of", "unsupported_parameter"),
            (r#""max_tokens":0,"echo":true"#, "max_tokens", "unsupported_value"),
        ] {
            let body = with(fields);
            let error = prompts(TextRequest::parse(body.as_bytes()).unwrap()).unwrap_err();
            let told = (error.status, error.param.as_deref(), error.code);
            assert_eq!(told, (400, Some(place), Some(code)), "{fields}");
        }
    }

    #[test]
    fn what_asks_for_nothing_more_passes() {
        let body = with(
            r#""suffix":"","logprobs":null,"n":2,"best_of":2,"foo":1,"seed":1,"temperature":0,"max_tokens":1"#,
        );
        let request = read(&body).of_choice(3);
        assert_eq!(request.ignored, ["seed", "temperature"]);
        assert_eq!(request.unknown, ["foo"]);
    }
}
