//! The stream decoders against recorded and generated bodies: whole, byte by byte and cut anywhere.
//!
//! `golden/<dialect>-<case>.in` holds the bytes on the wire, the `.events` beside it what they say: a line for each
//! event, then the lines that were skipped, if any.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions around the tests are tests, too"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chipp_proxy::chipp::stream::{Decoder, Dialect, MAX_BODY_BYTES, MAX_LINE_BYTES};
use chipp_proxy::chipp::{Event, Failure, FinishReason};
use proptest::prelude::*;
use proptest::sample::Index;

/// All that a decoder said of a body.
#[derive(Debug, PartialEq)]
struct Decoded {
    dialect: Option<Dialect>,
    events: Vec<Event>,
    skipped: u32,
}

fn decode<'a>(portions: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for portion in portions {
        decoder.push(portion, &mut events);
    }
    decoder.finish(&mut events);
    let said = Decoded { dialect: decoder.dialect(), events: events.clone(), skipped: decoder.skipped() };
    // The end is the end: nothing that comes later may say more.
    decoder.push(b"data: {\"chatSessionId\":\"late\"}\n\n0:\"late\"\n", &mut events);
    decoder.finish(&mut events);
    decoder.finish_early(&mut events);
    assert_eq!(events, said.events);
    said
}

/// The body cut at the given places.
fn cut<'a>(body: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(body.len() + 1)).collect();
    places.sort_unstable();
    let mut portions = Vec::new();
    let mut start = 0;
    for place in places.into_iter().chain([body.len()]) {
        portions.push(&body[start..place]);
        start = place;
    }
    portions
}

/// Bare text comes in the portions in which it came; joined, it must be the same.
fn joined(mut decoded: Decoded) -> Decoded {
    if decoded.dialect == Some(Dialect::Plain) {
        let mut events: Vec<Event> = Vec::new();
        for event in decoded.events {
            match (events.last_mut(), event) {
                (Some(Event::Text(text)), Event::Text(more)) => text.push_str(&more),
                (_, event) => events.push(event),
            }
        }
        decoded.events = events;
    }
    decoded
}

fn text_of(decoded: &Decoded) -> String {
    let text = |event: &Event| match event {
        Event::Text(text) => Some(text.clone()),
        _ => None,
    };
    decoded.events.iter().filter_map(text).collect()
}

/// What `Event` promises about a reply.
fn assert_orderly(events: &[Event]) {
    let is_end = |event: &Event| matches!(event, Event::Finish(_) | Event::Failure(_));
    assert_eq!(events.iter().filter(|event| is_end(event)).count(), 1, "{events:?}");
    let end = events.iter().position(is_end).unwrap();
    for event in &events[end + 1..] {
        assert!(matches!(events[end], Event::Finish(_)), "{events:?}");
        assert!(matches!(event, Event::Session(_) | Event::Usage(_)), "{events:?}");
    }
    assert!(!events.contains(&Event::Text(String::new())), "{events:?}");
}

fn render(decoded: &Decoded) -> String {
    let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let mut lines = match decoded.dialect {
        Some(dialect) => format!("dialect {dialect:?}\n"),
        None => "dialect unknown\n".to_owned(),
    };
    for event in &decoded.events {
        match event {
            Event::Text(text) => writeln!(lines, "text {text:?}"),
            Event::Session(id) => writeln!(lines, "session {}", id.as_str()),
            Event::Usage(usage) => {
                let (prompt, completion) = (count(usage.prompt_tokens), count(usage.completion_tokens));
                writeln!(lines, "usage prompt={prompt} completion={completion}")
            }
            Event::Activity => writeln!(lines, "activity"),
            Event::Closing(reason) => writeln!(lines, "closing {reason:?}"),
            Event::Finish(reason) => writeln!(lines, "finish {reason:?}"),
            Event::Failure(Failure::Api(error)) => {
                let message = error.message.as_deref().unwrap_or("-");
                writeln!(lines, "failure {:?}: {message}", error.kind)
            }
            Event::Failure(failure) => writeln!(lines, "failure {failure:?}"),
        }
        .unwrap();
    }
    if decoded.skipped > 0 {
        writeln!(lines, "skipped {}", decoded.skipped).unwrap();
    }
    lines
}

fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "in")).collect();
    inputs.sort();
    inputs
}

