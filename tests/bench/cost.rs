//! What the pure parts of a request cost: `cargo bench --bench cost`.
//!
//! - `request`: a body to a checked request;
//! - `session`: the hashes of a history, and the look-up of the session that holds all but its last message;
//! - `stream`: a delta of each of Chipp's dialects to an event.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark; criterion's macros make undocumented items"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chipp_proxy::chipp::stream::Decoder;
use chipp_proxy::chipp::{Message, Role};
use chipp_proxy::ids::ChatSessionId;
use chipp_proxy::openai::chat::ChatRequest;
use chipp_proxy::session::{Fingerprinter, History, Memory, ScopeParts};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

/// About what people and apps say.
const QUESTION: &str = "And how would that change if we moved the deadline to the end of next week?";
const ANSWER: &str = "If the deadline moves to the end of next week, the review can start on Monday, \
    the translation on Wednesday, and there is one day left for the corrections. Nothing else changes: the \
    contract, the invoices and the date of the launch stay as they are.";
/// Messages of a history.
const LENGTHS: [usize; 3] = [2, 50, 400];
const DELTAS: u64 = 1000;

/// A history that ends with a question: of `length` messages, and the question.
fn history(length: usize) -> Vec<Message<'static>> {
    let turns = [(Role::User, QUESTION), (Role::Assistant, ANSWER)];
    let messages = turns.iter().cycle().take(length + 1);
    messages.map(|&(role, content)| Message { role, content: content.into() }).collect()
}

fn request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for length in LENGTHS {
        let messages: Vec<_> = history(length)
            .iter()
            .map(|message| {
                let role = if message.role == Role::User { "user" } else { "assistant" };
                json!({"role": role, "content": message.content})
            })
            .collect();
        let body = json!({"model": "gpt-4o", "messages": messages, "stream": true}).to_string();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| ChatRequest::parse(black_box(body.as_bytes())).unwrap());
        });
    }
}

fn session(criterion: &mut Criterion) {
    let fingerprinter = Fingerprinter::random().unwrap();
    let parts = ScopeParts { credential: b"key", user: Some("ann"), app: "myapp-123", conversation: None };
    let id = ChatSessionId::parse("0192f0c1-7b1e-7c3a-9f51-2f6d1c0a9b77").unwrap();
    let mut group = criterion.benchmark_group("session");
    for length in LENGTHS {
        let messages = history(length);
        let store = Memory::new(Duration::from_secs(3600), 1000);
        let now = Instant::now();
        let scope = fingerprinter.scope(parts);
        let (_, heads) = History::of(&scope, &messages);
        let (_, held) = heads.first().copied().expect("a history with an answer");
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter_batched(
                || store.put(held, id.clone(), now),
                |()| {
                    let scope = fingerprinter.scope(black_box(parts));
                    let (history, heads) = History::of(&scope, black_box(&messages));
                    let taken = heads.into_iter().find_map(|(_, head)| store.take(head, now));
                    (history, taken.expect("it was put there"))
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn stream(criterion: &mut Criterion) {
    let delta = |number: u64| match number % 4 {
        0 => " and",
        1 => " then,",
        2 => " \\\"quoted\\\"",
        _ => " za\u{17c}\u{f3}\u{142}\u{107}",
    };
    let line = |dialect: &str, number: u64| {
        let text = delta(number);
        match dialect {
            "openai-chunks" => format!(
                "data: {{\"id\":\"chatcmpl-abc123\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\
                 \"myapp-123\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\
                 null}}]}}\n\n"
            ),
            "data-stream" => format!("0:\"{text}\"\n"),
            _ => format!("data: {{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"{text}\"}}\n\n"),
        }
    };
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(DELTAS));
    for dialect in ["openai-chunks", "data-stream", "ui-message"] {
        let lines: Vec<String> = (0..DELTAS).map(|number| line(dialect, number)).collect();
        group.bench_function(dialect, |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::new();
                let mut events = Vec::new();
                for line in &lines {
                    decoder.push(black_box(line.as_bytes()), &mut events);
                }
                assert_eq!(events.len() as u64, DELTAS);
                events
            });
        });
    }
}

criterion_group!(benches, request, session, stream);
criterion_main!(benches);
