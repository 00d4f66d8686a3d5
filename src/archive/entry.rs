//! What is kept, as values.

use std::fmt;
use std::sync::Arc;

use crate::ids::{ConversationId, ResponseId};

/// What an entry takes beside its texts, about: its key twice, its places in the orders, the allocations.
pub(super) const ENTRY_BYTES: usize = 512;

/// What an item takes beside its texts: two lengths, two counters, the allocations.
pub(super) const ITEM_BYTES: usize = 96;

/// What it takes that an entry has an item that others have, too.
pub(super) const POINTER_BYTES: usize = 8;

/// Whose something is: a digest that stays the same for as long as the credential has its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// The owner that a name stands for; `kind` parts names that are of different kinds.
    pub fn of(kind: &str, name: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("chipp-proxy archive owner");
        hasher.update(kind.as_bytes()).update(&[0]).update(name);
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        Self(digest)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

/// An item of a conversation, as its JSON; cheap to clone, so that the responses of a conversation share their items.
#[derive(Clone, PartialEq, Eq)]
pub struct Item(Arc<Texts>);

#[derive(PartialEq, Eq)]
struct Texts {
    id: Box<str>,
    json: Box<str>,
}

impl Item {
    /// An item with its id, and its JSON in which that stands, too.
    pub fn new(id: impl Into<Box<str>>, json: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Texts { id: id.into(), json: json.into() }))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its JSON.
    pub fn json(&self) -> &str {
        &self.0.json
    }

    /// What its texts take.
    pub(super) fn bytes(&self) -> usize {
        self.0.id.len() + self.0.json.len()
    }

    /// Where its texts are: the same for those that share them.
    pub(super) fn place(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// Without the text: it is a client's.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// A response.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: ResponseId,
    /// The response object, as JSON.
    pub response: String,
    /// What was said before it, in earlier responses.
    pub past: Vec<Item>,
    /// What it was given.
    pub input: Vec<Item>,
    /// What it answered.
    pub output: Vec<Item>,
}

impl Record {
    /// All that was said, its own answer included: the past of a response that goes on from it.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.past.iter().chain(&self.input).chain(&self.output)
    }

    /// What its texts take.
    pub(super) fn bytes(&self) -> usize {
        self.response.len() + self.items().map(Item::bytes).sum::<usize>()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a conversation is, without what was said in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// When it began, in Unix seconds.
    pub created_at: u64,
    /// Its metadata, as JSON.
    pub metadata: String,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What it is.
    pub head: Head,
    /// What was said in it, in order.
    pub items: Vec<Item>,
}

impl Conversation {
    /// What its texts take.
    pub(super) fn bytes(&self) -> usize {
        self.head.metadata.len() + bytes_of(&self.items)
    }
}

/// What the texts of these take.
pub(super) fn bytes_of(items: &[Item]) -> usize {
    items.iter().map(Item::bytes).sum()
}
