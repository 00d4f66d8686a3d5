//! The archive in Redis, in which every replica finds what any of them has kept.
//!
//! Each response and each conversation is one list: a head, and then its items. What changes a conversation is one
//! script, so that of two replicas each goes on from what the other has done. One round trip each. Everything expires
//! when nobody has used it for some time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::entry::bytes_of;
use crate::archive::{Conversation, Failed, Head, Item, Owner, Record, Removed};
use crate::ids::{ConversationId, ResponseId};
use crate::redis::{Redis, Reply, Script};

/// `KEYS[1]`: the key; `ARGV`: how many milliseconds it lives, the head, the items.
const PUT: &str = r"
redis.call('DEL', KEYS[1])
for number = 2, #ARGV do
  redis.call('RPUSH', KEYS[1], ARGV[number])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
";

/// `KEYS[1]`: the key. How many there were.
const DELETE: &str = "return redis.call('DEL', KEYS[1])";

/// `KEYS[1]`: the key; `ARGV[1]`: how many milliseconds it lives from now on. The head and the items, or an empty list.
const READ: &str = r"
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('LRANGE', KEYS[1], 0, -1)
";

/// `KEYS[1]`: the key; `ARGV`: how many milliseconds it lives from now on, the most bytes of its texts, its metadata. The
/// head, nothing if there is no such conversation, 0 if it would be too large.
const DESCRIBE: &str = r"
local head = redis.call('LINDEX', KEYS[1], 0)
if not head then
  return false
end
local bytes, began, metadata = string.match(head, '^(%d+) (%d+) (.*)$')
bytes = tonumber(bytes) - #metadata + #ARGV[3]
if bytes > tonumber(ARGV[2]) then
  return 0
end
head = string.format('%.0f', bytes) .. ' ' .. began .. ' ' .. ARGV[3]
redis.call('LSET', KEYS[1], 0, head)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return head
";

/// `KEYS[1]`: the key; `ARGV`: how many milliseconds it lives from now on, the most bytes of its texts, the bytes that
/// come to them, the items. As `DESCRIBE`.
const APPEND: &str = r"
local head = redis.call('LINDEX', KEYS[1], 0)
if not head then
  return false
end
local bytes, rest = string.match(head, '^(%d+) (.*)$')
bytes = tonumber(bytes) + tonumber(ARGV[3])
if bytes > tonumber(ARGV[2]) then
  return 0
end
for number = 4, #ARGV do
  redis.call('RPUSH', KEYS[1], ARGV[number])
end
head = string.format('%.0f', bytes) .. ' ' .. rest
redis.call('LSET', KEYS[1], 0, head)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return head
";

