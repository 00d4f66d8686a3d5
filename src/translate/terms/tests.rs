use proptest::prelude::*;

use super::*;
use crate::config::{Config, Environment};

const TOOLS: &str = r#""tools":[
    {"type":"function","function":{"name":"time","parameters":{"type":"object","properties":{}}}},
    {"type":"function","function":{"name":"weather","description":"It \"rains\".","parameters":{"type":"object",
     "required":["city"],"properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}},
    {"type":"custom","custom":{"name":"shell"}}]"#;

const SCHEMA: &str = r#""response_format":{"type":"json_schema","json_schema":{"name":"point","schema":
    {"type":"object","required":["x"],"properties":{"x":{"type":"integer"}}}}}"#;

fn route() -> Route {
    let config = Config::parse(
        "upstream: {api_key: k}\nmodels: {m: a-1}\nauth: {mode: open}",
        &Environment::default(),
    );
    Route::clone(config.unwrap().models.resolve("m").unwrap())
}

fn asked(fields: &str) -> Result<Option<Terms>, Error> {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{fields}}}"#);
    Terms::of(&ChatRequest::parse(body.as_bytes()).unwrap(), &route())
}

fn terms(fields: &str) -> Terms {
    asked(fields).unwrap().unwrap()
}

/// What went out while it was said, and the verdict.
fn said(terms: &Terms, text: &str, ended: Ended) -> (String, Verdict) {
    let mut reader = terms.reader();
    let mut out = String::new();
    for letter in text.chars() {
        out.push_str(&reader.push(letter.encode_utf8(&mut [0; 4])));
    }
    (out, reader.finish(ended))
}

#[track_caller]
fn heard(fields: &str, text: &str) -> (String, Vec<(String, String)>, bool) {
    let (mut out, verdict) = said(&terms(fields), text, Ended::Complete);
    let Verdict::Good(heard) = verdict else { panic!("{verdict:?}") };
    out.push_str(&heard.rest);
    (out, heard.calls.into_iter().map(|call| (call.name, call.input)).collect(), heard.is_faithful)
}

#[track_caller]
fn wrong(fields: &str, text: &str) -> Vec<String> {
    let Verdict::Bad(Problems(problems)) = said(&terms(fields), text, Ended::Complete).1 else {
        panic!("good")
    };
    problems
}

fn call(name: &str, input: &str) -> (String, String) {
    (name.to_owned(), input.to_owned())
}

