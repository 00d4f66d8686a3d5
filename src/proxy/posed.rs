//! What a request to `/v1/responses` refers to, looked up before it is asked; and what is kept of it when it is answered.

use std::time::Instant;

use bytes::Bytes;

use crate::archive::{Archive, Failed, Item, Owner, Record};
use crate::ids::{ConversationId, ItemId, ResponseId};
use crate::openai::Error;
use crate::openai::chat::ChatRequest;
use crate::openai::responses::{Draft, Given, ResponseRequest, Whole};
use crate::proxy::writer::unix_seconds;
use crate::proxy::{Caller, Worker, error};
use crate::translate;

/// A request, with all that it refers to.
#[derive(Debug)]
pub struct Posed {
    body: Bytes,
    /// What was said before.
    before: Vec<Item>,
    /// What it adds.
    input: Vec<Item>,
    /// The answer, but for what it says.
    pub(super) draft: Draft,
    owner: Owner,
    /// Whether the response is kept.
    store: bool,
    /// The conversation that it belongs to.
    conversation: Option<ConversationId>,
}

impl Posed {
    /// Reads a body, and looks up what it refers to: nothing of another caller's is found.
    ///
    /// # Errors
    /// 400 that names the field; 404 for what is not there; 503 while the store is away.
    pub async fn of(worker: &Worker, caller: &Caller, body: Bytes) -> Result<Self, Error> {
        let request = ResponseRequest::parse(&body)?;
        let archive = &worker.shared.archive;
        let (owner, now) = (caller.owner(), Instant::now());
        let conversation = request
            .conversation
            .as_deref()
            .map(|id| ConversationId::parse(id).ok_or_else(|| Error::conversation_not_found(id)));
        let conversation = conversation.transpose()?;
        let before = match (&request.previous, &conversation) {
            (Some(id), _) => previous(archive, owner, id, now).await?,
            (None, Some(id)) => {
                let found = archive.conversation(owner, id, now).await.map_err(error::unkept)?;
                found.ok_or_else(|| Error::conversation_not_found(id.as_str()))?.items
            }
            (None, None) => Vec::new(),
        };
        let mut input = Vec::with_capacity(request.input.len());
        for given in request.input {
            input.push(match given {
                Given::Item(item) => Item::new(item.id, item.json),
                Given::Reference(id, _) => referred(archive, owner, &id, &before, now).await?,
            });
        }
        let draft = Draft {
            id: ResponseId::mint(),
            created_at: unix_seconds(),
            model: request.model.into_owned(),
            echo: request.echo,
        };
        let store = request.store;
        Ok(Self { body, before, input, draft, owner, store, conversation })
    }

    /// Reads a body without looking anything up: what it refers to is left out.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn alone(body: Bytes) -> Result<Self, Error> {
        let request = ResponseRequest::parse(&body)?;
        let items = request.input.into_iter().filter_map(|given| match given {
            Given::Item(item) => Some(Item::new(item.id, item.json)),
            Given::Reference(..) => None,
        });
        let draft = Draft {
            id: ResponseId::mint(),
            created_at: 0,
            model: request.model.into_owned(),
            echo: request.echo,
        };
        let (input, owner) = (items.collect(), Owner::of("nobody", b""));
        Ok(Self { body, before: Vec::new(), input, draft, owner, store: false, conversation: None })
    }

    /// As the chat that it is.
    pub(super) fn read(&self) -> Result<ChatRequest<'_>, Error> {
        let request = ResponseRequest::parse(&self.body)?;
        translate::responses::chat(request, json(&self.before), json(&self.input))
    }

    /// What the client sent.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// An error of that chat, in the words of this endpoint.
    pub(super) fn spelled(&self, error: Error) -> Error {
        let has_instructions =
            ResponseRequest::parse(&self.body).is_ok_and(|request| request.instructions.is_some());
        translate::responses::spelled(error, has_instructions, json(&self.before), json(&self.input))
    }

    /// Keeps the answer, so that whoever is told of it can go on from it. A response that cannot be kept is one that
    /// nobody can go on from; but a conversation must not lack what was said in it.
    pub(super) async fn keep(&self, archive: &Archive, whole: &Whole) -> Result<(), Error> {
        let now = Instant::now();
        let output: Vec<Item> = whole.output.iter().map(|(id, json)| kept(id, json)).collect();
        if let Some(id) = &self.conversation {
            let said: Vec<Item> = self.input.iter().chain(&output).cloned().collect();
            let appended = archive.append(self.owner, id, &said, now).await.map_err(error::unkept)?;
            appended.ok_or_else(|| Error::conversation_not_found(id.as_str()))?;
        }
        if self.store {
            let record = Record {
                id: self.draft.id.clone(),
                response: whole.json.clone(),
                past: self.before.clone(),
                input: self.input.clone(),
                output,
            };
            match archive.keep(self.owner, record, now).await {
                Ok(()) => {}
                Err(Failed::TooLarge) => tracing::warn!("a response is too large to be kept"),
                Err(Failed::Unavailable) => tracing::warn!("a response is not kept: the store is away"),
            }
        }
        Ok(())
    }
}

/// All that was said up to a response.
async fn previous(archive: &Archive, owner: Owner, id: &str, now: Instant) -> Result<Vec<Item>, Error> {
    let found = match ResponseId::parse(id) {
        Some(known) => archive.record(owner, &known, now).await.map_err(error::unkept)?,
        None => None,
    };
    let record = found.ok_or_else(|| Error::previous_response_not_found(id))?;
    Ok(record.items().cloned().collect())
}

/// An item that was said before: here, or in another response.
async fn referred(
    archive: &Archive,
    owner: Owner,
    id: &str,
    before: &[Item],
    now: Instant,
) -> Result<Item, Error> {
    let not_found = || Error::item_not_found(id).at("input");
    if let Some(item) = before.iter().find(|item| item.id() == id) {
        return Ok(item.clone());
    }
    let response = ItemId::response_of(id).ok_or_else(not_found)?;
    let record = archive.record(owner, &response, now).await.map_err(error::unkept)?;
    let record = record.ok_or_else(not_found)?;
    record.items().find(|item| item.id() == id).cloned().ok_or_else(not_found)
}

fn json(items: &[Item]) -> impl Iterator<Item = &str> {
    items.iter().map(Item::json)
}

/// An item of an output in the form in which items are kept: calls of custom tools have a status there.
fn kept(id: &str, json: &str) -> Item {
    const CUSTOM: &str = r#""type":"custom_tool_call","#;
    Item::new(id, json.replacen(CUSTOM, r#""type":"custom_tool_call","status":"completed","#, 1))
}
