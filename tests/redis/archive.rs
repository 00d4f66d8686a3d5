//! What any archive has to do, in memory and in Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chipp_proxy::archive::{
    Archive, Conversation, Failed, Failures, Head, Item, Memory, Owner, Record, Remote, Removed, Store,
};
use chipp_proxy::ids::{ConversationId, ResponseId};

use crate::contract::InRedis;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);
const MAX_ENTRY: usize = 10_000;

/// Makes archives, and lets time go by for them.
trait Kind {
    fn archive(&self, ttl: Duration) -> Arc<Archive>;

    /// The time after so much of it.
    fn after(&self, time: Duration) -> Instant;
}

struct InMemory;

impl Kind for InMemory {
    fn archive(&self, ttl: Duration) -> Arc<Archive> {
        Arc::new(Archive::new(Store::Memory(Memory::new(ttl, 1 << 30)), MAX_ENTRY))
    }

    fn after(&self, time: Duration) -> Instant {
        Instant::now() + time
    }
}

impl Kind for InRedis {
    fn archive(&self, ttl: Duration) -> Arc<Archive> {
        let remote = Remote::new(Arc::clone(&self.redis), "a".to_owned(), ttl);
        Arc::new(Archive::new(Store::Redis(remote), MAX_ENTRY))
    }

    fn after(&self, time: Duration) -> Instant {
        self.let_pass(time)
    }
}

fn owner(name: &str) -> Owner {
    Owner::of("key", name.as_bytes())
}