/// `KEYS[1]`: the key; `ARGV`: how many milliseconds it lives from now on, the id of the item. As `DESCRIBE`, but for: 0 if
/// there is no such item.
const REMOVE: &str = r"
local entries = redis.call('LRANGE', KEYS[1], 0, -1)
local head = entries[1]
if not head then
  return false
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local start = ARGV[2] .. '\n'
for number = 2, #entries do
  local entry = entries[number]
  if string.sub(entry, 1, #start) == start then
    local bytes, rest = string.match(head, '^(%d+) (.*)$')
    head = string.format('%.0f', tonumber(bytes) - #entry + 1) .. ' ' .. rest
    redis.call('LREM', KEYS[1], 1, entry)
    redis.call('LSET', KEYS[1], 0, head)
    return head
  end
end
return 0
";

/// Parts an item's id from its JSON; no id has one.
const PARTING: char = '\n';

/// Responses and conversations in Redis.
#[derive(Debug)]
pub struct Remote {
    redis: Arc<Redis>,
    prefix: String,
    ttl: String,
    put: Script,
    delete: Script,
    read: Script,
    describe: Script,
    append: Script,
    remove: Script,
}

impl Remote {
    /// What is forgotten when nobody has used it for `ttl`, under keys that begin with `prefix`.
    pub fn new(redis: Arc<Redis>, prefix: String, ttl: Duration) -> Self {
        Self {
            redis,
            prefix,
            ttl: ttl.as_millis().to_string(),
            put: Script::new(PUT),
            delete: Script::new(DELETE),
            read: Script::new(READ),
            describe: Script::new(DESCRIBE),
            append: Script::new(APPEND),
            remove: Script::new(REMOVE),
        }
    }

    pub(super) async fn keep(&self, owner: Owner, record: &Record) -> Result<(), Failed> {
        let head = format!("{} {} {}", record.past.len(), record.input.len(), record.response);
        self.put(self.key("response", owner, record.id.as_str()), head, record.items()).await
    }

    pub(super) async fn record(&self, owner: Owner, id: &ResponseId) -> Result<Option<Record>, Failed> {
        let key = self.key("response", owner, id.as_str());
        let Some((head, items)) = self.read(key).await? else { return Ok(None) };
        read_record(id, &head, items).map(Some).ok_or(Failed::Unavailable)
    }

    pub(super) async fn forget(&self, owner: Owner, id: &ResponseId) -> Result<bool, Failed> {
        self.delete_key(self.key("response", owner, id.as_str())).await
    }

    pub(super) async fn create(&self, owner: Owner, new: &Conversation) -> Result<(), Failed> {
        let Head { created_at, metadata } = &new.head;
        let head = format!("{} {created_at} {metadata}", new.bytes());
        self.put(self.conversation_key(owner, &new.id), head, new.items.iter()).await
    }

    pub(super) async fn conversation(
        &self,
        owner: Owner,
        id: &ConversationId,
    ) -> Result<Option<Conversation>, Failed> {
        let Some((head, items)) = self.read(self.conversation_key(owner, id)).await? else { return Ok(None) };
        let head = read_head(&head).ok_or(Failed::Unavailable)?;
        Ok(Some(Conversation { id: id.clone(), head, items }))
    }

    pub(super) async fn describe(
        &self,
        owner: Owner,
        id: &ConversationId,
        metadata: &str,
        max_entry: usize,
    ) -> Result<Option<Head>, Failed> {
        let most = max_entry.to_string();
        let args = [self.ttl.as_bytes(), most.as_bytes(), metadata.as_bytes()];
        match self.run(&self.describe, self.conversation_key(owner, id), &args).await? {
            Reply::Number(_) => Err(Failed::TooLarge),
            reply => read_changed(reply),
        }
    }

    pub(super) async fn append(
        &self,
        owner: Owner,
        id: &ConversationId,
        items: &[Item],
        max_entry: usize,
    ) -> Result<Option<Head>, Failed> {
        let numbers = [max_entry.to_string(), bytes_of(items).to_string()];
        let entries: Vec<String> = items.iter().map(entry).collect();
        let mut args = vec![self.ttl.as_bytes()];
        args.extend(numbers.iter().chain(&entries).map(String::as_bytes));
        // Not tried again: appended twice, it would have been said twice.
        match self.run(&self.append, self.conversation_key(owner, id), &args).await? {
            Reply::Number(_) => Err(Failed::TooLarge),
            reply => read_changed(reply),
        }
    }

    pub(super) async fn remove_item(
        &self,
        owner: Owner,
        id: &ConversationId,
        item: &str,
    ) -> Result<Removed, Failed> {
        let args = [self.ttl.as_bytes(), item.as_bytes()];
        match self.run(&self.remove, self.conversation_key(owner, id), &args).await? {
            Reply::Number(_) => Ok(Removed::NoItem),
            reply => Ok(read_changed(reply)?.map_or(Removed::NoConversation, Removed::Gone)),
        }
    }

    pub(super) async fn delete(&self, owner: Owner, id: &ConversationId) -> Result<bool, Failed> {
        self.delete_key(self.conversation_key(owner, id)).await
    }

    async fn put(&self, key: String, head: String, items: impl Iterator<Item = &Item>) -> Result<(), Failed> {
        let entries: Vec<String> = items.map(entry).collect();
        let mut args = vec![self.ttl.as_bytes(), head.as_bytes()];
        args.extend(entries.iter().map(String::as_bytes));
        self.run(&self.put, key, &args).await.map(|_| ())
    }

    /// The head and the items.
    async fn read(&self, key: String) -> Result<Option<(String, Vec<Item>)>, Failed> {
        let Reply::List(parts) = self.run(&self.read, key, &[self.ttl.as_bytes()]).await? else {
            return Err(Failed::Unavailable);
        };
        let mut texts = parts.into_iter().map(text);
        let Some(head) = texts.next() else { return Ok(None) };
        let items = texts.map(|entry| read_entry(&entry?)).collect::<Option<_>>();
        head.zip(items).map(Some).ok_or(Failed::Unavailable)
    }

    async fn delete_key(&self, key: String) -> Result<bool, Failed> {
        Ok(self.run(&self.delete, key, &[]).await? != Reply::Number(0))
    }

    async fn run(&self, script: &Script, key: String, args: &[&[u8]]) -> Result<Reply, Failed> {
        self.redis.run(script, &[key], args).await.map_err(|_| Failed::Unavailable)
    }

    fn conversation_key(&self, owner: Owner, id: &ConversationId) -> String {
        self.key("conversation", owner, id.as_str())
    }

    /// `PREFIX:KIND:OWNER:ID`
    fn key(&self, kind: &str, owner: Owner, id: &str) -> String {
        let mut key = String::with_capacity(self.prefix.len() + kind.len() + id.len() + 3 + 2 * 16);
        // Writing into a string does not fail.
        let _ = write!(key, "{}:{kind}:{:032x}:{id}", self.prefix, u128::from_be_bytes(*owner.as_bytes()));
        key
    }
}

fn entry(item: &Item) -> String {
    let mut entry = String::with_capacity(item.bytes() + 1);
    entry.push_str(item.id());
    entry.push(PARTING);
    entry.push_str(item.json());
    entry
}

fn read_entry(entry: &str) -> Option<Item> {
    let (id, json) = entry.split_once(PARTING)?;
    Some(Item::new(id, json))
}

/// `PAST INPUT RESPONSE`: how many items are the past, how many the input, and the response.
fn read_record(id: &ResponseId, head: &str, mut items: Vec<Item>) -> Option<Record> {
    let (past, rest) = head.split_once(' ')?;
    let (input, response) = rest.split_once(' ')?;
    let (past, input): (usize, usize) = (past.parse().ok()?, input.parse().ok()?);
    let output = split_off(&mut items, past.checked_add(input)?)?;
    let input = split_off(&mut items, past)?;
    Some(Record { id: id.clone(), response: response.to_owned(), past: items, input, output })
}

fn split_off(items: &mut Vec<Item>, at: usize) -> Option<Vec<Item>> {
    (at <= items.len()).then(|| items.split_off(at))
}

/// `BYTES CREATED METADATA`
fn read_head(head: &str) -> Option<Head> {
    let mut parts = head.splitn(3, ' ').skip(1);
    let created_at = parts.next()?.parse().ok()?;
    Some(Head { created_at, metadata: parts.next()?.to_owned() })
}

fn read_changed(reply: Reply) -> Result<Option<Head>, Failed> {
    if reply == Reply::Nil {
        return Ok(None);
    }
    text(reply).and_then(|head| read_head(&head)).map(Some).ok_or(Failed::Unavailable)
}

fn text(reply: Reply) -> Option<String> {
    match reply {
        Reply::Text(bytes) => String::from_utf8(bytes).ok(),
        Reply::Nil | Reply::Number(_) | Reply::List(_) => None,
    }
}
