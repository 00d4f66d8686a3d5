//! What takes calls and JSON out of texts, fed with mutated ones for as long as is wanted: `FUZZ_SECONDS=600 cargo test
//! --release --test fuzz`. In an ordinary run it takes a few seconds.
//!
//! Of every text it is checked that nobody panics or takes long, that it is heard alike however it is split, that what
//! goes out in a JSON format is valid, that calls are of tools on offer with arguments that these take, and that words
//! without a call go out as they are.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::time::{Duration, Instant};

use chipp_proxy::catalog::Route;
use chipp_proxy::config::{Config, Environment};
use chipp_proxy::openai::chat::{Called, ChatRequest};
use chipp_proxy::translate::schema::Checker;
use chipp_proxy::translate::terms::{Ended, Terms, Verdict};
use serde_json::{Value, json};

/// How long one text may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest text, in bytes.
const MAX_BYTES: usize = 4 << 10;

const SEEDS: &[&str] = &[
    r#"{"tool_calls":[{"name":"time","arguments":{}}]}"#,
    r#"{"tool_calls":[{"name":"weather","arguments":{"city":"Ulm","days":[1,2]}},{"name":"shell","input":"ls"}]}"#,
    "Let me see.\n\n```json\n{\"name\": \"time\", \"arguments\": \"{}\"}\n```\nDone.",
    "<tool_call>\n{\"name\":\"weather\",\"parameters\":{\"city\":\"\u{e4}\"}}\n</tool_call>",
    r#"[{"type":"function","function":{"name":"time","arguments":"{}"}}]"#,
    r#"{"function_call":{"name":"weather","arguments":"{\"city\":\"x\"}"}}"#,
    "{\"tool_calls\":[{\"name\":\"time\"}]}\n[result of time]\nnoon\n{\"tool_calls\":[{\"name\":\"shell\"}]}",
    r#"{"x": 1, "tags": ["a", "\u00e4"]}"#,
    "Here it is: {\"x\":1,\"tags\":[]} and [2] and {\"x\":\"y\"}",
    "if (a < b) { return `c[0]`; } // {} [] `` <b>",
    r#"{"tool_calls":[]}"#,
    "{\"name\":\"time\",\"arguments\":{\"a\":1,}}",
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "`",
    "```",
    "```json\n",
    "<tool_call>",
    "</tool_call>",
    "\n",
    " ",
    "\"name\"",
    "\"arguments\"",
    "\"tool_calls\"",
    "time",
    "weather",
    "\"x\"",
    "1e999",
    "null",
    "\u{1f980}",
    "\u{0}",
    "{\"name\":\"time\"",
    "{\"tool_calls\":[",
];

/// Chance that can be had again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (most.max(1) as u64)).unwrap()
    }

    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn mutated(chance: &mut Chance, corpus: &[String]) -> String {
    let mut text = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(5) {
        let (from, to) = (chance.place(&text), chance.place(&text));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(6) {
            0 => text.insert_str(from, PIECES[chance.below(PIECES.len())]),
            1 => text.replace_range(from..to, ""),
            2 => {
                let piece = text[from..to].to_owned();
                let at = chance.place(&text);
                text.insert_str(at, &piece);
            }
            3 => text.truncate(to),
            4 => {
                let other = &corpus[chance.below(corpus.len())];
                let (start, end) = (chance.place(other), chance.place(other));
                text.insert_str(from, &other[start.min(end)..start.max(end)]);
            }
            _ => text.replace_range(from..to, PIECES[chance.below(PIECES.len())]),
        }
    }
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

struct Offer {
    terms: Terms,
    has_tools: bool,
    has_format: bool,
    must: bool,
}

fn offers() -> Vec<Offer> {
    let config = Config::parse(
        "upstream: {api_key: k}\nmodels: {m: a-1}\nauth: {mode: open}",
        &Environment::default(),
    );
    let route = Route::clone(config.unwrap().models.resolve("m").unwrap());
    let function = |name: &str, parameters: Value| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
    let tools = json!([function("time", time()), function("weather", weather()),
        {"type": "custom", "custom": {"name": "shell"}}]);
    let format = json!({"type": "json_schema", "json_schema": {"name": "point", "schema": point()}});
    let table = [
        (json!({"tools": tools}), true, false, false),
        (json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false}), true, false, true),
        (json!({"response_format": format}), false, true, false),
        (json!({"tools": tools, "response_format": format}), true, true, false),
    ];
    let made = table.into_iter().map(|(mut body, has_tools, has_format, must)| {
        body["model"] = json!("m");
        body["messages"] = json!([{"role": "user", "content": "hi"}]);
        let body = body.to_string();
        let terms = Terms::of(&ChatRequest::parse(body.as_bytes()).unwrap(), &route).unwrap().unwrap();
        Offer { terms, has_tools, has_format, must }
    });
    made.collect()
}

