//! The stream decoders against recorded and generated bodies: whole, byte by byte and cut anywhere.
//!
//! `golden/<dialect>-<case>.in` holds the bytes on the wire, the `.events` beside it what they say: a line for each
//! event, then the lines that were skipped and the events that were too long to be held, if any. Names that begin with
//! `backend-` are facts of Chipp's own published backend. `GOLDEN=write cargo test --test decoders golden` writes the
//! `.events` anew, to be read before they are committed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions around the tests are tests, too"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chipp_proxy::chipp::stream::{Decoder, Dialect, MAX_BODY_BYTES, MAX_LINE_BYTES};
use chipp_proxy::chipp::{Event, Failure, FinishReason};
use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Emulator, Ends, Options};
use proptest::prelude::*;
use proptest::sample::Index;

/// All that a decoder said of a body.
#[derive(Debug, PartialEq)]
struct Decoded {
    dialect: Option<Dialect>,
    events: Vec<Event>,
    skipped: u32,
    oversized: u32,
    unknown_words: u32,
}

fn decode<'a>(portions: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for portion in portions {
        decoder.push(portion, &mut events);
    }
    decoder.finish(&mut events);
    let said = Decoded {
        dialect: decoder.dialect(),
        events: events.clone(),
        skipped: decoder.skipped(),
        oversized: decoder.oversized(),
        unknown_words: decoder.unknown_words().count,
    };
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

