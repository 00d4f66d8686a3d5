//! The paths of what is kept: responses and conversations.

use std::borrow::Cow;

use actix_web::http::Method;
use percent_encoding::percent_decode_str;

use crate::api::route::{Endpoint, Routed};

/// What can be asked of a response that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum OfResponse {
    /// `GET responses/{id}`
    Read,
    /// `DELETE responses/{id}`
    Delete,
    /// `GET responses/{id}/input_items`
    InputItems,
    /// `POST responses/{id}/cancel`
    Cancel,
}

/// What can be asked of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum OfConversation<'a> {
    /// `GET conversations/{id}`
    Read,
    /// `POST conversations/{id}`
    Update,
    /// `DELETE conversations/{id}`
    Delete,
    /// `POST conversations/{id}/items`
    AddItems,
    /// `GET conversations/{id}/items`
    ListItems,
    /// `GET conversations/{id}/items/{item}`
    ReadItem(Cow<'a, str>),
    /// `DELETE conversations/{id}/items/{item}`
    DeleteItem(Cow<'a, str>),
}

/// Finds the endpoint; `below`: the path below `/v1`.
pub(super) fn route<'a>(method: &Method, below: &'a str) -> Routed<'a> {
    let mut pieces = below.split('/');
    let (kind, path) = (pieces.next(), pieces.map(decode).collect::<Vec<_>>());
    match kind {
        Some("responses") => response(method, path),
        Some("conversations") => conversation(method, path),
        _ => Routed::Unknown,
    }
}

fn response<'a>(method: &Method, path: Vec<Cow<'a, str>>) -> Routed<'a> {
    let mut pieces = path.into_iter();
    let Some(id) = pieces.next().filter(|id| !id.is_empty()) else { return Routed::Unknown };
    let to = |what| Routed::To(Endpoint::OfResponse(id, what));
    match (pieces.next().as_deref(), pieces.next()) {
        (None, _) if is_read(method) => to(OfResponse::Read),
        (None, _) if method == Method::DELETE => to(OfResponse::Delete),
        (None, _) => Routed::WrongMethod { allow: "GET, HEAD, DELETE" },
        (Some("input_items"), None) if is_read(method) => to(OfResponse::InputItems),
        (Some("input_items"), None) => Routed::WrongMethod { allow: "GET, HEAD" },
        (Some("cancel"), None) if method == Method::POST => to(OfResponse::Cancel),
        (Some("cancel"), None) => Routed::WrongMethod { allow: "POST" },
        _ => Routed::Unknown,
    }
}

fn conversation<'a>(method: &Method, path: Vec<Cow<'a, str>>) -> Routed<'a> {
    let mut pieces = path.into_iter();
    let Some(id) = pieces.next() else {
        let is_create = method == Method::POST;
        return if is_create {
            Routed::To(Endpoint::Conversations)
        } else {
            Routed::WrongMethod { allow: "POST" }
        };
    };
    if id.is_empty() {
        return Routed::Unknown;
    }
    let to = |what| Routed::To(Endpoint::OfConversation(id, what));
    match (pieces.next().as_deref(), pieces.next(), pieces.next()) {
        (None, ..) if is_read(method) => to(OfConversation::Read),
        (None, ..) if method == Method::POST => to(OfConversation::Update),
        (None, ..) if method == Method::DELETE => to(OfConversation::Delete),
        (None, ..) => Routed::WrongMethod { allow: "GET, HEAD, POST, DELETE" },
        (Some("items"), None, _) if is_read(method) => to(OfConversation::ListItems),
        (Some("items"), None, _) if method == Method::POST => to(OfConversation::AddItems),
        (Some("items"), None, _) => Routed::WrongMethod { allow: "GET, HEAD, POST" },
        (Some("items"), Some(item), None) if is_read(method) => to(OfConversation::ReadItem(item)),
        (Some("items"), Some(item), None) if method == Method::DELETE => to(OfConversation::DeleteItem(item)),
        (Some("items"), Some(_), None) => Routed::WrongMethod { allow: "GET, HEAD, DELETE" },
        _ => Routed::Unknown,
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn decode(piece: &str) -> Cow<'_, str> {
    percent_decode_str(piece).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to<'a>(method: &Method, path: &'a str) -> Option<Endpoint<'a>> {
        match super::super::route(method, path) {
            Routed::To(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    #[test]
    fn what_is_kept_has_its_paths() {
        use OfConversation as C;
        let of_response = |what| Some(Endpoint::OfResponse("resp_1".into(), what));
        let of_conversation = |what| Some(Endpoint::OfConversation("conv_1".into(), what));
        let item = || Cow::from("msg_1");
        for (method, path, endpoint) in [
            (Method::GET, "responses/resp_1", of_response(OfResponse::Read)),
            (Method::HEAD, "responses/resp_1/", of_response(OfResponse::Read)),
            (Method::DELETE, "responses/resp%5F1", of_response(OfResponse::Delete)),
            (Method::GET, "responses/resp_1/input_items", of_response(OfResponse::InputItems)),
            (Method::POST, "responses/resp_1/cancel", of_response(OfResponse::Cancel)),
            (Method::POST, "conversations", Some(Endpoint::Conversations)),
            (Method::GET, "conversations/conv_1", of_conversation(C::Read)),
            (Method::POST, "conversations/conv_1", of_conversation(C::Update)),
            (Method::DELETE, "conversations/conv_1", of_conversation(C::Delete)),
            (Method::POST, "conversations/conv_1/items", of_conversation(C::AddItems)),
            (Method::GET, "conversations/conv_1/items/", of_conversation(C::ListItems)),
            (Method::GET, "conversations/conv_1/items/msg_1", of_conversation(C::ReadItem(item()))),
            (Method::DELETE, "conversations/conv_1/items/msg_1", of_conversation(C::DeleteItem(item()))),
            (Method::GET, "responses/resp_1/other", None),
            (Method::GET, "responses/resp_1/input_items/x", None),
            (Method::GET, "responses//input_items", None),
            (Method::GET, "conversations/conv_1/items/msg_1/x", None),
            (Method::GET, "conversations//items", None),
            (Method::GET, "conversationss/conv_1", None),
        ] {
            for start in ["/v1/", "/"] {
                let path = format!("{start}{path}");
                assert_eq!(to(&method, &path), endpoint, "{method} {path}");
            }
        }
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        for (method, path, allowed) in [
            (Method::POST, "/v1/responses/resp_1", "GET, HEAD, DELETE"),
            (Method::POST, "/v1/responses/resp_1/input_items", "GET, HEAD"),
            (Method::GET, "/v1/responses/resp_1/cancel", "POST"),
            (Method::GET, "/v1/conversations", "POST"),
            (Method::PUT, "/v1/conversations/conv_1", "GET, HEAD, POST, DELETE"),
            (Method::DELETE, "/v1/conversations/conv_1/items", "GET, HEAD, POST"),
            (Method::POST, "/v1/conversations/conv_1/items/msg_1", "GET, HEAD, DELETE"),
        ] {
            let routed = super::super::route(&method, path);
            assert_eq!(routed, Routed::WrongMethod { allow: allowed }, "{method} {path}");
        }
    }
}
