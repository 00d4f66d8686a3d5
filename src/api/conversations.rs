//! `/v1/conversations` and what is below.

use std::time::Instant;

use actix_web::HttpResponse;

use crate::api::kept::{self, Body};
use crate::api::route::OfConversation;
use crate::archive::{Conversation, Head, Item, Removed};
use crate::ids::ConversationId;
use crate::openai::Error;
use crate::openai::conversation::{self, Asked, NewItem, Purpose};
use crate::openai::page::{Page, list_json};
use crate::proxy::{Caller, Exchange, Worker};

/// `POST /v1/conversations`
pub(super) async fn create(
    worker: &Worker,
    caller: &Caller,
    mut exchange: Exchange,
    mut body: Body<'_>,
) -> HttpResponse {
    let created = async {
        let bytes = body.read(worker).await?;
        let asked = parse(worker, &mut exchange, &bytes, Purpose::Create)?;
        let head = Head { created_at: kept::unix_now(), metadata: asked.metadata };
        let new = Conversation { id: ConversationId::mint(), head, items: stored(asked.items) };
        let answer = to_json(&new.id, &new.head);
        let created = worker.shared.archive.create(caller.owner(), new, Instant::now()).await;
        created.map_err(kept::failed).map(|()| answer)
    };
    let created = created.await;
    kept::answer(exchange, created)
}

/// Below `/v1/conversations/{id}`
pub(super) async fn serve(
    worker: &Worker,
    caller: &Caller,
    mut exchange: Exchange,
    body: Body<'_>,
    id: &str,
    what: OfConversation<'_>,
) -> HttpResponse {
    let Some(known) = ConversationId::parse(id) else {
        return kept::answer(exchange, Err(Error::conversation_not_found(id)));
    };
    let at = Place { worker, caller, id: &known };
    let answer = match what {
        OfConversation::Read => at.find().await.map(|found| to_json(&known, &found.head)),
        OfConversation::Update => at.update(&mut exchange, body).await,
        OfConversation::Delete => at.delete().await,
        OfConversation::AddItems => at.add_items(&mut exchange, body).await,
        OfConversation::ListItems => at.list_items(body.request.query_string()).await,
        OfConversation::ReadItem(item) => at.read_item(&item).await,
        OfConversation::DeleteItem(item) => at.delete_item(&item).await,
    };
    kept::answer(exchange, answer)
}

/// One conversation, and who asks for it.
struct Place<'a> {
    worker: &'a Worker,
    caller: &'a Caller,
    id: &'a ConversationId,
}

impl Place<'_> {
    async fn update(&self, exchange: &mut Exchange, mut body: Body<'_>) -> Result<Vec<u8>, Error> {
        let bytes = body.read(self.worker).await?;
        let asked = parse(self.worker, exchange, &bytes, Purpose::Update)?;
        let archive = &self.worker.shared.archive;
        let changed = archive.describe(self.caller.owner(), self.id, &asked.metadata, Instant::now()).await;
        let head = changed.map_err(kept::failed)?;
        Ok(to_json(self.id, &head.ok_or_else(|| self.not_found())?))
    }

    async fn delete(&self) -> Result<Vec<u8>, Error> {
        let deleted = self.worker.shared.archive.delete(self.caller.owner(), self.id, Instant::now()).await;
        if deleted.map_err(kept::failed)? {
            Ok(conversation::deleted_json(self.id.as_str()))
        } else {
            Err(self.not_found())
        }
    }

    async fn add_items(&self, exchange: &mut Exchange, mut body: Body<'_>) -> Result<Vec<u8>, Error> {
        let bytes = body.read(self.worker).await?;
        let items = stored(parse(self.worker, exchange, &bytes, Purpose::AddItems)?.items);
        let archive = &self.worker.shared.archive;
        let appended = archive.append(self.caller.owner(), self.id, &items, Instant::now()).await;
        appended.map_err(kept::failed)?.ok_or_else(|| self.not_found())?;
        let added: Vec<_> = items.iter().map(|item| (item.id(), item.json())).collect();
        Ok(list_json(&added, false))
    }

    async fn list_items(&self, query: &str) -> Result<Vec<u8>, Error> {
        let page = Page::of(query)?;
        let found = self.find().await?;
        page.list_json(found.items.iter().map(|item| (item.id(), item.json())).collect())
    }

    async fn read_item(&self, item: &str) -> Result<Vec<u8>, Error> {
        let found = self.find().await?;
        let found = found.items.iter().find(|other| other.id() == item);
        Ok(found.ok_or_else(|| Error::item_not_found(item))?.json().into())
    }

    async fn delete_item(&self, item: &str) -> Result<Vec<u8>, Error> {
        let archive = &self.worker.shared.archive;
        let removed = archive.remove_item(self.caller.owner(), self.id, item, Instant::now()).await;
        match removed.map_err(kept::failed)? {
            Removed::Gone(head) => Ok(to_json(self.id, &head)),
            Removed::NoItem => Err(Error::item_not_found(item)),
            Removed::NoConversation => Err(self.not_found()),
        }
    }

    async fn find(&self) -> Result<Conversation, Error> {
        let archive = &self.worker.shared.archive;
        let found = archive.conversation(self.caller.owner(), self.id, Instant::now()).await;
        found.map_err(kept::failed)?.ok_or_else(|| self.not_found())
    }

    fn not_found(&self) -> Error {
        Error::conversation_not_found(self.id.as_str())
    }
}

fn to_json(id: &ConversationId, head: &Head) -> Vec<u8> {
    conversation::to_json(id.as_str(), head.created_at, &head.metadata)
}

/// Reads a body; fields that OpenAI does not know are refused, or named in the answer's head.
fn parse<'a>(
    worker: &Worker,
    exchange: &mut Exchange,
    body: &'a [u8],
    purpose: Purpose,
) -> Result<Asked<'a>, Error> {
    let asked = Asked::parse(body, purpose)?;
    exchange.ignored = worker.snapshot.config.parameters.unknown(&asked.unknown)?;
    Ok(asked)
}

fn stored(items: Vec<NewItem>) -> Vec<Item> {
    items.into_iter().map(|item| Item::new(item.id, item.json)).collect()
}