fn item(id: &str) -> Item {
    Item::new(id, format!(r#"{{"id":"{id}","text":"two\nlines, ä, 你 and a \" "}}"#))
}

fn items(ids: &[&str]) -> Vec<Item> {
    ids.iter().map(|id| item(id)).collect()
}

fn record(past: &[&str], input: &[&str], output: &[&str]) -> Record {
    let id = ResponseId::mint();
    let response = format!(r#"{{"id":"{}","object":"response"}}"#, id.as_str());
    Record { id, response, past: items(past), input: items(input), output: items(output) }
}

fn conversation(ids: &[&str]) -> Conversation {
    let head = Head { created_at: 1_700_000_000, metadata: r#"{"topic":"a b"}"#.into() };
    Conversation { id: ConversationId::mint(), head, items: items(ids) }
}

#[tokio::test]
async fn the_archive_in_memory_does_what_an_archive_has_to() {
    everything(&InMemory).await;
}

#[tokio::test]
#[ignore = "needs a redis-server"]
async fn the_archive_in_redis_does_what_an_archive_has_to() {
    everything(&InRedis::start()).await;
}

async fn everything(kind: &impl Kind) {
    responses_come_back_as_they_were_kept(kind).await;
    conversations_change(kind).await;
    what_is_anothers_is_not_there(kind).await;
    large_entries_are_refused(kind).await;
    what_is_not_used_expires(kind).await;
    who_appends_at_the_same_time_loses_nothing(kind).await;
}

async fn responses_come_back_as_they_were_kept(kind: &impl Kind) {
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    for kept in [
        record(&[], &["msg_1"], &["msg_2"]),
        record(&["msg_1", "msg_2"], &["msg_3", "msg_4"], &[]),
        record(&[], &[], &[]),
    ] {
        archive.keep(me, kept.clone(), now).await.unwrap();
        assert_eq!(*archive.record(me, &kept.id, now).await.unwrap().unwrap(), kept);
        assert!(archive.forget(me, &kept.id, now).await.unwrap());
        assert!(!archive.forget(me, &kept.id, now).await.unwrap());
        assert_eq!(archive.record(me, &kept.id, now).await.unwrap(), None);
    }
    assert_eq!(archive.failures(), Failures::default());
}

async fn conversations_change(kind: &impl Kind) {
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    let mut expected = conversation(&["msg_1", "msg_2"]);
    let id = expected.id.clone();
    archive.create(me, expected.clone(), now).await.unwrap();
    let read = async || archive.conversation(me, &id, now).await.unwrap();
    assert_eq!(read().await.as_ref(), Some(&expected));

    let more = items(&["msg_3", "fc_4", "msg_5"]);
    assert_eq!(archive.append(me, &id, &more, now).await, Ok(Some(expected.head.clone())));
    expected.items.extend(more);
    expected.head.metadata = r#"{"a":"\n"}"#.into();
    let described = archive.describe(me, &id, &expected.head.metadata, now).await;
    assert_eq!(described, Ok(Some(expected.head.clone())));
    assert_eq!(read().await.as_ref(), Some(&expected));

    let gone = archive.remove_item(me, &id, "fc_4", now).await;
    assert_eq!(gone, Ok(Removed::Gone(expected.head.clone())));
    expected.items.remove(3);
    for other in ["fc_4", "msg", "", "msg_1\n"] {
        assert_eq!(archive.remove_item(me, &id, other, now).await, Ok(Removed::NoItem), "{other}");
    }
    assert_eq!(read().await.as_ref(), Some(&expected));

    assert!(archive.delete(me, &id, now).await.unwrap());
    assert!(!archive.delete(me, &id, now).await.unwrap());
    assert_eq!(read().await, None);
    assert_eq!(archive.append(me, &id, &items(&["msg_6"]), now).await, Ok(None));
    assert_eq!(archive.describe(me, &id, "{}", now).await, Ok(None));
    assert_eq!(archive.remove_item(me, &id, "msg_1", now).await, Ok(Removed::NoConversation));
    assert_eq!(read().await, None);
}

async fn what_is_anothers_is_not_there(kind: &impl Kind) {
    let archive = kind.archive(LONG);
    let (me, other, now) = (owner("me"), owner("other"), Instant::now());
    let (response, conversation) = (record(&[], &["msg_1"], &[]), conversation(&["msg_1"]));
    archive.keep(me, response.clone(), now).await.unwrap();
    archive.create(me, conversation.clone(), now).await.unwrap();
    let id = &conversation.id;
    assert_eq!(archive.record(other, &response.id, now).await.unwrap(), None);
    assert!(!archive.forget(other, &response.id, now).await.unwrap());
    assert_eq!(archive.conversation(other, id, now).await.unwrap(), None);
    assert_eq!(archive.append(other, id, &items(&["msg_2"]), now).await, Ok(None));
    assert_eq!(archive.describe(other, id, "{}", now).await, Ok(None));
    assert_eq!(archive.remove_item(other, id, "msg_1", now).await, Ok(Removed::NoConversation));
    assert!(!archive.delete(other, id, now).await.unwrap());
    assert!(archive.record(me, &response.id, now).await.unwrap().is_some());
    assert_eq!(archive.conversation(me, id, now).await.unwrap(), Some(conversation.clone()));
    assert_ne!(Owner::of("key", b"a"), Owner::of("chipp key", b"a"));
}

async fn large_entries_are_refused(kind: &impl Kind) {
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    let large = |bytes: usize| Item::new("msg_9", "x".repeat(bytes - "msg_9".len()));
    let mut response = record(&[], &[], &[]);
    response.past = vec![large(MAX_ENTRY)];
    assert_eq!(archive.keep(me, response.clone(), now).await, Err(Failed::TooLarge));
    assert_eq!(archive.record(me, &response.id, now).await, Ok(None));

    let mut kept = conversation(&[]);
    kept.head.metadata = "{}".into();
    let id = kept.id.clone();
    archive.create(me, kept.clone(), now).await.unwrap();
    assert_eq!(archive.append(me, &id, &[large(MAX_ENTRY - 1)], now).await, Err(Failed::TooLarge));
    let fits = [large(MAX_ENTRY - 2)];
    assert_eq!(archive.append(me, &id, &fits, now).await, Ok(Some(kept.head.clone())));
    assert_eq!(archive.append(me, &id, &[large(6)], now).await, Err(Failed::TooLarge));
    assert_eq!(archive.describe(me, &id, "{ }", now).await, Err(Failed::TooLarge));
    assert_eq!(archive.conversation(me, &id, now).await.unwrap().unwrap().items, fits);
    // What was taken out gives its room back.
    assert!(matches!(archive.remove_item(me, &id, "msg_9", now).await, Ok(Removed::Gone(_))));
    assert_eq!(archive.append(me, &id, &fits, now).await, Ok(Some(kept.head.clone())));
    // And it is no failure of the store's.
    assert_eq!(archive.failures(), Failures::default());
}

async fn what_is_not_used_expires(kind: &impl Kind) {
    let archive = kind.archive(SHORT);
    let (me, now) = (owner("me"), Instant::now());
    let (response, conversation) = (record(&[], &["msg_1"], &[]), conversation(&["msg_1"]));
    archive.keep(me, response.clone(), now).await.unwrap();
    archive.create(me, conversation.clone(), now).await.unwrap();
    let later = kind.after(2 * SHORT);
    assert_eq!(archive.record(me, &response.id, later).await.unwrap(), None);
    assert_eq!(archive.append(me, &conversation.id, &items(&["msg_2"]), later).await, Ok(None));
    assert_eq!(archive.conversation(me, &conversation.id, later).await.unwrap(), None);
    assert!(!archive.delete(me, &conversation.id, later).await.unwrap());
}

async fn who_appends_at_the_same_time_loses_nothing(kind: &impl Kind) {
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    let kept = conversation(&[]);
    let id = kept.id.clone();
    archive.create(me, kept, now).await.unwrap();
    let appends: Vec<_> = (0..20)
        .map(|number| {
            let (archive, id) = (Arc::clone(&archive), id.clone());
            let both = items(&[&format!("msg_{number}a"), &format!("msg_{number}b")]);
            tokio::spawn(async move { archive.append(me, &id, &both, now).await.unwrap().unwrap() })
        })
        .collect();
    for append in appends {
        append.await.unwrap();
    }
    let items = archive.conversation(me, &id, now).await.unwrap().unwrap().items;
    assert_eq!(items.len(), 40);
    for pair in items.chunks(2) {
        let [first, second] = pair else { panic!("{pair:?}") };
        assert_eq!(first.id().strip_suffix('a'), second.id().strip_suffix('b'), "{items:?}");
    }
}

#[tokio::test]
#[ignore = "needs a redis-server"]
async fn an_archive_whose_redis_is_away_says_so() {
    let mut kind = InRedis::start();
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    let (response, conversation) = (record(&[], &["msg_1"], &[]), conversation(&["msg_1"]));
    archive.keep(me, response.clone(), now).await.unwrap();
    kind.server.kill();
    assert_eq!(archive.record(me, &response.id, now).await, Err(Failed::Unavailable));
    assert_eq!(archive.forget(me, &response.id, now).await, Err(Failed::Unavailable));
    assert_eq!(archive.keep(me, response, now).await, Err(Failed::Unavailable));
    assert_eq!(archive.create(me, conversation.clone(), now).await, Err(Failed::Unavailable));
    assert_eq!(archive.conversation(me, &conversation.id, now).await, Err(Failed::Unavailable));
    assert_eq!(archive.failures(), Failures { reads: 2, writes: 3 });
}

#[tokio::test]
#[ignore = "needs a redis-server"]
async fn what_nobody_understands_in_redis_counts_as_away() {
    let kind = InRedis::start();
    let archive = kind.archive(LONG);
    let (me, now) = (owner("me"), Instant::now());
    let response = record(&["msg_0"], &["msg_1"], &["msg_2"]);
    archive.keep(me, response.clone(), now).await.unwrap();
    let [key] = &kind.server.keys()[..] else { panic!("{:?}", kind.server.keys()) };
    assert!(key.starts_with("a:response:") && key.ends_with(response.id.as_str()), "{key}");
    for head in ["", "1", "1 x {}", "3 1 {}", "18446744073709551615 1 {}", "-1 0 {}"] {
        kind.server.tell(&format!("LSET {key} 0 \"{head}\""));
        assert_eq!(archive.record(me, &response.id, now).await, Err(Failed::Unavailable), "{head}");
    }
    kind.server.tell(&format!("SET {key} text"));
    assert_eq!(archive.record(me, &response.id, now).await, Err(Failed::Unavailable));
    // It is nobody else's fault.
    let other = record(&[], &[], &[]);
    archive.keep(me, other.clone(), now).await.unwrap();
    assert!(archive.record(me, &other.id, now).await.unwrap().is_some());
}
