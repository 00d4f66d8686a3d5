//! A message's content and calls as the plain text that Chipp takes.

use std::borrow::Cow;

use percent_encoding::utf8_percent_encode;

use crate::catalog::Images;
use crate::openai::Error;
use crate::openai::chat::{Content, Message, Part, Role};
use crate::translate::tools;

/// The text of message number `index`: parts joined, images by the alias's setting, calls and results written out.
///
/// # Errors
/// 400 for a part that cannot be put into text: audio, files, images where the alias refuses them.
pub fn text(message: Message<'_>, index: usize, images: Images) -> Result<Cow<'_, str>, Error> {
    let spoken = match message.content {
        Content::Text(text) => text,
        Content::None => message.refusal.unwrap_or_default(),
        Content::Parts(parts) => join(parts, index, images)?,
    };
    Ok(match message.role {
        Role::Assistant if !message.tool_calls.is_empty() => {
            Cow::Owned(tools::written(&spoken, &message.tool_calls).into_owned())
        }
        Role::Tool | Role::Function => {
            let of = message.name.or(message.tool_call_id);
            tools::result(of.as_deref().unwrap_or_default(), &spoken).into()
        }
        _ => spoken,
    })
}

/// Text parts follow each other as they are (a client that splits a text means the same text); an image stands on a
/// line of its own.
fn join<'a>(parts: Vec<Part<'a>>, index: usize, images: Images) -> Result<Cow<'a, str>, Error> {
    let mut joined: Cow<'a, str> = Cow::Borrowed("");
    for (position, part) in parts.into_iter().enumerate() {
        let refuse = |what: &str, field: &str| {
            let path = format!("messages[{index}].content[{position}].{field}");
            Err(Error::unsupported_value(&path, what, "Send text instead."))
        };
        match part {
            Part::Text(text) | Part::Refusal(text) if joined.is_empty() => joined = text,
            Part::Text(text) | Part::Refusal(text) => joined.to_mut().push_str(&text),
            Part::ImageUrl(url) => match images {
                Images::Reject => return refuse("images", "type"),
                Images::Text if url.starts_with("data:") => {
                    return refuse("images that are part of the request", "image_url.url");
                }
                Images::Text => {
                    let text = joined.to_mut();
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push('\n');
                    }
                    push_picture(text, &url);
                    text.push('\n');
                }
            },
            Part::InputAudio => return refuse("audio", "type"),
            Part::File => return refuse("files", "type"),
        }
    }
    Ok(joined)
}

/// Writes an image in the one form that Chipp makes a picture for the app's model: with an EMPTY alternative text. A
/// bare URL would be only text. Characters that could end the form early are percent-encoded.
fn push_picture(text: &mut String, url: &str) {
    text.push_str("![](");
    let mut rest = url;
    while let Some(at) = rest.find(ends_picture) {
        let (before, from) = rest.split_at(at);
        let (letter, after) = from.split_at(from.chars().next().map_or(0, char::len_utf8));
        text.push_str(before);
        text.extend(utf8_percent_encode(letter, percent_encoding::NON_ALPHANUMERIC));
        rest = after;
    }
    text.push_str(rest);
    text.push(')');
}

/// A backslash before the closing parenthesis would take its meaning away.
fn ends_picture(letter: char) -> bool {
    matches!(letter, '(' | ')' | '<' | '>' | '\\') || letter.is_whitespace() || letter.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::chat::{CalledKind, ToolCall};

    fn message(role: Role, content: Content<'_>) -> Message<'_> {
        Message { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, refusal: None }
    }

    #[test]
    fn parts_mean_the_same_as_a_string() {
        let parts = vec![Part::Text("Hel".into()), Part::Text("lo".into())];
        let text = text(message(Role::User, Content::Parts(parts)), 0, Images::Text).unwrap();
        assert_eq!(text, "Hello");
    }

    #[test]
    fn an_image_stands_on_its_own_line() {
        let url = "https://example.com/cat.png";
        let parts = vec![Part::Text("What?".into()), Part::ImageUrl(url.into()), Part::Text("And?".into())];
        let message = message(Role::User, Content::Parts(parts));
        assert_eq!(
            text(message.clone(), 0, Images::Text).unwrap(),
            "What?\n![](https://example.com/cat.png)\nAnd?"
        );
        let error = text(message, 3, Images::Reject).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[3].content[1].type"));
    }

    #[test]
    fn nothing_in_an_address_ends_the_picture_early() {
        for (url, written) in [
            ("https://example.com/a?b=1&c=[2]#d%20e", "https://example.com/a?b=1&c=[2]#d%20e"),
            ("https://example.com/katze-ä.png", "https://example.com/katze-ä.png"),
            ("https://e.com/a (1).png", "https://e.com/a%20%281%29.png"),
            ("https://e.com/)\n![](x", "https://e.com/%29%0A![]%28x"),
            ("https://e.com/<a>\u{a0}\u{7f}\u{85}\t\\", "https://e.com/%3Ca%3E%C2%A0%7F%C2%85%09%5C"),
            ("", ""),
        ] {
            let parts = Content::Parts(vec![Part::ImageUrl(url.into())]);
            let text = text(message(Role::User, parts), 0, Images::Text).unwrap();
            assert_eq!(text, format!("![]({written})\n"), "{url:?}");
        }
    }

    #[test]
    fn an_image_without_an_address_is_refused() {
        let parts = vec![Part::ImageUrl("data:image/png;base64,AAAA".into())];
        let error = text(message(Role::User, Content::Parts(parts)), 0, Images::Text).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("unsupported_value")));
    }

    #[test]
    fn audio_and_files_are_refused() {
        for part in [Part::InputAudio, Part::File] {
            let error = text(message(Role::User, Content::Parts(vec![part])), 0, Images::Text).unwrap_err();
            assert_eq!(error.status, 400);
        }
    }

    #[test]
    fn calls_and_results_become_text_whatever_their_spelling() {
        let call = |arguments: &'static str| Message {
            tool_calls: vec![ToolCall {
                kind: CalledKind::Function,
                id: "call_1".into(),
                name: "weather".into(),
                arguments: arguments.into(),
            }],
            ..message(Role::Assistant, Content::None)
        };
        let spaced = text(call(r#"{ "b": 1, "a": 2 }"#), 0, Images::Text).unwrap();
        assert_eq!(spaced, text(call(r#"{"a":2,"b":1}"#), 0, Images::Text).unwrap());
        assert_eq!(spaced, r#"{"tool_calls":[{"name":"weather","arguments":{"a":2,"b":1}}]}"#);
        let result = Message {
            tool_call_id: Some("call_1".into()),
            ..message(Role::Tool, Content::Text("sunny".into()))
        };
        assert_eq!(text(result, 0, Images::Text).unwrap(), "[result of call_1]\nsunny");
    }
}
