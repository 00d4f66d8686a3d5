//! A message's content and calls as the plain text that Chipp takes.

use std::borrow::Cow;

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

/// Text parts follow each other as they are (a client that splits a text means the same text); an image's URL
/// stands on a line of its own, where an app's tools pick it up.
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
                    text.push_str(&url);
                    text.push('\n');
                }
            },
            Part::InputAudio => return refuse("audio", "type"),
            Part::File => return refuse("files", "type"),
        }
    }
    Ok(joined)
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
            "What?\nhttps://example.com/cat.png\nAnd?"
        );
        let error = text(message, 3, Images::Reject).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[3].content[1].type"));
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
