//! A plain (unstreamed) reply, in every form that has been seen.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::chipp::finish::FinishWord;
use crate::chipp::json::{self, Text};
use crate::chipp::{Failure, FinishReason, UnknownWords, Usage, error, metadata};
use crate::ids::ChatSessionId;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The session that now holds this turn.
    pub session: Option<ChatSessionId>,
    /// The answer; may be empty (the app ended on a tool step).
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Token counts, if any were given.
    pub usage: Option<Usage>,
    /// A finish word that nobody knows.
    pub unknown_words: UnknownWords,
    /// It shows that the app has called a tool.
    pub has_acted: bool,
}

impl Reply {
    /// Reads the body of a 200.
    ///
    /// # Errors
    /// An error object under the 200 is [`Failure::Api`]; a page, an empty body, or anything that is
    /// not a reply in one of the known forms is the failure of that name.
    pub fn parse(body: &[u8]) -> Result<Self, Failure> {
        let body = json::trimmed(body);
        match body.first() {
            None => Err(Failure::Empty),
            Some(b'<') => Err(Failure::Html),
            Some(_) => {
                if let Some(reply) = Ordinary::parse(body) {
                    return reply.into_reply();
                }
                let value = json::value(body).ok_or(Failure::Malformed)?;
                Self::of_value(&value)
            }
        }
    }

    /// Any form but the ordinary one; what does not matter may have any type.
    fn of_value(value: &Value) -> Result<Self, Failure> {
        if let Some(error) = error::reported(value) {
            return Err(Failure::Api(error));
        }
        let choices = value.get("choices").and_then(Value::as_array);
        let choice = choices.and_then(|choices| choices.iter().find(|choice| is_first(choice)));
        let message = match (choice, choices) {
            (Some(choice), _) => choice.get("message").or_else(|| choice.get("text")),
            (None, Some(_)) => None,
            (None, None) => Some(
                ["message", "response"]
                    .iter()
                    .find_map(|key| value.get(*key).filter(|said| !said.is_null()))
                    .ok_or(Failure::Malformed)?,
            ),
        };
        let finish = choice.and_then(|choice| choice.get("finish_reason")?.as_str());
        let (finish, unknown_words) = finish_of_whole(finish.unwrap_or_default())?;
        Ok(Self {
            session: metadata::session_in(value).map(|(_, id)| id),
            text: message.map(said).unwrap_or_default(),
            finish,
            usage: metadata::usage_in(value),
            unknown_words,
            has_acted: false,
        })
    }
}

/// Why a reply ended that is there as a whole.
fn finish_of_whole(word: &str) -> Result<(FinishReason, UnknownWords), Failure> {
    let meaning = FinishWord::of(word);
    let mut unknown = UnknownWords::default();
    if meaning == FinishWord::Unknown {
        unknown.note(word);
    }
    Ok((meaning.of_whole()?, unknown))
}