/// What a reader that holds text back is left with.
fn text_of(decoded: &Decoded) -> String {
    let mut text = String::new();
    for event in &decoded.events {
        match event {
            Event::Text(more) => text.push_str(more),
            Event::Withdrawn(bytes) => text.truncate(text.len().checked_sub(*bytes).unwrap()),
            _ => {}
        }
    }
    text
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
    let mut told = 0_usize;
    for event in events {
        match event {
            Event::Text(text) => told += text.len(),
            Event::Withdrawn(bytes) => told = told.checked_sub(*bytes).unwrap(),
            _ => {}
        }
    }
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
            Event::Withdrawn(bytes) => writeln!(lines, "withdrawn {bytes}"),
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
    if decoded.oversized > 0 {
        writeln!(lines, "oversized {}", decoded.oversized).unwrap();
    }
    if decoded.unknown_words > 0 {
        writeln!(lines, "unknown words {}", decoded.unknown_words).unwrap();
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
        if std::env::var_os("GOLDEN").is_some_and(|golden| golden == "write") {
            std::fs::write(path.with_extension("events"), &found).unwrap();
        }
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
fn a_silence_after_a_finish_may_stand_for_the_end() {
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
        let mut early = Vec::new();
        let mut decoder = Decoder::new();
        decoder.push(body.as_bytes(), &mut early);
        assert_eq!(early, [Event::Text("a".into())], "{body}");
        assert!(decoder.is_finishing(), "{body}");
        decoder.finish_early(&mut early);
        assert_eq!(early[1..], [Event::Finish(FinishReason::Length)], "{body}");
        assert_eq!(decode([body.as_bytes()]).events[1..], [at_end], "{body}");
    }
}

/// A reply that says more after this; `true`: a silence here may stand for its end.
const MOMENTS: [(&str, bool); 14] = [
    ("data: {\"type\":\"finish\"}\n\n", true),
    ("data: {\"type\":\"finish\",\"finishReason\":\"tool_calls\"}\n\n", false),
    ("data: {\"type\":\"finish\",\"finishReason\":\"wibble\"}\n\n", false),
    (
        "data: {\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}\n\ndata: {\"type\":\"finish\"}\n\n",
        false,
    ),
    (
        "data: {\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}\n\ndata: {\"type\":\"finish\",\"finishReason\":\"stop\"}\n\n\
         data: {\"type\":\"tool-output-available\",\"toolCallId\":\"1\",\"preliminary\":true}\n\ndata: {\"type\":\"finish\"}\n\n",
        false,
    ),
    (
        "data: {\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}\n\ndata: {\"type\":\"finish\"}\n\n\
         data: {\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}\n\n",
        false,
    ),
    (
        "data: {\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}\n\n\
         data: {\"type\":\"tool-output-error\",\"toolCallId\":\"1\"}\n\ndata: {\"type\":\"finish\"}\n\n",
        true,
    ),
    ("data: {\"type\":\"finish\"}\n\ndata: {\"type\":\"message-metadata\",\"messageMetadata\":{}}\n\n", true),
    ("data: {\"type\":\"finish\"}\n\ndata: {\"type\":\"start-step\"}\n\n", false),
    ("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]},\"finish_reason\":\"stop\"}]}\n\n", false),
    ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n", false),
    ("9:{\"toolCallId\":\"1\"}\nd:{\"finishReason\":\"stop\"}\n", false),
    ("9:{\"toolCallId\":\"1\"}\na:{\"toolCallId\":\"1\"}\nd:{\"finishReason\":\"stop\"}\n", true),
    ("d:{\"finishReason\":\"tool-calls\"}\n", false),
];

#[test]
fn a_silence_is_no_end_while_a_tool_runs_or_the_run_continues() {
    for (body, may_end) in MOMENTS {
        let mut decoder = Decoder::new();
        decoder.push(body.as_bytes(), &mut Vec::new());
        assert_eq!(decoder.is_finishing(), may_end, "{body}");
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
fn text_that_cannot_be_held_fails() {
    let event =
        ["data: {\"type\":\"text-delta\",\"delta\":\"", &"x".repeat(MAX_LINE_BYTES), "\"}\n\n"].concat();
    let chunk = ["data: {\"choices\":[{\"delta\":{\"content\":\"", &"x".repeat(MAX_LINE_BYTES), "\"}}]}\n\n"]
        .concat();
    let parts = ["data: {\"choices\":[", &"{\"delta\":{}},".repeat(100_000), "{}]}\n\n"].concat();
    for body in [
        ["0:\"", &"x".repeat(MAX_LINE_BYTES)].concat(),
        ["{\"message\":\"", &"x".repeat(MAX_BODY_BYTES)].concat(),
        ["Text", &"x".repeat(MAX_BODY_BYTES)].concat(),
        ["0:\"a\"\nd:{\"finishReason\":\"tool-calls\"}\n0:\"", &"x".repeat(MAX_LINE_BYTES)].concat(),
        event.clone(),
        event + "data: [DONE]\n\n",
        chunk,
        parts,
    ] {
        let start = &body[..40.min(body.len())];
        let decoded = decode(body.as_bytes().chunks(60_000));
        assert_orderly(&decoded.events);
        assert_eq!(decoded.events.last(), Some(&Event::Failure(Failure::TooLarge)), "{start}");
        assert_eq!(joined(decoded), joined(decode([body.as_bytes()])), "{start}");
    }
}

#[test]
fn what_is_too_long_and_holds_no_text_is_read_past() {
    let large = "y\\\"".repeat(700_000);
    let lines = "data: \"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\",\n".repeat(40_000);
    let text = "data: {\"type\":\"text-delta\",\"delta\":\"a\"}\n\n";
    let finish = "data: {\"type\":\"finish\"}\n\n";
    let done = "data: [DONE]\n\n";
    let session = "data: {\"type\":\"start\",\"sessionId\":\"s\"}\n\n";
    for large in [
        format!(
            "data: {{\"output\":\"{large}\",\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}}\n\n"
        ),
        format!("data: {{\"type\":\"file\",\"url\":\"data:image/png;base64,{large}\"}}\r\n\r\n"),
        format!(
            "data: {{\"type\":\"message-metadata\",\"messageMetadata\":{{\"annotations\":[\"{large}\"]}}}}\n\n"
        ),
        format!(
            "data: {{\"type\":\"tool-output-available\",\"toolCallId\":\"1\",\"output\":[\n{lines}data: 1]}}\n\n"
        ),
    ] {
        for body in [
            [session, text, &large, text, finish, done].concat(),
            [session, text, text, finish, &large, done].concat(),
            [&large, session, text, text, finish, done].concat(),
        ] {
            let decoded = decode(body.as_bytes().chunks(70_001));
            assert_eq!(text_of(&decoded), "aa");
            assert_eq!(decoded.events.last(), Some(&Event::Finish(FinishReason::Stop)));
            assert_eq!((decoded.oversized, decoded.skipped), (1, 0));
            assert_eq!(decoded.dialect, Some(Dialect::UiMessage));
            assert_eq!(decoded, decode([body.as_bytes()]));
        }
    }
    for (body, dialect) in [
        (
            format!("0:\"a\"\na:{{\"toolCallId\":\"1\",\"result\":\"{large}\"}}\n0:\"a\"\nd:{{}}\n"),
            Dialect::DataStream,
        ),
        (format!("0:\"aa\"\nd:{{}}\n8:[\"{large}\"]\n"), Dialect::DataStream),
        (
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"aa\"}}}}]}}\n\n\
                 data: {{\"metadata\":\"{large}\",\"choices\":[{{\"delta\":{{}}}}]}}\n\ndata: [DONE]\n\n"
            ),
            Dialect::OpenAiChunk,
        ),
    ] {
        let decoded = decode(body.as_bytes().chunks(70_001));
        assert_eq!(
            (text_of(&decoded).as_str(), decoded.oversized, decoded.dialect),
            ("aa", 1, Some(dialect))
        );
        assert_eq!(decoded.events.last(), Some(&Event::Finish(FinishReason::Stop)));
        assert_eq!(decoded, decode([body.as_bytes()]));
    }
}

#[test]
fn metadata_of_tools_and_data_parts_names_no_session() {
    let own = serde_json::json!({"sessionId": "s", "annotations": [{"chatSessionId": "s"}]});
    for kind in [
        "tool-input-available",
        "tool-output-available",
        "source-url",
        "file",
        "data-x",
        "custom",
        "steering-message",
    ] {
        let event = serde_json::json!({"type": kind, "metadata": own, "annotations": [own], "data": own});
        let decoded = decode([format!("data: {event}\n\ndata: [DONE]\n\n").as_bytes()]);
        let names = |event: &Event| matches!(event, Event::Session(_));
        assert!(!decoded.events.iter().any(names), "{decoded:?}");
    }
}

#[test]
fn a_large_tool_output_ends_its_call() {
    let large = "y".repeat(2 * MAX_LINE_BYTES);
    let mut decoder = Decoder::new();
    let body = format!(
        "data: {{\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}}\n\n\
         data: {{\"output\":\"{large}\",\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}}\n\n\
         data: {{\"type\":\"finish\"}}\n\n"
    );
    decoder.push(body.as_bytes(), &mut Vec::new());
    assert!(decoder.is_finishing());
}

/// What an app of the emulator's streams, if it comes through and is not coded.
fn streamed(emulator: &Emulator, behaviour: &Behaviour) -> Option<Vec<u8>> {
    let body = serde_json::json!({"model": behaviour.app, "stream": true,
        "messages": [{"role": "user", "content": "Za\u{17c}\u{f3}\u{142}\u{107} \u{1f980}"}]});
    let sent = ureq::post(&format!("{}/chat/completions", emulator.base_url()))
        .header("authorization", "Bearer live_test")
        .header("content-type", "application/json")
        .send(body.to_string());
    let mut response = sent.ok().filter(|response| response.headers().get("content-encoding").is_none())?;
    response.body_mut().with_config().limit(64 << 20).read_to_vec().ok()
}

#[test]
fn what_apps_stream_says_the_same_byte_by_byte_and_in_portions() {
    let quick = std::time::Duration::from_millis(1);
    let options = Options { think: quick, word_pause: quick, ..Options::default() };
    let emulator = Emulator::start(options).unwrap();
    emulator.open_wide("Za\u{17c}\u{f3}\u{142}\u{107} \u{1f980}");
    let mut count = 0;
    for behaviour in BEHAVIOURS.iter().filter(|behaviour| behaviour.streamed != Ends::Never) {
        let Some(body) = streamed(&emulator, behaviour) else { continue };
        count += 1;
        let whole = joined(decode([body.as_slice()]));
        assert_orderly(&whole.events);
        // The bytes of an unframed body are all there; that it is not to be trusted is HTTP's affair.
        let is_answer = matches!(behaviour.streamed, Ends::Answer | Ends::Empty | Ends::Withdrawn)
            || behaviour.name == "unframed";
        let is_finish = |event: &Event| matches!(event, Event::Finish(_));
        assert_eq!(whole.events.iter().any(is_finish), is_answer, "{}: {whole:?}", behaviour.name);
        for size in [1, 7, 4096, 100_003] {
            if size > 1 || body.len() < 100_000 {
                assert_eq!(joined(decode(body.chunks(size))), whole, "{} by {size}", behaviour.name);
            }
        }
    }
    assert!(count > 80, "{count}");
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
        "{\"type\":\"tool-input-available\",\"toolCallId\":\"1\"}",
        "{\"type\":\"tool-output-available\",\"toolCallId\":\"1\"}",
        "{\"type\":\"start\",\"sessionId\":\"t\"}",
        "{\"type\":\"start-step\"}",
        "{\"type\":\"reset-step\"}",
        "{\"type\":\"finish\",\"finishReason\":\"tool_calls\"}",
        "{\"type\":\"finish\",\"finishReason\":\"wibble\"}",
        "{\"type\":\"text\",\"delta\":\"raw\"}",
        "{\"type\":\"done\",\"finishReason\":\"stop\"}",
        "{\"type\":\"done\",\"finishReason\":\"human_takeover\"}",
        "{\"type\":\"of-tomorrow\"}",
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
        "a:{\"toolCallId\":\"1\"}\n",
        "d:{\"finishReason\":\"tool-calls\"}\n",
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
