//! What the client asks, at whichever of OpenAI's endpoints, as the one request that the rest of this room knows.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::json;
use crate::openai::text_completion::TextRequest;
use crate::proxy::posed::Posed;
use crate::translate::text_completion;

/// A request's body, and the endpoint that it came to. Another attempt reads it again, which costs nothing as long as
/// none is needed.
#[derive(Clone, Debug)]
pub enum Question {
    /// `POST /v1/chat/completions`
    Chat(Bytes),
    /// `POST /v1/completions`
    Text(Bytes),
    /// `POST /v1/responses`
    Response(Arc<Posed>),
}

/// What is asked for one choice.
#[derive(Debug)]
pub struct Asked<'a> {
    /// With all choices in `n`, over all prompts.
    pub request: ChatRequest<'a>,
    /// How many prompts there are; the choices of the first come first.
    pub prompts: u32,
    /// Bytes of a prompt in the mean, where there may be several.
    pub prompt_bytes: Option<usize>,
    /// What stands before the answer in what the client gets.
    pub echo: Cow<'a, str>,
}

impl Question {
    /// The question that a body can be meant as, by the field that only one endpoint has: for who has nothing but the
    /// body, and nothing that it may refer to.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn guess(body: Bytes) -> Result<Self, Error> {
        let fields = json::parse(&body)?;
        let has = |field| fields.get(field).is_some();
        let (is_chat, is_text, is_response) = (has("messages"), has("prompt"), has("input"));
        drop(fields);
        Ok(match (is_chat, is_text, is_response) {
            (false, true, false) => Self::Text(body),
            (false, _, true) => Self::Response(Arc::new(Posed::alone(body)?)),
            _ => Self::Chat(body),
        })
    }

    /// The path of the endpoint, below `/v1`.
    pub fn endpoint(&self) -> &'static str {
        match self {
            Self::Chat(_) => "chat/completions",
            Self::Text(_) => "completions",
            Self::Response(_) => "responses",
        }
    }

    /// An error of what was read, in the words of the endpoint.
    pub fn spelled(&self, error: Error) -> Error {
        match self {
            Self::Chat(_) | Self::Text(_) => error,
            Self::Response(posed) => posed.spelled(error),
        }
    }

    /// Reads the body, and checks it.
    ///
    /// # Errors
    /// A 400 that names the field.
    pub fn read(&self, choice: u32) -> Result<Asked<'_>, Error> {
        match self {
            Self::Chat(body) => {
                let request = ChatRequest::parse(body)?;
                Ok(Asked { request, prompts: 1, prompt_bytes: None, echo: Cow::Borrowed("") })
            }
            Self::Response(posed) => {
                let request = posed.read()?;
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
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Chat(body) | Self::Text(body) => body,
            Self::Response(posed) => posed.body(),
        }
    }

    /// Whether it has a history that can be gone on with.
    pub fn is_conversation(&self) -> bool {
        match self {
            Self::Chat(_) | Self::Response(_) => true,
            Self::Text(_) => false,
        }
    }
}