fn time() -> Value {
    json!({"type": "object", "properties": {}})
}

fn weather() -> Value {
    json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"},
        "days": {"type": "array", "items": {"type": "integer"}}}, "additionalProperties": false})
}

fn point() -> Value {
    json!({"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": false})
}

type Outcome = (String, Result<(Vec<Called>, bool), String>);

fn hear(terms: &Terms, pieces: &[&str], ended: Ended) -> Outcome {
    let mut reader = terms.reader();
    let out: String = pieces.iter().map(|piece| reader.push(piece)).collect();
    match reader.finish(ended) {
        Verdict::Good(heard) => (out + &heard.rest, Ok((heard.calls, heard.is_faithful))),
        Verdict::Bad(problems) => (out, Err(terms.repair(&problems))),
    }
}

fn check(offer: &Offer, text: &str, chance: &mut Chance, checkers: &[(&str, Checker)]) {
    let ended =
        [Ended::Complete, Ended::Complete, Ended::Stop, Ended::Length, Ended::Filtered][chance.below(5)];
    let whole = hear(&offer.terms, &[text], ended);
    let (first, second) = (chance.place(text), chance.place(text));
    let (first, second) = (first.min(second), first.max(second));
    let split = hear(&offer.terms, &[&text[..first], &text[first..second], &text[second..]], ended);
    assert_eq!(split, whole, "{text:?} split at {first} and {second}");
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(hear(&offer.terms, &letters, ended), whole, "{text:?} letter by letter");

    let (out, Ok((calls, is_faithful))) = &whole else { return };
    for call in calls {
        assert!(offer.has_tools, "{text:?}");
        let Some((_, checker)) = checkers.iter().find(|(name, _)| *name == call.name) else {
            assert_eq!(call.name, "shell", "{text:?}");
            continue;
        };
        let arguments: Value = serde_json::from_str(&call.input).unwrap();
        assert!(checker.problems(&arguments).is_empty(), "{text:?}: {call:?}");
    }
    let is_whole = matches!(ended, Ended::Complete | Ended::Stop);
    assert!(!offer.must || !is_whole || calls.len() == 1, "{text:?}: {calls:?}");
    if offer.has_format {
        let is_silent = out.is_empty() && (!calls.is_empty() || !is_whole);
        let valid = || {
            let (_, checker) = checkers.last().unwrap();
            serde_json::from_str(out).is_ok_and(|value: Value| checker.problems(&value).is_empty())
        };
        assert!(is_silent || valid(), "{text:?}: {out:?}");
        assert!(is_silent || text.contains(out.as_str()), "{text:?}: {out:?}");
    } else if calls.is_empty() && is_whole {
        assert_eq!(out, text);
        assert!(is_faithful);
    } else {
        assert!(text.starts_with(out.as_str()), "{text:?}: {out:?}");
    }
}

#[test]
fn mutated_texts_are_heard_as_they_should_be() {
    let seconds = setting("FUZZ_SECONDS", 3);
    let mut chance = Chance(setting("FUZZ_SEED", 20_261_127));
    let offers = offers();
    let checkers = [("time", time()), ("weather", weather()), ("point", point())];
    let checkers = checkers.map(|(name, schema)| (name, Checker::new(schema).unwrap()));
    let mut corpus: Vec<String> = SEEDS.iter().map(|&text| text.to_owned()).collect();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut texts, mut slowest) = (0_u64, Duration::ZERO);
    while Instant::now() < end {
        let text = mutated(&mut chance, &corpus);
        let started = Instant::now();
        for offer in &offers {
            check(offer, &text, &mut chance, &checkers);
        }
        let took = started.elapsed();
        assert!(took < PATIENCE, "{text:?} took {took:?}");
        slowest = slowest.max(took);
        texts += 1;
        // What was made goes on to be changed, so that texts wander.
        if chance.below(8) == 0 {
            let at = SEEDS.len() + chance.below(256);
            if at < corpus.len() { corpus[at] = text } else { corpus.push(text) }
        }
    }
    println!("{texts} texts in {seconds} s, under four offers each; the slowest took {slowest:?}");
}
