//! The archive in memory: its bounds. What it does besides stands with that of the one in Redis.

use std::time::{Duration, Instant};

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn owner() -> Owner {
    Owner::of("key", b"me")
}

fn record(past: &[Item], text: usize) -> Record {
    let input = vec![Item::new("msg_1", "x".repeat(text))];
    Record { id: ResponseId::mint(), response: "{}".into(), past: past.to_vec(), input, output: Vec::new() }
}

#[test]
fn a_flood_of_large_records_stays_within_its_bytes() {
    let (memory, now) = (Memory::new(TTL, 1_000_000), Instant::now());
    let mut last = None;
    for number in 0..500 {
        let new = record(&[], number * 37 % 90_000);
        last = Some(new.id.clone());
        memory.keep(owner(), new, now).unwrap();
        assert!(memory.size().bytes <= 1_000_000, "{:?}", memory.size());
    }
    assert!(memory.size().entries > 10);
    assert!(memory.record(owner(), &last.unwrap(), now).is_some());
    assert_eq!(memory.keep(owner(), record(&[], 1_000_000), now), Err(Failed::TooLarge));
    memory.sweep(now + TTL);
    assert_eq!(memory.size(), Size::default());
}

#[test]
fn a_growing_conversation_drives_others_out_and_not_itself() {
    let (memory, now) = (Memory::new(TTL, 100_000), Instant::now());
    let id = ConversationId::mint();
    let head = Head { created_at: 1, metadata: "{}".into() };
    let new = Conversation { id: id.clone(), head, items: Vec::new() };
    memory.create(owner(), new, now).unwrap();
    for _ in 0..10 {
        memory.keep(owner(), record(&[], 5_000), now).unwrap();
    }
    let mut grown = 0;
    while memory.append(owner(), &id, &[Item::new("msg_1", "x".repeat(5_000))], usize::MAX, now).is_ok() {
        grown += 1;
        assert!(memory.size().bytes <= 100_000, "{:?}", memory.size());
        assert_eq!(memory.conversation(owner(), &id, now).unwrap().items.len(), grown);
    }
    assert_eq!(memory.size().entries, 1);
    assert!(grown > 15, "{grown}");
}

#[test]
fn what_was_used_last_stays_longest() {
    let (memory, now) = (Memory::new(TTL, 3_000), Instant::now());
    let records = [record(&[], 10), record(&[], 10), record(&[], 10)];
    for record in &records {
        memory.keep(owner(), record.clone(), now).unwrap();
    }
    memory.record(owner(), &records[0].id, now).unwrap();
    memory.keep(owner(), record(&[], 500), now).unwrap();
    memory.keep(owner(), record(&[], 500), now).unwrap();
    let is_there = |record: &Record| memory.record(owner(), &record.id, now).is_some();
    assert_eq!(records.each_ref().map(is_there), [true, false, false]);
}

#[test]
fn what_is_used_lives_on() {
    let (memory, now) = (Memory::new(TTL, 100_000), Instant::now());
    let (used, unused) = (record(&[], 10), record(&[], 10));
    memory.keep(owner(), used.clone(), now).unwrap();
    memory.keep(owner(), unused.clone(), now).unwrap();
    assert!(memory.record(owner(), &used.id, now + TTL / 2).is_some());
    memory.sweep(now + TTL);
    assert_eq!(memory.size().entries, 1);
    assert!(memory.record(owner(), &used.id, now + TTL).is_some());
    assert!(memory.record(owner(), &unused.id, now + TTL).is_none());
}

#[test]
fn responses_of_one_chain_share_what_was_said() {
    let (memory, now) = (Memory::new(TTL, 10_000_000), Instant::now());
    let mut past = Vec::new();
    for _ in 0..100 {
        let new = record(&past, 10_000);
        past = new.items().cloned().collect();
        memory.keep(owner(), new, now).unwrap();
    }
    let size = memory.size();
    assert_eq!(size.entries, 100);
    assert!((1_000_000..1_200_000).contains(&size.bytes), "{size:?}");
    memory.sweep(now + TTL);
    assert_eq!(memory.size(), Size::default());
}

#[test]
fn nothing_of_a_client_is_printed() {
    let record = record(&[], 3);
    let item = Item::new("msg_1", "secret");
    let text = format!("{record:?} {item:?} {:?}", owner());
    assert!(text.contains("msg_1") && !text.contains("secret") && !text.contains("xxx"), "{text}");
}
