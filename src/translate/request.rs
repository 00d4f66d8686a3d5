//! OpenAI's chat request to Chipp's messages.

use std::borrow::Cow;

use crate::catalog::{Route, Tools};
use crate::chipp;
use crate::openai::Error;
use crate::openai::chat::{ChatRequest, Message, Role};
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
    // Which function a result is of, by the id of its call.
    let mut called: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
    let translated = history.into_iter().enumerate().map(|(index, mut message)| {
        called.extend(message.tool_calls.iter().map(|call| (call.id.clone(), call.name.clone())));
        if let Some(id) = &message.tool_call_id {
            let of = called.iter().rev().find(|(known, _)| known == id);
            message.name = of.map(|(_, name)| name.clone()).or(message.name);
        }
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
) -> Result<Vec<Cow<'a, str>>, Error> {
    let mut ignored = Vec::new();
    if request.logprobs {
        return Err(Error::unsupported_parameter("logprobs", "Chipp gives no log probabilities."));
    }
    if let Some(field) = request.audio {
        return Err(Error::unsupported_parameter(field, "Chipp gives no audio."));
    }
    match (&request.offer, route.tools) {
        (None, _) | (Some(_), Tools::Emulate) => {}
        (Some(offer), Tools::Reject) => {
            let instead = "This model calls no tools; use tool_choice 'none'.";
            return Err(Error::unsupported_parameter(offer.field, instead));
        }
        (Some(offer), Tools::Ignore) => ignored.push(offer.field.into()),
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
