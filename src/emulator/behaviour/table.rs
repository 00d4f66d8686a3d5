//! The table of pretend apps: one row, one behaviour.

use super::Ends::{Answer, Broken, BrokenOnce, Empty, Never, Refused, RefusedOnce};
use super::{
    Act, Behaviour, Ends, Fails, Form, Memory, Refusal, Reveals, Says, Storing, TALK, Tale, Talk, Wire,
};
use crate::emulator::dialect::Dialect::{self, DataStream, OpenAiChunks, UiMessage};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
const TEXT: &[(&str, &str)] = &[("content-type", "text/plain; charset=utf-8")];
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\
    <body><h1>502 Bad Gateway</h1></body></html>\n";

/// A row; the app's id is made from the name.
macro_rules! row {
    ($name:literal, $plain:expr, $streamed:expr, $act:expr, $about:literal) => {
        Behaviour {
            name: $name,
            app: concat!("emu-", $name, "-1"),
            about: $about,
            plain: $plain,
            streamed: $streamed,
            act: $act,
        }
    };
}

/// An app that answers well both ways.
macro_rules! good {
    ($name:literal, $talk:expr, $about:literal) => {
        row!($name, Answer, Answer, Act::Talk($talk), $about)
    };
}

/// An app that fails only in streams.
macro_rules! bad_stream {
    ($name:literal, $talk:expr, $about:literal) => {
        row!($name, Answer, Broken, Act::Talk($talk), $about)
    };
}

const fn told(dialect: Dialect, tale: Tale) -> Talk {
    TALK.dialect(dialect).tale(tale)
}

/// An app that always gives the same reply, the same both ways.
const fn fixed(
    name: (&'static str, &'static str),
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    about: &'static str,
) -> Behaviour {
    let ends: Ends = if status == 200 { Broken } else { Refused(status) };
    let refusal = Refusal { status, headers, body, storing: Storing::Nothing };
    Behaviour { name: name.0, app: name.1, about, plain: ends, streamed: ends, act: Act::Refuse(refusal) }
}

/// An app that gives this reply to each message that it hears for the first time.
const fn once(
    name: (&'static str, &'static str),
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    about: &'static str,
) -> Behaviour {
    let ends = RefusedOnce(status);
    let refusal = Refusal { status, headers, body, storing: Storing::Nothing };
    let act = Act::Once(Fails::With(refusal));
    Behaviour { name: name.0, app: name.1, about, plain: ends, streamed: ends, act }
}

/// The name and the id of a [`fixed`] app.
macro_rules! named {
    ($name:literal) => {
        ($name, concat!("emu-", $name, "-1"))
    };
}

