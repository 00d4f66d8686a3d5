//! Bodies that are no request: none panics, each is a 400, and none is repeated to its sender.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_not_a_json_object_is_unparseable() {
    let deep = format!(r#"{{"model":"m","x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let many = format!(r#"{{"model":"m","x":[{}1]}}"#, "1,".repeat(crate::openai::json::MAX_VALUES));
    let cases: &[(&[u8], &str)] = &[
        (b"", "The body is empty"),
        (b"  \n", "EOF while parsing a value at line 2 column 0"),
        (b"\xef\xbb\xbf", "The body is empty"),
        (b"secret", "expected value at line 1 column 1"),
        (b"{\"model\":\"m\"", "EOF while parsing an object at line 1 column 12"),
        (b"{\"model\":\"m\",}", "trailing comma at line 1 column 14"),
        (b"{'model':'m'}", "key must be a string at line 1 column 2"),
        (b"{\"model\":\"m\"} secret", "trailing characters at line 1 column 15"),
        (b"{}{}", "trailing characters at line 1 column 3"),
        (b"{\"a\":NaN}", "expected value at line 1 column 6"),
        (b"{\"a\":1e999}", "number out of range"),
        (b"{\"a\":01}", "invalid number at line 1 column 7"),
        (b"{\"a\":\"x\ny\"}", "control character"),
        (b"{\"a\":\"\\ud83\"}", "invalid escape"),
        (b"{\"a\":\"\\ud83d\",}", "trailing comma"),
        (b"{\"a\":\"\xff\"}", "The text is not UTF-8 at byte 6"),
        (b"{\"a\":\"\xed\xa0\xbd\"}", "The text is not UTF-8 at byte 6"),
        (b"[]", "The body is an array, not an object"),
        (b"\"secret\"", "The body is a string, not an object"),
        (b"null", "The body is null, not an object"),
        (b"5", "The body is an integer, not an object"),
        (b"model=m&secret=1", "expected value at line 1 column 1"),
        (deep.as_bytes(), "recursion limit exceeded"),
        (many.as_bytes(), "more than 500000 values"),
    ];
    for (body, hint) in cases {
        let error = refusal(body);
        check_shape(&error);
        assert_eq!((error.param.as_deref(), error.code), (None, None), "{hint}");
        assert!(error.message.starts_with("We could not parse the JSON body of your request. (HINT: "));
        assert!(error.message.contains(hint), "{hint}: {}", error.message);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}

/// A valid request that has most of what there is.
const RICH: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"stop":["a"],
"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"\ud83d\ude00"},
{"type":"image_url","image_url":{"url":"https://x/y","detail":"low"}}]},{"role":"assistant","content":null,
"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],
"tool_choice":"auto","response_format":{"type":"text"},"metadata":{"k":"v"},"logit_bias":{"1":2},"n":1,"user":"u"}"#;

fn survives(body: &[u8]) {
    if let Err(error) = ChatRequest::parse(body) {
        check_shape(&error);
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,80}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(".{0,70}", inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The places of every value in a tree, as JSON pointers.
fn places(value: &serde_json::Value, here: &str, into: &mut Vec<String>) {
    into.push(here.to_owned());
    match value {
        serde_json::Value::Array(values) => {
            let values = values.iter().enumerate();
            values.for_each(|(index, value)| places(value, &format!("{here}/{index}"), into));
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.iter();
            fields.for_each(|(key, value)| places(value, &format!("{here}/{key}"), into));
        }
        _ => {}
    }
}

#[test]
fn the_rich_request_is_valid() {
    accepted(RICH);
}

proptest! {
    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&body);
    }

    #[test]
    fn a_request_with_bytes_changed(at in 0..RICH.len(), bytes in prop::collection::vec(any::<u8>(), 0..4), cut in 0..6_usize) {
        let mut body = RICH.as_bytes().to_vec();
        let end = (at + cut).min(body.len());
        body.splice(at..end, bytes);
        survives(&body);
    }

    #[test]
    fn a_request_with_a_value_replaced(pick in any::<prop::sample::Index>(), value in any_json()) {
        let mut body: serde_json::Value = serde_json::from_str(RICH).unwrap();
        let mut all = Vec::new();
        places(&body, "", &mut all);
        *body.pointer_mut(pick.get(&all[..]).as_str()).unwrap() = value;
        survives(&serde_json::to_vec(&body).unwrap());
    }

    #[test]
    fn any_text_comes_through_as_it_was(text in any::<String>()) {
        let body = talk(&format!(r#"{{"role":"user","content":{}}}"#, serde_json::to_string(&text).unwrap()));
        let request = accepted(&body);
        prop_assert_eq!(&request.messages[0].content, &Content::Text(Cow::Owned(text)));
    }
}