#[test]
fn text_alone_has_no_terms() {
    for fields in [
        r#""tools":[]"#.to_owned(),
        format!(r#"{TOOLS},"tool_choice":"none""#),
        r#""response_format":{"type":"text"}"#.to_owned(),
    ] {
        assert!(asked(&fields).unwrap().is_none(), "{fields}");
    }
}

#[test]
fn the_instructions_are_the_same_for_the_same_request_and_come_after_the_opening() {
    let terms = terms(TOOLS);
    assert_eq!(terms.instructions(), self::terms(TOOLS).instructions());
    let message = |role, text: &'static str| chipp::Message { role, content: text.into() };
    let mut messages = vec![message(chipp::Role::System, "s"), message(chipp::Role::User, "u")];
    terms.tell(&mut messages);
    assert_eq!(
        messages.iter().map(|message| &*message.content).collect::<Vec<_>>(),
        ["s", terms.instructions(), "u"]
    );
    assert!(terms.instructions().contains(r#"{"type":"function","function":{"name":"weather","description":"It \"rains\".","parameters":{"type":"object","required":["city"]"#));
    assert!(terms.instructions().contains("under \"input\""));
}

#[test]
fn a_bare_call_is_faithful_and_a_wrapped_one_is_not() {
    let bare = r#"{"tool_calls": [{"name": "weather", "arguments": {"days": 2, "city": "Ulm"}}]}"#;
    let expected = vec![call("weather", r#"{"city":"Ulm","days":2}"#)];
    assert_eq!(heard(TOOLS, bare), (String::new(), expected.clone(), true));
    assert_eq!(
        heard(TOOLS, &format!("Let me see.\n\n{bare}\n")),
        ("Let me see.".into(), expected.clone(), true)
    );
    for text in [
        format!("```json\n{bare}\n```"),
        format!("{bare}\nThat is it."),
        format!("<tool_call>{bare}</tool_call>"),
        r#"{"name":"weather","arguments":{"city":"Ulm","days":2}}"#.to_owned(),
        r#"{"tool_calls":[{"name":"weather","arguments":"{\"city\":\"Ulm\",\"days\":2}"}]}"#.to_owned(),
    ] {
        assert_eq!(heard(TOOLS, &text), (String::new(), expected.clone(), false), "{text}");
    }
}

#[test]
fn words_go_out_at_once_and_what_may_be_a_call_does_not() {
    let terms = terms(TOOLS);
    let mut reader = terms.reader();
    assert_eq!(reader.push("Well, "), "Well,");
    assert_eq!(reader.push("if (a) {"), " if (a)");
    assert_eq!(reader.push("b} `x` "), " {b} `x`");
    assert_eq!(reader.push("then\n\n```"), " then");
    assert_eq!(reader.push("json\n{\"na"), "");
    assert_eq!(reader.push("me\":\"time\"}\n```"), "");
    let Verdict::Good(heard) = reader.finish(Ended::Complete) else { panic!() };
    assert_eq!((heard.rest.as_str(), heard.calls.len()), ("", 1));
}

#[test]
fn several_calls_and_one_where_there_may_be_one() {
    let both = r#"{"tool_calls":[{"name":"time","arguments":{}},{"name":"shell","input":"ls"}]}"#;
    assert_eq!(heard(TOOLS, both), (String::new(), vec![call("time", "{}"), call("shell", "ls")], true));
    let one = format!(r#"{TOOLS},"parallel_tool_calls":false"#);
    assert_eq!(heard(&one, both), (String::new(), vec![call("time", "{}")], false));
    let apart = "{\"tool_calls\":[{\"name\":\"time\"}]}\n{\"tool_calls\":[{\"name\":\"time\"}]}";
    assert_eq!(heard(TOOLS, apart).1.len(), 2);
    let older = r#""functions":[{"name":"time"}]"#;
    assert_eq!(heard(older, r#"{"name":"time"}"#).1, [call("time", "{}")]);
    assert_eq!(terms(older).form(), CallForm::Function);
}

#[test]
fn what_comes_after_results_that_are_made_up_is_not_called() {
    let one = r#"{"tool_calls":[{"name":"time","arguments":{}}]}"#;
    let other = r#"{"tool_calls":[{"name":"shell","input":"rm"}]}"#;
    let text = format!("{one}\n[result of time]\nnoon\n{other}");
    assert_eq!(heard(TOOLS, &text), (String::new(), vec![call("time", "{}")], false));
    assert_eq!(heard(TOOLS, &format!("{one}\nNow: {{\"tool_calls\":")).1, [call("time", "{}")]);
    assert_eq!(heard(TOOLS, &format!("```\n{one}\n```\n```\n{other}\n```")).1.len(), 2);
}

#[test]
fn prose_with_braces_is_prose() {
    for text in [
        "Use {\"name\": \"Ann\"} as the body.\n",
        "```json\n{\"name\":\"Ann\",\"arguments\":{}}\n```",
        "{\"id\": 1}",
        "{\"name\": broken",
        r#"{"type":"function","function":{"name":"time","description":"d","parameters":{"type":"object"}}}"#,
        "[1] and `code` {x} <b>",
    ] {
        assert_eq!(heard(TOOLS, text), (text.to_owned(), Vec::new(), true), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told() {
    assert_eq!(
        wrong(TOOLS, r#"{"tool_calls":[{"name":"fly","arguments":{}}]}"#),
        ["there is no tool `fly`, only time, weather, shell"]
    );
    assert_eq!(
        wrong(TOOLS, r#"{"tool_calls":[{"name":"weather","arguments":{}}]}"#),
        ["the `arguments` of `weather` are wrong: \"city\" is a required property"]
    );
    assert_eq!(wrong(TOOLS, r#"Now: {"tool_calls":[{"name":"time""#), ["the JSON of its calls is not valid"]);
    assert_eq!(
        wrong(TOOLS, r#"{"name":"time","arguments":{"a":1,}}"#),
        ["the JSON of its calls is not valid"]
    );
    assert_eq!(wrong(TOOLS, r#"{"tool_calls":[]}"#), ["its list of calls is empty"]);
    let must = format!(r#"{TOOLS},"tool_choice":"required""#);
    assert_eq!(wrong(&must, "No."), ["it calls no tool"]);
    assert_eq!(wrong(SCHEMA, "No."), ["it is not valid JSON"]);
    let repair = terms(&must).repair(&Problems(vec!["it calls no tool".to_owned()]));
    assert!(
        repair.contains("\n- it calls no tool\n") && repair.ends_with("{\"tool_calls\":[…]}."),
        "{repair}"
    );
}

#[test]
fn a_choice_that_must_be_made_holds_all_words_back() {
    let must = format!(r#"{TOOLS},"tool_choice":{{"type":"function","function":{{"name":"time"}}}}"#);
    let (out, verdict) = said(&terms(&must), "Sure: {\"name\":\"time\"}", Ended::Complete);
    assert_eq!(out, "");
    let Verdict::Good(heard) = verdict else { panic!() };
    assert_eq!((heard.rest.as_str(), heard.calls.len()), ("Sure:", 1));
    assert_eq!(wrong(&must, r#"{"tool_calls":[{"name":"shell","input":""}]}"#).len(), 1);
}

#[test]
fn json_goes_out_when_all_of_it_is_right() {
    assert_eq!(heard(SCHEMA, "{\"x\": 1}\n"), ("{\"x\": 1}".into(), Vec::new(), true));
    assert_eq!(heard(SCHEMA, "Here: {\"x\": 1}."), ("{\"x\": 1}".into(), Vec::new(), false));
    assert_eq!(said(&terms(SCHEMA), "{\"x\": 1}", Ended::Complete).0, "");
    let object = r#""response_format":{"type":"json_object"}"#;
    assert_eq!(heard(object, "```json\n{}\n```"), ("{}".into(), Vec::new(), false));
    assert!(terms(object).instructions().contains("JSON object"));
}

#[test]
fn tools_and_a_format_together() {
    let both = format!("{TOOLS},{SCHEMA}");
    assert_eq!(heard(&both, "{\"x\":1}"), ("{\"x\":1}".into(), Vec::new(), true));
    let called = heard(&both, "Wait. {\"tool_calls\":[{\"name\":\"time\",\"arguments\":{}}]}");
    assert_eq!(called, (String::new(), vec![call("time", "{}")], false));
    assert_eq!(wrong(&both, "{\"y\":1}"), ["\"x\" is a required property"]);
}

#[test]
fn what_was_cut_is_no_call_and_no_json() {
    for ended in [Ended::Length, Ended::Filtered] {
        let (out, verdict) = said(&terms(TOOLS), "Well. {\"tool_calls\":[{\"na", ended);
        let Verdict::Good(heard) = verdict else { panic!() };
        assert_eq!((out + &heard.rest, heard.calls.len(), heard.is_faithful), ("Well. ".into(), 0, false));
        let (out, verdict) = said(&terms(SCHEMA), "{\"x\":", ended);
        let Verdict::Good(heard) = verdict else { panic!() };
        assert_eq!((out.as_str(), heard.rest.as_str(), heard.is_faithful), ("", "", false));
        let must = format!(r#"{TOOLS},"tool_choice":"required""#);
        assert!(matches!(said(&terms(&must), "Well", ended).1, Verdict::Good(_)));
    }
    let (_, verdict) = said(&terms(TOOLS), "{\"tool_calls\":[{\"na", Ended::Stop);
    assert!(matches!(verdict, Verdict::Bad(_)));
}

#[test]
fn schemas_that_cannot_be_used_are_refused_with_their_place() {
    let tool = |schema: &str| {
        format!(
            r#""tools":[{{"type":"function","function":{{"name":"a"}}}},{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],
               "tool_choice":{{"type":"function","function":{{"name":"f"}}}}"#
        )
    };
    let error = asked(&tool(r#"{"type":"thing"}"#)).unwrap_err();
    assert_eq!((error.status, error.code), (400, Some("invalid_function_parameters")));
    assert_eq!(error.param.as_deref(), Some("tools[1].function.parameters"));
    assert!(error.message.contains("function 'f'") && error.message.contains("/type"), "{}", error.message);
    let error = asked(&tool(r#"{"$ref":"https://example.com/x"}"#)).unwrap_err();
    assert!(error.message.contains("another document"), "{}", error.message);
    let format = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":1}}}"#;
    let error = asked(format).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("response_format.json_schema.schema"));
}

#[test]
fn hostile_texts_do_not_take_long() {
    for text in [
        "{".repeat(1 << 20),
        "{\"tool_calls\":[".repeat(1 << 16),
        "[{\"name\":\"".repeat(1 << 16),
        "`".repeat(1 << 20),
    ] {
        let mut reader = terms(TOOLS).reader();
        for piece in text.as_bytes().chunks(64) {
            reader.push(std::str::from_utf8(piece).unwrap());
        }
        let _ = reader.finish(Ended::Complete);
        let _ = said(&terms(SCHEMA), &text, Ended::Complete);
    }
}

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(r#"{"tool_calls":[{"name":"time","arguments":{}}]}"#.to_owned()),
        Just(r#"{"name":"time"}"#.to_owned()),
        Just("```json\n".to_owned()),
        Just("```".to_owned()),
        Just("<tool_call>".to_owned()),
        Just("{\"x\":1}".to_owned()),
        Just("{\"tool_calls\":".to_owned()),
        "[a-z \n{}\\[\\]`<\"\u{e4}]{0,12}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_of_the_text_is_heard_alike(
        text in texts(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        which in 0..4_usize,
        is_cut in any::<bool>(),
    ) {
        let must = format!(r#"{TOOLS},"tool_choice":"required""#);
        let both = format!("{TOOLS},{SCHEMA}");
        let terms = terms([TOOLS, SCHEMA, &must, &both][which]);
        let ended = if is_cut { Ended::Length } else { Ended::Complete };
        let run = |pieces: &[&str]| {
            let mut reader = terms.reader();
            let out: String = pieces.iter().map(|piece| reader.push(piece)).collect();
            match reader.finish(ended) {
                Verdict::Good(heard) => (out + &heard.rest, Ok((heard.calls, heard.is_faithful))),
                Verdict::Bad(problems) => (out, Err(problems)),
            }
        };
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.retain(|&at| text.is_char_boundary(at));
        at.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for end in at.into_iter().chain([text.len()]) {
            pieces.push(&text[from..end]);
            from = end;
        }
        let whole = run(&[&text]);
        prop_assert_eq!(&run(&pieces), &whole);
        // Without a call and a format, what was said goes out as it is.
        let is_prose = matches!(&whole.1, Ok((calls, true)) if calls.is_empty());
        if is_prose && which == 0 && !is_cut {
            prop_assert_eq!(&whole.0, &text);
        }
    }
}
