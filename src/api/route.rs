//! Which path is what. A table, asked by hand: it must answer wrong paths and methods in OpenAI's words, know the
//! same paths without `/v1`, and take model names with slashes in them.

mod kept;

use std::borrow::Cow;

use actix_web::http::Method;
use percent_encoding::percent_decode_str;

use crate::api::unsupported::{self, Unsupported};

pub(super) use kept::{OfConversation, OfResponse};

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// `POST chat/completions`
    ChatCompletions,
    /// `POST completions`
    Completions,
    /// `POST responses`
    Responses,
    /// `GET models`
    Models,
    /// `GET models/{id}`
    Model(Cow<'a, str>),
    /// Below `responses/{id}`
    OfResponse(Cow<'a, str>, OfResponse),
    /// `POST conversations`
    Conversations,
    /// Below `conversations/{id}`
    OfConversation(Cow<'a, str>, OfConversation<'a>),
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Routed<'a> {
    /// To an endpoint.
    To(Endpoint<'a>),
    /// Nowhere: the path is known, for other methods.
    WrongMethod {
        /// For the header `Allow`.
        allow: &'static str,
    },
    /// Nowhere: OpenAI has it, whatever the method, and Chipp has not.
    Unsupported(&'static Unsupported),
    /// Nowhere.
    Unknown,
}

impl Routed<'_> {
    /// The word in the log.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::To(Endpoint::ChatCompletions) => "chat.completions",
            Self::To(Endpoint::Completions) => "completions",
            Self::To(Endpoint::Models | Endpoint::Model(_)) => "models",
            Self::To(Endpoint::Responses | Endpoint::OfResponse(..)) => "responses",
            Self::To(Endpoint::Conversations | Endpoint::OfConversation(..)) => "conversations",
            Self::Unsupported(_) => "unsupported",
            Self::WrongMethod { .. } | Self::Unknown => "none",
        }
    }
}

/// Finds the endpoint; `path` as it came, percent-encoded.
pub(super) fn route<'a>(method: &Method, path: &'a str) -> Routed<'a> {
    let below = path.strip_prefix("/v1/").or_else(|| path.strip_prefix('/')).unwrap_or(path);
    let below = below.strip_suffix('/').unwrap_or(below);
    let is_read = method == Method::GET || method == Method::HEAD;
    match below {
        "chat/completions" if method == Method::POST => Routed::To(Endpoint::ChatCompletions),
        "completions" if method == Method::POST => Routed::To(Endpoint::Completions),
        "responses" if method == Method::POST => Routed::To(Endpoint::Responses),
        "chat/completions" | "completions" | "responses" => Routed::WrongMethod { allow: "POST" },
        "models" if is_read => Routed::To(Endpoint::Models),
        "models" => Routed::WrongMethod { allow: "GET, HEAD" },
        _ => match below.strip_prefix("models/") {
            Some(name) if is_read => {
                Routed::To(Endpoint::Model(percent_decode_str(name).decode_utf8_lossy()))
            }
            Some(_) => Routed::WrongMethod { allow: "GET, HEAD" },
            None => match unsupported::find(below) {
                Some(entry) => Routed::Unsupported(entry),
                None => kept::route(method, below),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_and_without_v1() {
        for path in ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"] {
            assert_eq!(route(&Method::POST, path), Routed::To(Endpoint::ChatCompletions), "{path}");
        }
        assert_eq!(route(&Method::POST, "/v1/completions"), Routed::To(Endpoint::Completions));
        assert_eq!(route(&Method::GET, "/v1/models"), Routed::To(Endpoint::Models));
        assert_eq!(route(&Method::HEAD, "/models"), Routed::To(Endpoint::Models));
    }

    #[test]
    fn model_names_may_have_anything_in_them() {
        for (path, name) in [
            ("/v1/models/gpt-4o", "gpt-4o"),
            ("/v1/models/meta/llama-3.1:8b", "meta/llama-3.1:8b"),
            ("/v1/models/meta%2Fllama", "meta/llama"),
            ("/models/%E4%BD%A0", "你"),
        ] {
            assert_eq!(route(&Method::GET, path), Routed::To(Endpoint::Model(name.into())), "{path}");
        }
    }

    #[test]
    fn wrong_methods_and_unknown_paths() {
        assert_eq!(route(&Method::GET, "/v1/chat/completions"), Routed::WrongMethod { allow: "POST" });
        assert_eq!(route(&Method::DELETE, "/v1/models/x"), Routed::WrongMethod { allow: "GET, HEAD" });
        for path in ["/", "/v1", "/v1/", "/v1/foo", "/v2/models", "/v1/v1/models", "*"] {
            assert_eq!(route(&Method::GET, path), Routed::Unknown, "{path}");
        }
    }
}