/// All pretend apps, the ordinary ones first.
#[rustfmt::skip] // A table is read by its columns.
pub const BEHAVIOURS: &[Behaviour] = &[
    good!("gpt-4o", TALK, "an ordinary app, dialect C"),
    good!("gpt-4o-mini", TALK, "another ordinary app, dialect C"),
    // The dialects of streams.
    good!("dialect-a", TALK.dialect(OpenAiChunks), "streams dialect A: OpenAI chunks without a role or usage"),
    good!("dialect-b", TALK.dialect(DataStream), "streams dialect B: the AI SDK 4 data stream"),
    good!("dialect-c", TALK.dialect(UiMessage), "streams dialect C: the AI SDK 5 UI message stream"),
    good!("json-for-stream", TALK.tale(Tale::PlainReply), "answers a stream request with a plain JSON reply"),
    good!("plain-text", TALK.tale(Tale::BareText), "answers a stream request with bare text"),
    good!("unframed-deltas", TALK.tale(Tale::Unframed), "streams text deltas without start or text-start"),
    good!("split-a", TALK.dialect(OpenAiChunks).wire(Wire::Bytewise).says(Says::Accents), "dialect A, every byte in a chunk of its own"),
    good!("split-b", TALK.dialect(DataStream).wire(Wire::Bytewise).says(Says::Accents), "dialect B, every byte in a chunk of its own"),
    good!("split-utf8", TALK.wire(Wire::Bytewise).says(Says::Accents), "dialect C, every byte in a chunk of its own"),
    good!("crlf", TALK.wire(Wire::Crlf), "dialect C, lines end in CR LF"),
    good!("crlf-b", TALK.dialect(DataStream).wire(Wire::Crlf), "dialect B, lines end in CR LF"),
    good!("noise", TALK.tale(Tale::Noise), "comments, odd fields, unknown events and malformed lines between the deltas"),
    good!("unterminated", TALK.tale(Tale::Unterminated), "the stream's last line has no line end"),
    // What replies hold.
    good!("null-usage", TALK.dialect(DataStream).form(Form::NullUsage), "completion tokens are null"),
    good!("sparse-reply", TALK.form(Form::Sparse), "the plain reply holds only chatSessionId and choices[].message"),
    good!("no-usage", TALK.dialect(OpenAiChunks).form(Form::NoUsage), "no usage in any reply"),
    good!("message-string", TALK.form(Form::Message).tale(Tale::PlainReply), "the reply is a string `message` at the top"),
    good!("response-string", TALK.form(Form::Response).tale(Tale::PlainReply), "the reply is a string `response` at the top"),
    row!("empty-content", Empty, Empty, Act::Talk(TALK.says(Says::Fixed(""))), "the answer is empty, although tokens were used"),
    row!("empty-choices", Empty, Empty, Act::Talk(TALK.form(Form::NoChoices).tale(Tale::PlainReply).says(Says::Fixed(""))), "the reply's choices are an empty list"),
    row!("empty-but-stored", Empty, Empty, Act::Talk(TALK.says(Says::Unsaid)), "the answer is empty, but the transcript holds one"),
    good!("finish-length", TALK.finish("length"), "the answer ends at the model's limit"),
    good!("content-filter", TALK.finish("content-filter"), "the answer ends at a filter"),
    good!("several-text-blocks", TALK.tale(Tale::Blocks), "several text blocks, parted by a tool step"),
    good!("tool-events", TALK.tale(Tale::ToolUse), "the app's own tool runs, silently and slowly, before the answer"),
    good!("tool-events-b", told(DataStream, Tale::ToolUse), "the same in dialect B"),
    good!("reasoning", TALK.tale(Tale::Reasoning), "reasoning before the answer"),
    good!("reasoning-b", told(DataStream, Tale::Reasoning), "the same in dialect B"),
    good!("relative-link", TALK.says(Says::Fixed("Here it is: [report](/files/report.pdf).")), "the answer links to a path on Chipp's host"),
    good!("long-answer", TALK.says(Says::Long), "an answer of 2000 words"),
    // Where the session is named.
    good!("header-session-id", TALK.reveals(Reveals::Header), "a stream names its session in the header only"),
    good!("event-session-id", TALK.reveals(Reveals::Event), "a stream names its session in an event only"),
    good!("event-session-id-a", TALK.dialect(OpenAiChunks).reveals(Reveals::Event), "the same in dialect A"),
    good!("event-session-id-b", TALK.dialect(DataStream).reveals(Reveals::Event), "the same in dialect B"),
    good!("late-session-id", TALK.reveals(Reveals::Late), "a stream names its session after the finish"),
    good!("no-session-id", TALK.reveals(Reveals::Never), "a stream never names its session; the plain reply does"),
    good!("metadata-after-finish", TALK.tale(Tale::MetadataAfter).reveals(Reveals::Header), "metadata with usage after the finish"),
    good!("persisted-message-id-only", TALK.tale(Tale::MessageIdOnly).reveals(Reveals::Never), "a stream names a message id, which is no session id"),
    // Memory.
    good!("forgetful", TALK.memory(Memory::Lost), "at every second turn, silently a new session"),
    good!("commanded", TALK, "ordinary, but `act as: NAME` in the newest message makes it act as another alias of this table"),
    good!("missing-session-404", TALK.memory(Memory::Missing), "at every second turn, and for unknown ids, 404 for the session"),
    // Time.
    good!("slow-first-byte", TALK.wire(Wire::LateHead), "thinks long before the first byte"),
    good!("slow-words", TALK.tale(Tale::SlowWords), "a pause before each word"),
    good!("gated", TALK.tale(Tale::Gated), "each word waits for a gate, named as the newest message, that a test opens"),
    row!("stall", Never, Never, Act::Talk(TALK.tale(Tale::Stall)), "half an answer, then nothing until the client leaves"),
    row!("silent", Never, Never, Act::Silence, "no byte until the client leaves"),
    // Streams that break.
    bad_stream!("stream-error-a", told(OpenAiChunks, Tale::ErrorMidway), "dialect A, an error after some text"),
    bad_stream!("stream-error-b", told(DataStream, Tale::ErrorMidway), "dialect B, an error after some text"),
    bad_stream!("stream-error-c", told(UiMessage, Tale::ErrorMidway), "dialect C, an error after some text"),
    bad_stream!("error-first", TALK.tale(Tale::ErrorFirst), "an error event before any text"),
    bad_stream!("abort", TALK.tale(Tale::Abort), "the app aborts after some text"),
    bad_stream!("cut-a", told(OpenAiChunks, Tale::Cut), "dialect A, the stream is cut after some text"),
    bad_stream!("cut-b", told(DataStream, Tale::Cut), "dialect B, the stream is cut after some text"),
    bad_stream!("cut-c", told(UiMessage, Tale::Cut), "dialect C, the stream is cut after some text"),
    bad_stream!("cut-after-store", TALK.tale(Tale::CutStored), "the stream is cut, but the turn is stored"),
    bad_stream!("cut-chunk", TALK.tale(Tale::CutInChunk), "the stream is cut inside an HTTP chunk"),
    // HTTP that breaks.
    row!("cut-plain", Broken, Broken, Act::Talk(TALK.form(Form::Short).tale(Tale::PlainReply)), "a plain reply, shorter than its content-length"),
    row!("unframed", Broken, Broken, Act::Talk(TALK.wire(Wire::Unframed)), "a 200 with neither content-length nor chunked, closed at its end"),
    good!("interim-103", TALK.wire(Wire::Interim), "a 103 alone before the 200"),
    row!("reset-before", Broken, Broken, Act::Reset(Storing::Nothing), "the connection is reset before the first byte"),
    row!("reset-after-store", Broken, Broken, Act::Reset(Storing::Turn), "the turn is stored, then the connection is reset"),
    // Errors.
    fixed(named!("html-for-stream"), 200, HTML, PAGE, "a web page under status 200"),
    fixed(named!("error-under-200"), 200, JSON, r#"{"error":"Internal Server Error"}"#, "an error object under status 200"),
    fixed(named!("empty-200"), 200, JSON, "", "status 200 without a body"),
    fixed(named!("redirect-302"), 302, &[("location", "https://example.invalid/moved")], "", "a redirect to another host"),
    fixed(named!("image-unsupported-400"), 400, JSON, r#"{"error":"IMAGE_INPUT_UNSUPPORTED_BY_MODEL","message":"This model cannot read images."}"#, "400, a code with its message beside it"),
    fixed(named!("key-401"), 401, JSON, r#"{"error":"Invalid API key"}"#, "401, the key is wrong"),
    fixed(named!("plan-401"), 401, JSON, r#"{"error":"This API is only available on a paid plan.  Visit your dashboard to upgrade."}"#, "401, a paid plan is needed"),
    fixed(named!("credits-402"), 402, JSON, r#"{"error":"You have used up your credits."}"#, "402, no credits left"),
    fixed(named!("route-404"), 404, JSON, r#"{"error":"Not Found","message":"Route POST /api/v1/chat/completions not found"}"#, "404 of a route, as for a wrong base URL"),
    fixed(named!("rate-429"), 429, &[("content-type", "application/json"), ("retry-after", "2")], r#"{"error":"Too many requests"}"#, "429 with Retry-After: 2"),
    fixed(named!("rate-429-bare"), 429, JSON, r#"{"error":"Too many requests"}"#, "429 without Retry-After"),
    fixed(named!("rate-429-hour"), 429, &[("content-type", "application/json"), ("retry-after", "3600")], r#"{"error":"Too many requests"}"#, "429 with Retry-After: 3600"),
    once(named!("once-429"), 429, &[("content-type", "application/json"), ("retry-after", "1")], r#"{"error":"Too many requests"}"#, "429 with Retry-After: 1 for each new message, until it comes again"),
    once(named!("once-500"), 500, JSON, r#"{"error":"Internal Server Error"}"#, "500 for each new message, until it comes again"),
    once(named!("once-503"), 503, JSON, r#"{"error":"Service Unavailable"}"#, "503 for each new message, until it comes again"),
    row!("once-reset", BrokenOnce, BrokenOnce, Act::Once(Fails::Reset), "the connection is reset for each new message, until it comes again"),
    fixed(named!("error-500"), 500, JSON, r#"{"error":"Internal Server Error"}"#, "500, nothing is stored"),
    row!("error-500-after-store", Refused(500), Refused(500), Act::Refuse(Refusal {
        status: 500, headers: JSON, body: r#"{"error":"Internal Server Error"}"#, storing: Storing::Turn,
    }), "500, but the turn is stored"),
    fixed(named!("empty-500"), 500, &[], "", "500 without a body"),
    fixed(named!("error-object"), 500, JSON, r#"{"error":{"code":"MODEL_FAILED","message":"The model failed."}}"#, "500, the error is an object"),
    fixed(named!("upper-code"), 500, JSON, r#"{"error":"INTERNAL_FAILURE","message":"Something went wrong."}"#, "500, a code with its message beside it"),
    fixed(named!("html-502"), 502, HTML, PAGE, "502 as a web page"),
    fixed(named!("unavailable-503"), 503, JSON, r#"{"error":"Service Unavailable"}"#, "503"),
    row!("flaky-503", RefusedOnce(503), RefusedOnce(503), Act::Talk(TALK.memory(Memory::FlakyOpening)), "503 for the first request of each conversation, until it comes again"),
    fixed(named!("text-524"), 524, TEXT, "error code: 524", "524 as plain text"),
];
