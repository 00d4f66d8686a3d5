//! What the client asks, at whichever of OpenAI's endpoints, as the one request that the rest of this room knows.

use std::borrow::Cow;

use bytes::Bytes;

use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::text_completion::TextRequest;
use crate::translate::text_completion;

/// A request's body, and the endpoint that it came to. Another attempt reads it again, which costs nothing as long as
/// none is needed.
#[derive(Clone, Debug)]
pub enum Question {
    /// `POST /v1/chat/completions`
    Chat(Bytes),
    /// `POST /v1/completions`
    Text(Bytes),
}

/// What is asked for one choice.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// With all choices in `n`, over all prompts.
    pub(super) request: ChatRequest<'a>,
    /// How many prompts there are; the choices of the first come first.
    pub(super) prompts: u32,
    /// Bytes of a prompt in the mean, where there may be several.
    pub(super) prompt_bytes: Option<usize>,
    /// What stands before the answer in what the client gets.
    pub(super) echo: Cow<'a, str>,
}

impl Question {
    /// Reads the body, and checks it.
    ///
    /// # Errors
    /// A 400 that names the field.
    pub(super) fn read(&self, choice: u32) -> Result<Asked<'_>, Error> {
        match self {
            Self::Chat(body) => {
                let request = ChatRequest::parse(body)?;
                Ok(Asked { request, prompts: 1, prompt_bytes: None, echo: Cow::Borrowed("") })
            }
            Self::Text(body) => {
                let prompts = text_completion::prompts(TextRequest::parse(body)?)?;
                Ok(Asked {
                    prompts: prompts.count(),
                    prompt_bytes: Some(prompts.mean_bytes()),
                    echo: prompts.echo(choice),
                    request: prompts.of_choice(choice),
                })
            }
        }
    }

    /// What the client sent.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Chat(body) | Self::Text(body) => body,
        }
    }

    /// Whether it has a history that can be gone on with.
    pub(super) fn is_conversation(&self) -> bool {
        match self {
            Self::Chat(_) => true,
            Self::Text(_) => false,
        }
    }
}