#[test]
fn golden_bodies_say_what_stands_beside_them() {
    let mut wrong = Vec::new();
    for path in goldens() {
        let decoded = joined(decode([std::fs::read(&path).unwrap().as_slice()]));
        assert_orderly(&decoded.events);
        let found = render(&decoded);
        let expected = std::fs::read_to_string(path.with_extension("events")).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n{found}instead of\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn golden_bodies_say_the_same_byte_by_byte_and_at_every_cut() {
    let inputs = goldens();
    assert!(inputs.len() >= 35, "only {} golden bodies were found", inputs.len());
    for path in inputs {
        let body = std::fs::read(&path).unwrap();
        let whole = joined(decode([body.as_slice()]));
        assert_eq!(joined(decode(body.chunks(1))), whole, "{} byte by byte", path.display());
        for place in 0..=body.len() {
            let (head, tail) = body.split_at(place);
            assert_eq!(joined(decode([head, tail])), whole, "{} cut at {place}", path.display());
        }
    }
}

#[test]
fn who_waits_no_longer_gets_the_end_that_was_announced() {
    for (body, at_end) in [
        (
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\n",
            Event::Failure(Failure::Cut),
        ),
        (
            "data: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"finish\",\"finishReason\":\"length\"}\n\n",
            Event::Failure(Failure::Cut),
        ),
        ("0:\"a\"\nd:{\"finishReason\":\"length\"}\n", Event::Finish(FinishReason::Length)),
    ] {
        let said = [Event::Text("a".into()), Event::Closing(FinishReason::Length)];
        let mut early = Vec::new();
        let mut decoder = Decoder::new();
        decoder.push(body.as_bytes(), &mut early);
        assert_eq!(early, said, "{body}");
        decoder.finish_early(&mut early);
        assert_eq!(early[2..], [Event::Finish(FinishReason::Length)], "{body}");
        assert_eq!(decode([body.as_bytes()]).events[2..], [at_end], "{body}");
    }
}

#[test]
fn an_early_end_of_an_open_answer_is_a_cut() {
    for body in [
        "0:\"a\"\n",
        "0:\"a\"\nd:{}\n0:\"b\"\n",
        "data: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\n",
        ": ping\n\n",
    ] {
        let mut events = Vec::new();
        let mut decoder = Decoder::new();
        decoder.push(body.as_bytes(), &mut events);
        decoder.finish_early(&mut events);
        assert_eq!(events.last(), Some(&Event::Failure(Failure::Cut)), "{body}");
    }
}

#[test]
fn what_is_too_large_fails() {
    for (start, length) in [
        ("0:\"", MAX_LINE_BYTES),
        ("data: \"", MAX_LINE_BYTES),
        ("{\"message\":\"", MAX_BODY_BYTES),
        ("Text", MAX_BODY_BYTES),
    ] {
        let body = [start.as_bytes(), &vec![b'x'; length]].concat();
        let decoded = decode(body.chunks(60_000));
        assert_orderly(&decoded.events);
        assert_eq!(decoded.events.last(), Some(&Event::Failure(Failure::TooLarge)), "{start}");
        assert_eq!(joined(decoded), joined(decode([body.as_slice()])), "{start}");
    }
}

/// How generated streams are written.
#[derive(Clone, Copy, Debug)]
struct Hand {
    end: &'static str,
    space: &'static str,
    /// Metadata beside each delta: the decoder leaves its fast way.
    metadata: bool,
    noise: bool,
}

fn hands() -> impl Strategy<Value = Hand> {
    let ends = prop_oneof![Just("\n"), Just("\r\n")];
    let spaces = prop_oneof![Just(""), Just(" ")];
    (ends, spaces, any::<bool>(), any::<bool>()).prop_map(|(end, space, metadata, noise)| Hand {
        end,
        space,
        metadata,
        noise,
    })
}

impl Hand {
    fn sse(self, events: impl IntoIterator<Item = serde_json::Value>) -> String {
        let Self { end, space, .. } = self;
        let mut body = String::new();
        for mut event in events {
            if self.noise {
                write!(body, ": ping{end}{end}id: 1{end}").unwrap();
            }
            if self.metadata {
                event["metadata"] = serde_json::json!({});
            }
            write!(body, "data:{space}{event}{end}{end}").unwrap();
        }
        body + "data: [DONE]" + end + end
    }

    fn openai_chunks(self, deltas: &[String]) -> String {
        let chunk = |content: Option<&String>, reason: Option<&str>| {
            serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": content.map_or(serde_json::json!({}), |content|
                    serde_json::json!({"content": content})), "finish_reason": reason}]})
        };
        let texts = deltas.iter().map(|delta| chunk(Some(delta), None));
        self.sse(texts.chain([chunk(None, Some("stop"))]))
    }

    fn ui_messages(self, deltas: &[String]) -> String {
        let event = |kind: &str| serde_json::json!({"type": kind, "id": "1"});
        let texts = deltas.iter().flat_map(|delta| {
            let text = serde_json::json!({"type": "text-delta", "id": "1", "delta": delta});
            [event("reasoning-delta"), text]
        });
        self.sse([event("start")].into_iter().chain(texts).chain([event("finish")]))
    }

    fn data_stream(self, deltas: &[String]) -> String {
        let Self { end, .. } = self;
        let mut body = format!("f:{{\"messageId\":\"m\"}}{end}");
        for delta in deltas {
            if self.noise {
                write!(body, "g:\"thinking\"{end}{end}").unwrap();
            }
            write!(body, "0:{}{end}", serde_json::Value::from(delta.as_str())).unwrap();
        }
        body + "d:{\"finishReason\":\"stop\"}" + end
    }
}

