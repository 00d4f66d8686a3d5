//! OpenAI's chat request to Chipp's messages.

use std::borrow::Cow;

use crate::catalog::{Route, Tools};
use crate::chipp;
use crate::openai::Error;
use crate::openai::chat::{ChatRequest, Message, ResponseFormat, Role};
use crate::translate::content;

/// What becomes of parameters without effect: `parameters` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Valid OpenAI parameters without effect here.
    pub unsupported: OnParameter,
    /// Fields that OpenAI does not know.
    pub unknown: OnParameter,
}

impl Parameters {
    /// What becomes of fields that OpenAI does not know: their names, for `x-chipp-ignored-params`.
    ///
    /// # Errors
    /// 400 for the first of them, if they are to be refused.
    pub fn unknown(self, fields: &[Cow<'_, str>]) -> Result<String, Error> {
        match (self.unknown, fields.first()) {
            (OnParameter::Reject, Some(field)) => Err(Error::unknown_parameter(field)),
            _ => Ok(fields.join(",")),
        }
    }
}

/// What to do with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnParameter {
    /// Go on, and name it in `x-chipp-ignored-params`.
    Ignore,
    /// 400.
    Reject,
}

/// The history as Chipp is to have it: one message for each of the client's, in order.
///
/// # Errors
/// 400 for what Chipp has no place for, naming the place.
pub fn messages<'a>(history: Vec<Message<'a>>, route: &Route) -> Result<Vec<chipp::Message<'a>>, Error> {
    let translated = history.into_iter().enumerate().map(|(index, message)| {
        let role = match message.role {
            Role::System | Role::Developer => chipp::Role::System,
            Role::User | Role::Tool | Role::Function => chipp::Role::User,
            Role::Assistant => chipp::Role::Assistant,
        };
        Ok(chipp::Message { role, content: content::text(message, index, route.images)? })
    });
    translated.collect()
}

/// Refuses what would change the meaning of the answer and cannot be done; names the rest that has no effect.
///
/// The names are for `x-chipp-ignored-params`.
///
/// # Errors
/// 400 `unsupported_parameter` or `unknown_parameter`, naming the field.
pub fn parameters<'a>(
    request: &ChatRequest<'a>,
    route: &Route,
    settings: Parameters,
) -> Result<Vec<std::borrow::Cow<'a, str>>, Error> {
    let mut ignored = Vec::new();
    if request.response_format != ResponseFormat::Text {
        return Err(Error::unsupported_parameter("response_format", "Only the type 'text' is supported."));
    }
    if request.logprobs {
        return Err(Error::unsupported_parameter("logprobs", "Chipp gives no log probabilities."));
    }
    if let Some(field) = request.audio {
        return Err(Error::unsupported_parameter(field, "Chipp gives no audio."));
    }
    if let Some(field) = request.callable_tools {
        match route.tools {
            Tools::Reject => {
                return Err(Error::unsupported_parameter(
                    field,
                    "This model calls no tools; use tool_choice 'none'.",
                ));
            }
            Tools::Ignore => ignored.push(field.into()),
        }
    }
    if let (OnParameter::Reject, Some(field)) = (settings.unsupported, request.ignored.first()) {
        return Err(Error::unsupported_parameter(field, "It has no effect with this model."));
    }
    if let (OnParameter::Reject, Some(field)) = (settings.unknown, request.unknown.first()) {
        return Err(Error::unknown_parameter(field));
    }
    ignored.extend(request.ignored.iter().map(|field| (*field).into()));
    ignored.extend(request.unknown.iter().cloned());
    Ok(ignored)
}