/// The text of a message: a string, an object with `content`, or an array of parts.
pub(super) fn said(message: &Value) -> String {
    match message {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(said).collect(),
        Value::Object(fields) => {
            let inner = fields.get("content").or_else(|| fields.get("text"));
            inner.map(said).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Whether a choice is the first one, the only one that Chipp is asked for.
pub(super) fn is_first(choice: &Value) -> bool {
    choice.get("index").is_none_or(|index| index.as_u64().unwrap_or(0) == 0)
}

/// The documented reply, borrowed from the body.
#[derive(Deserialize)]
struct Ordinary<'a> {
    #[serde(rename = "chatSessionId", borrow)]
    session: Cow<'a, str>,
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    usage: Option<Counts>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl<'a> Ordinary<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let reply: Self = serde_json::from_slice(body).ok()?;
        reply.error.is_none().then_some(reply)
    }

    fn into_reply(self) -> Result<Reply, Failure> {
        let [choice] = self.choices;
        let word = choice.finish_reason.as_ref().map_or("", |Text(word)| word);
        let (finish, unknown_words) = finish_of_whole(word)?;
        Ok(Reply {
            session: ChatSessionId::parse(&self.session),
            finish,
            unknown_words,
            has_acted: false,
            text: choice.message.content.into_owned(),
            usage: self.usage.and_then(|counts| {
                metadata::known(Usage {
                    prompt_tokens: counts.prompt_tokens,
                    completion_tokens: counts.completion_tokens,
                })
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chipp::{ApiError, ErrorKind};

    fn parse(body: &str) -> Reply {
        Reply::parse(body.as_bytes()).unwrap_or_else(|failure| panic!("{failure:?}: {body}"))
    }

    fn session(reply: &Reply) -> Option<&str> {
        reply.session.as_ref().map(ChatSessionId::as_str)
    }

    const DOCUMENTED: &str = r#"{"chatSessionId":"s-1","id":"chatcmpl-1","object":"chat.completion","created":1,
        "model":"myapp-123","choices":[{"index":0,"message":{"role":"assistant","content":"Hi \"you\" 😀"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

    #[test]
    fn the_documented_reply() {
        assert!(Ordinary::parse(DOCUMENTED.as_bytes()).is_some(), "the fast way");
        let reply = parse(DOCUMENTED);
        assert_eq!(session(&reply), Some("s-1"));
        assert_eq!(reply.text, "Hi \"you\" 😀");
        assert_eq!(reply.finish, FinishReason::Stop);
        let usage = reply.usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(1), Some(2)));
    }

    #[test]
    fn both_ways_read_the_same() {
        let value = serde_json::from_str(DOCUMENTED).unwrap();
        assert_eq!(Reply::of_value(&value), Reply::parse(DOCUMENTED.as_bytes()));
    }

    #[test]
    fn text_in_every_place() {
        for (body, text) in [
            (r#"{"chatSessionId":"s","choices":[{"message":{"content":"a"}}]}"#, "a"),
            (r#"{"choices":[{"message":{"role":"assistant","content":"a"}}]}"#, "a"),
            (r#"{"chatSessionId":"s","choices":[{"message":{"content":""}}]}"#, ""),
            (r#"{"chatSessionId":"s","choices":[{"message":{"content":null}}]}"#, ""),
            (r#"{"choices":[{"message":null}]}"#, ""),
            (r#"{"choices":[]}"#, ""),
            (
                r#"{"choices":[{"index":1,"message":{"content":"b"}},{"index":0,"message":{"content":"a"}}]}"#,
                "a",
            ),
            (
                r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"image"},"b"]}}]}"#,
                "ab",
            ),
            (r#"{"choices":[{"text":"a"}]}"#, "a"),
            (r#"{"message":"a"}"#, "a"),
            (r#"{"message":{"role":"assistant","content":"a"}}"#, "a"),
            (r#"{"message":null,"response":"a","chatSessionId":"s"}"#, "a"),
            ("\u{feff}\r\n {\"response\":\"a\"}\n", "a"),
            (r#"{"choices":[{"message":{"content":"a\ud83d"}}]}"#, "a\u{fffd}"),
        ] {
            assert_eq!(parse(body).text, text, "{body}");
        }
    }

    #[test]
    fn sessions_and_what_is_none() {
        for (body, id) in [
            (r#"{"sessionId":"s","message":""}"#, Some("s")),
            (r#"{"metadata":{"chatSessionId":"s"},"message":""}"#, Some("s")),
            (r#"{"chatSessionId":null,"message":""}"#, None),
            (r#"{"chatSessionId":"","choices":[{"message":{"content":""}}]}"#, None),
            (r#"{"persistedMessageId":"m","metadata":{"persistedMessageId":"m"},"message":""}"#, None),
        ] {
            assert_eq!(session(&parse(body)), id, "{body}");
        }
    }

    #[test]
    fn unimportant_fields_may_be_anything() {
        let reply = parse(
            r#"{"chatSessionId":"s","id":7,"object":null,"created":"now","model":[],"choices":[{"index":"x",
            "message":{"role":1,"content":"a","annotations":{}},"finish_reason":3}],"usage":"much","error":null}"#,
        );
        assert_eq!((reply.text.as_str(), reply.usage), ("a", None));
        let reply = parse(
            r#"{"chatSessionId":"s","choices":[{"message":{"content":"a"},"finish_reason":null}],
            "usage":{"prompt_tokens":5,"completion_tokens":null,"total_tokens":5}}"#,
        );
        let usage = reply.usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(5), None));
    }

    #[test]
    fn reasons() {
        for (word, finish) in [
            ("stop", FinishReason::Stop),
            ("tool-calls", FinishReason::Stop),
            ("end_turn", FinishReason::Stop),
            ("wibble", FinishReason::Stop),
            ("MAX_TOKENS", FinishReason::Length),
            ("length", FinishReason::Length),
            ("content_filter", FinishReason::ContentFilter),
            ("content-filter", FinishReason::ContentFilter),
        ] {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"a"}},"finish_reason":"{word}"}}]}}"#);
            assert_eq!(parse(&body).finish, finish, "{word}");
        }
    }

    #[test]
    fn failures() {
        let api = |kind| Failure::Api(ApiError { kind, message: None });
        let (truncated, _) = DOCUMENTED.split_at(DOCUMENTED.len() - 1);
        for (body, expected) in [
            ("", Failure::Empty),
            (" \r\n", Failure::Empty),
            ("<!doctype html>", Failure::Html),
            ("\u{feff}\n<html>", Failure::Html),
            ("hello", Failure::Malformed),
            ("\"hello\"", Failure::Malformed),
            ("{}", Failure::Malformed),
            (r#"{"chatSessionId":"s"}"#, Failure::Malformed),
            (truncated, Failure::Malformed),
            (r#"{"error":"Invalid API key"}"#, api(ErrorKind::InvalidKey)),
            (
                r#"{"chatSessionId":"s","choices":[{"message":{"content":"a"}}],"error":"out of credits"}"#,
                api(ErrorKind::QuotaExhausted),
            ),
            (
                r#"{"chatSessionId":"s","choices":[{"message":{"content":""},"finish_reason":"error"}]}"#,
                Failure::Interrupted,
            ),
            (
                r#"{"chatSessionId":"s","choices":[{"message":{"content":""},"finish_reason":"human_takeover"}]}"#,
                Failure::Takeover,
            ),
        ] {
            let failure = match Reply::parse(body.as_bytes()).unwrap_err() {
                Failure::Api(error) => api(error.kind),
                failure => failure,
            };
            assert_eq!(failure, expected, "{body}");
        }
    }
}