/// Pieces of bodies, right and wrong ones.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "data:",
        "data: ",
        "data: [DONE]\n\n",
        "event: error\n",
        ": ping\n",
        "id: 1\n",
        "{\"type\":\"text-delta\",\"delta\":\"a😀\"}",
        "{\"type\":\"text-delta\",\"delta\":\"\\ud83d\"}",
        "{\"type\":\"finish\"}",
        "{\"type\":\"error\",\"errorText\":\"x\"}",
        "{\"type\":\"tool-x\"}",
        "{\"type\":\"message-metadata\",\"messageMetadata\":{\"sessionId\":\"s\",\"usage\":{\"inputTokens\":1}}}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}",
        "{\"chatSessionId\":\"s\"}",
        "{\"error\":\"x\"}",
        "{\"message\":\"hi\"}",
        "0:\"a\"\n",
        "0:\"\\ud83d\"\n",
        "2:[{\"sessionId\":\"s\"}]\n",
        "3:\"x\"\n",
        "d:{\"finishReason\":\"stop\",\"usage\":{\"promptTokens\":1}}\n",
        "e:{\"usage\":{\"completionTokens\":2}}\n",
        "9:{}\n",
        "{",
        "}",
        "\"",
        "<",
        "\u{feff}",
        "hello",
        "0:",
        "data",
        "😀",
    ]);
    let piece = prop_oneof![
        6 => known.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn golden_bodies_say_the_same_at_any_cuts(which in any::<Index>(), places in cuts()) {
        let inputs = goldens();
        let body = std::fs::read(which.get(&inputs)).unwrap();
        prop_assert_eq!(joined(decode(cut(&body, &places))), joined(decode([body.as_slice()])));
    }

    #[test]
    fn any_bytes_end_in_one_way_and_say_the_same_at_any_cuts(body in pieces(), places in cuts()) {
        let whole = joined(decode([body.as_slice()]));
        assert_orderly(&whole.events);
        let parts = decode(cut(&body, &places));
        assert_orderly(&parts.events);
        prop_assert_eq!(&joined(parts), &whole);
        prop_assert_eq!(joined(decode(body.chunks(1))), whole);
    }

    #[test]
    fn noise_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_orderly(&decode([body.as_slice()]).events);
    }

    #[test]
    fn generated_streams_keep_their_text(
        deltas in prop::collection::vec(any::<String>(), 0..8),
        hand in hands(),
        places in cuts(),
    ) {
        for (body, dialect) in [
            (hand.openai_chunks(&deltas), Dialect::OpenAiChunk),
            (hand.ui_messages(&deltas), Dialect::UiMessage),
            (hand.data_stream(&deltas), Dialect::DataStream),
        ] {
            let decoded = decode(cut(body.as_bytes(), &places));
            prop_assert_eq!(decoded.dialect, Some(dialect));
            prop_assert_eq!(text_of(&decoded), deltas.concat());
            prop_assert_eq!(decoded.events.last(), Some(&Event::Finish(FinishReason::Stop)));
            prop_assert_eq!(decoded.skipped, 0);
        }
    }

    #[test]
    fn a_reply_in_a_streams_place_keeps_its_text(text in any::<String>(), places in cuts()) {
        let body = serde_json::json!({"chatSessionId": "s", "choices": [{"message": {"content": text}}]}).to_string();
        let decoded = decode(cut(body.as_bytes(), &places));
        prop_assert_eq!(text_of(&decoded), text);
        prop_assert_eq!(decoded.events.last(), Some(&Event::Finish(FinishReason::Stop)));
    }

    #[test]
    fn bare_text_is_kept(text in "[A-Z]\\PC*", places in cuts()) {
        let decoded = decode(cut(text.as_bytes(), &places));
        prop_assert_eq!(decoded.dialect, Some(Dialect::Plain));
        prop_assert_eq!(text_of(&decoded), text);
    }
}
