use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ids::ResponseId;
use crate::openai::Error;
use crate::openai::chat::{Called, CalledKind, Format, ToolChoice};
use crate::openai::usage::Usage;

const SCHEMAS: &str = include_str!("../../../tests/data/openai.json");

fn parse(fields: &str) -> Result<String, Error> {
    let body = format!(r#"{{"model":"m","input":"hi",{fields}}}"#);
    ResponseRequest::parse(body.as_bytes()).map(|request| request.echo)
}

/// The properties of a schema and of all its parts.
fn properties<'s>(all: &'s Value, schema: &'s Value, into: &mut BTreeSet<&'s str>) {
    if let Some(reference) = schema["$ref"].as_str() {
        properties(all, all.pointer(reference.trim_start_matches('#')).unwrap(), into);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        properties(all, part, into);
    }
    into.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()));
}

#[test]
fn the_table_has_exactly_openais_fields() {
    let all: Value = serde_json::from_str(SCHEMAS).unwrap();
    let mut known = BTreeSet::new();
    properties(&all, &all["$defs"]["CreateResponse"], &mut known);
    let table: BTreeSet<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
    assert_eq!(table, known);
    assert_eq!(table.len(), PARAMETERS.len());
}

#[test]
fn null_is_as_good_as_nothing_and_another_type_is_named() {
    for parameter in PARAMETERS {
        let name = parameter.name;
        if name != "model" && name != "input" {
            parse(&format!(r#""{name}":null"#)).unwrap();
        }
        let odd = if matches!(name, "input" | "conversation") { "5" } else { "[[5]]" };
        let error = parse(&format!(r#""{name}":{odd}"#)).unwrap_err();
        let param = error.param.unwrap();
        assert_eq!((&*param.replace("[0]", ""), error.code), (name, Some("invalid_type")));
    }
}

#[test]
fn what_is_asked_for_is_read() {
    let body = br#"{"model":"m","input":[{"role":"user","content":"a"},{"type":"item_reference","id":"msg_1"},{"id":"msg_2"}],
        "tools":[{"type":"function","name":"f","parameters":null},{"type":"custom","name":"g","format":
            {"type":"grammar","syntax":"lark","definition":"x"}}],
        "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"custom","name":"g"}]},
        "text":{"format":{"type":"json_object"}},"store":false,"safety_identifier":"s","user":"u","zebra":1,"top_p":0.5,
        "truncation":"auto","conversation":"conv_1","stream":true,"stream_options":{"include_obfuscation":false}}"#;
    let request = ResponseRequest::parse(body).unwrap();
    let references = request.input.iter().filter_map(|given| match given {
        Given::Reference(id, place) => Some((id.as_str(), *place)),
        Given::Item(_) => None,
    });
    let references: Vec<_> = references.collect();
    assert_eq!(references, [("msg_1", 1), ("msg_2", 2)]);
    let offer = request.offer.unwrap();
    assert_eq!((offer.choice, &*offer.tools[0].name, offer.tools.len()), (ToolChoice::Required, "g", 1));
    assert_eq!((request.format, request.store, request.stream), (Format::JsonObject, false, true));
    assert_eq!((request.user.as_deref(), request.conversation.as_deref()), (Some("s"), Some("conv_1")));
    assert_eq!((request.ignored, request.unknown), (vec!["top_p"], vec!["zebra".into()]));
    let echo: Value = serde_json::from_str(&format!("{{{}}}", request.echo)).unwrap();
    assert_eq!(echo["conversation"], json!({"id": "conv_1"}));
    assert_eq!(
        echo["tools"][0],
        json!({"type": "function", "name": "f", "parameters": null, "strict": true})
    );
    assert_eq!(echo["tools"][1]["format"], json!({"type": "grammar", "syntax": "lark", "definition": "x"}));
    assert_eq!((&echo["top_p"], &echo["temperature"]), (&json!(0.5), &json!(1.0)));
}

fn draft() -> Draft {
    let echo = parse(r#""metadata":{"a":"b\""}"#).unwrap();
    Draft { id: ResponseId::mint(), created_at: 1_700_000_000, model: "gpt-\"4o\"".to_owned(), echo }
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let events = text.strip_suffix("\n\n").unwrap_or(text).split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

#[test]
fn a_failure_is_told_whenever_it_comes() {
    for has_spoken in [false, true] {
        let mut stream = Stream::new(draft());
        let mut out = Vec::new();
        if has_spoken {
            stream.begin(&mut out);
            stream.text("Hel", &mut out);
        }
        stream.fail(&Error::upstream_timeout(), &mut out);
        let events = events(&out);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.failed");
        assert_eq!(last["sequence_number"], events.len() - 1);
        assert_eq!(last["response"]["error"]["code"], "server_error");
        assert_eq!(last["response"]["status"], "failed");
    }
}

#[test]
fn plain_and_streamed_answers_are_the_same_object() {
    let draft = draft();
    let called = Called { kind: CalledKind::Function, name: "f".into(), input: "{}".into() };
    let usage = Usage { prompt_tokens: 3, completion_tokens: 4 };
    let whole = draft.whole("Hi", [("call_1", &called)], Status::MaxOutputTokens, usage, 1_700_000_001);
    let mut stream = Stream::new(draft);
    let mut out = Vec::new();
    stream.begin(&mut out);
    stream.text("H", &mut out);
    stream.text("i", &mut out);
    stream.call("call_1", &called, &mut out);
    stream.finish(Status::MaxOutputTokens, &mut out);
    let settled = stream.settle(usage, 1_700_000_001);
    stream.end(&mut out);
    let object: Value = serde_json::from_str(&whole.json).unwrap();
    let streamed: Value = serde_json::from_str(&settled.json).unwrap();
    assert_eq!(
        object["usage"],
        json!({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7})
    );
    assert_eq!(object["incomplete_details"]["reason"], "max_output_tokens");
    // A message that was whole before something was called is complete.
    assert_eq!(streamed["output"][0]["status"], "completed");
    assert_eq!((&object["output"][1], &object["id"]), (&streamed["output"][1], &streamed["id"]));
    assert_eq!(events(&out).last().unwrap()["type"], "response.incomplete");
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Call(CalledKind, String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        "[a-z\"\n\u{e4}]{1,80}".prop_map(Step::Text),
        "\\{[a-z\"]{0,90}\\}".prop_map(|input| Step::Call(CalledKind::Function, input)),
        "[a-z\n]{0,9}".prop_map(|input| Step::Call(CalledKind::Custom, input)),
    ];
    proptest::collection::vec(step, 0..6)
}

proptest! {
    #[test]
    fn events_are_numbered_without_gaps_and_ends_repeat_what_they_end(steps in steps(), after in 0..30_u64) {
        let mut stream = Stream::new(draft());
        let mut out = Vec::new();
        stream.begin(&mut out);
        for step in &steps {
            match step {
                Step::Text(text) => stream.text(text, &mut out),
                Step::Call(kind, input) => {
                    let called = Called { kind: *kind, name: "f".to_owned(), input: input.clone() };
                    stream.call("call_1", &called, &mut out);
                }
            }
        }
        stream.finish(Status::Completed, &mut out);
        let whole = stream.settle(Usage::default(), 1_700_000_001);
        stream.end(&mut out);
        let told = events(&out);
        let mut said = String::new();
        let mut items = Vec::new();
        for (number, event) in told.iter().enumerate() {
            prop_assert_eq!(&event["sequence_number"], number);
            if event.get("output_index").is_some() {
                prop_assert_eq!(&event["output_index"], items.len());
            }
            if let Some(delta) = event["delta"].as_str() {
                said.push_str(delta);
            }
            for key in ["text", "arguments", "input"] {
                if let Some(all) = event[key].as_str() {
                    prop_assert_eq!(all, &said);
                    said.clear();
                }
            }
            if event["type"] == "response.output_item.done" {
                items.push(event["item"].clone());
            }
        }
        prop_assert!(!items.is_empty());
        prop_assert_eq!(&told.last().unwrap()["response"]["output"], &json!(items));
        let ids: BTreeSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        prop_assert_eq!(ids.len(), items.len());

        let again = events(&replay(&whole.json, None).unwrap());
        let kinds = |events: &[Value]| {
            let mut kinds: Vec<String> = events.iter().map(|event| event["type"].to_string()).collect();
            kinds.dedup();
            kinds
        };
        // Arguments of no length have no delta in a stream that runs; told again they have an empty one.
        let loud = |kinds: Vec<String>| kinds.into_iter().filter(|kind| !kind.contains("delta")).collect::<Vec<_>>();
        prop_assert_eq!(loud(kinds(&again)), loud(kinds(&told)));
        prop_assert_eq!(&again.last().unwrap()["response"], &told.last().unwrap()["response"]);
        let rest = events(&replay(&whole.json, Some(after)).unwrap());
        prop_assert_eq!(rest.len(), again.len().saturating_sub(usize::try_from(after).unwrap() + 1));
    }
}
