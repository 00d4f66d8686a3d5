//! What is accepted, as real clients send it, and what becomes of it.

use super::*;

fn borrowed(text: &str) -> Content<'_> {
    Content::Text(Cow::Borrowed(text))
}

/// Fields beside `model` and `messages` that are fine, though odd.
const FIELDS: &[&str] = &[
    r#""temperature":0"#,
    r#""temperature":2"#,
    r#""temperature":2.0"#,
    r#""top_p":0"#,
    r#""frequency_penalty":-2,"presence_penalty":2.0"#,
    r#""n":1"#,
    r#""n":1.0"#,
    r#""n":128"#,
    r#""seed":-9223372036854775808"#,
    r#""seed":9223372036854775807"#,
    r#""seed":9223372036854776000"#,
    r#""max_tokens":1"#,
    r#""max_tokens":18446744073709551615"#,
    r#""max_tokens":16,"max_completion_tokens":16"#,
    r#""max_tokens":null,"max_completion_tokens":16"#,
    r#""stop":"\n""#,
    r#""stop":[]"#,
    r#""stop":"""#,
    r#""stop":["a","b","c","d"]"#,
    r#""stream":false,"stream_options":null"#,
    r#""stream":true,"stream_options":{"include_usage":null,"include_obfuscation":false,"new":1}"#,
    r#""logprobs":true,"top_logprobs":0"#,
    r#""logprobs":false,"top_logprobs":null"#,
    r#""logit_bias":{}"#,
    r#""logit_bias":{"50256":-100,"1":100,"2":5.0}"#,
    r#""metadata":{}"#,
    r#""metadata":{"a":"","":"b"}"#,
    r#""user":"""#,
    r#""tools":[]"#,
    r#""tools":[],"tool_choice":"auto""#,
    r#""tool_choice":"none""#,
    r#""function_call":"auto""#,
    r#""tools":[{"type":"function","function":{"name":"f","description":null,"parameters":null,"strict":null}}]"#,
    r#""tools":[{"type":"function","function":{"name":"a-B_9","parameters":{"type":"object","properties":{}},"strict":true},"cache_control":{}}]"#,
    r#""tools":[{"type":"custom","custom":{"name":"f","format":{"type":"text"}}}]"#,
    r#""tools":[{"type":"custom","custom":{"name":"f","description":"d","format":{"type":"grammar","grammar":{"definition":"d","syntax":"regex"}}}}],"tool_choice":{"type":"custom","custom":{"name":"f"}}"#,
    r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
    r#""functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}"#,
    r#""response_format":{"type":"text"}"#,
    r#""response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{},"strict":null}}"#,
    r#""modalities":["text"]"#,
    r#""modalities":["text","audio"],"audio":{"voice":{"id":"v"},"format":"pcm16"}"#,
    r#""prediction":{"type":"content","content":"x"}"#,
    r#""prediction":{"type":"content","content":[{"type":"text","text":"x"}]}"#,
    r#""web_search_options":{}"#,
    r#""web_search_options":{"user_location":null,"search_context_size":"low"}"#,
    r#""web_search_options":{"user_location":{"type":"approximate","approximate":{"country":"DE","city":null}}}"#,
    r#""reasoning_effort":"xhigh","verbosity":"low","service_tier":"flex""#,
    r#""prompt_cache_key":"k","prompt_cache_retention":"in-memory""#,
];

/// Messages that are fine, though odd.
const MESSAGES: &[&str] = &[
    r#"{"role":"user","content":""}"#,
    r#"{"role":"user","content":[{"type":"text","text":""}]}"#,
    r#"{"content":"role last","role":"user"}"#,
    r#"{"role":"user","content":"x","name":null}"#,
    r#"{"role":"user","content":"x","tool_calls":"whatever","id":"msg_1","parts":[],"createdAt":1}"#,
    r#"{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}"#,
    r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"HTTPS://x/y","detail":null}}]}"#,
    r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}}]}"#,
    r#"{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:x"}}]}"#,
    r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]}"#,
    r#"{"role":"developer","content":[{"type":"text","text":"x"}],"name":"n"}"#,
    r#"{"role":"tool","tool_call_id":"","content":""}"#,
    r#"{"role":"tool","tool_call_id":"a","name":"f","content":[{"type":"text","text":"x"}]}"#,
    r#"{"role":"function","name":"f","content":null}"#,
    r#"{"role":"assistant"}"#,
    r#"{"role":"assistant","content":null}"#,
    r#"{"role":"assistant","content":"","tool_calls":[]}"#,
    r#"{"role":"assistant","content":"x","tool_calls":null,"function_call":null,"audio":null,"refusal":null}"#,
    r#"{"role":"assistant","content":"x","annotations":[],"reasoning_content":"hm","reasoning":null,"provider_specific_fields":{}}"#,
    r#"{"role":"assistant","content":null,"audio":{"id":"a","data":"x","expires_at":1}}"#,
    r#"{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"refusal","refusal":"no"}]}"#,
    r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
    r#"{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"x"}}]}"#,
];

#[test]
fn odd_fields_and_messages_are_accepted() {
    for fields in FIELDS {
        accepted(&with(fields));
    }
    for message in MESSAGES {
        accepted(&talk(message));
    }
}

#[test]
fn a_plain_request_is_borrowed_whole() {
    let body = r#"{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hallo, 世界 👋"}]}"#;
    let request = accepted(body);
    assert!(matches!(request.model, Cow::Borrowed("gpt-4o")));
    let contents: Vec<_> = request.messages.iter().map(|message| (message.role, &message.content)).collect();
    assert_eq!(contents, [(Role::System, &borrowed("Be brief.")), (Role::User, &borrowed("Hallo, 世界 👋"))]);
    assert!(matches!(&request.messages[1].content, Content::Text(Cow::Borrowed(_))));
    assert_eq!((request.n, request.stream, request.max_tokens), (1, false, None));
    assert!(request.ignored.is_empty() && request.unknown.is_empty() && request.stop.is_empty());
    assert_eq!((request.audio, request.offer, request.user), (None, None, None));
}

#[test]
fn every_optional_field_may_be_null() {
    let optional = PARAMETERS.iter().filter(|parameter| !["model", "messages"].contains(&parameter.name));
    let nulls: Vec<_> = optional.map(|parameter| format!(r#""{}":null"#, parameter.name)).collect();
    let with_nulls = with(&nulls.join(","));
    let request = accepted(&with_nulls);
    assert_eq!(request, accepted(&talk(r#"{"role":"user","content":"hi"}"#)));
}

#[test]
fn a_history_with_tools_keeps_what_was_called_and_returned() {
    let body = talk(
        r#"{"role":"user","content":"weather?"},
           {"role":"assistant","content":null,"tool_calls":[
              {"id":"call_1","type":"function","function":{"name":"get","arguments":"{\"city\":\"Ulm\"}"}},
              {"id":"call_2","type":"custom","custom":{"name":"note","input":"raw"}}]},
           {"role":"tool","tool_call_id":"call_1","content":"sunny"},
           {"role":"assistant","function_call":{"name":"old","arguments":"{}"}},
           {"role":"function","name":"old","content":"done"}"#,
    );
    let request = accepted(&body);
    let calls = |index: usize| -> Vec<(&str, &str, &str)> {
        let calls = request.messages[index].tool_calls.iter();
        calls.map(|call| (&*call.id, &*call.name, &*call.arguments)).collect()
    };
    assert_eq!(calls(1), [("call_1", "get", r#"{"city":"Ulm"}"#), ("call_2", "note", "raw")]);
    assert_eq!(request.messages[1].content, Content::None);
    assert_eq!(request.messages[2].tool_call_id.as_deref(), Some("call_1"));
    assert_eq!(calls(3), [("", "old", "{}")]);
    assert_eq!(request.messages[4].name.as_deref(), Some("old"));
}

#[test]
fn parts_keep_their_order_and_kind() {
    let body = talk(
        r#"{"role":"user","name":"ann","content":[{"type":"text","text":"a\"b"},{"type":"image_url","image_url":{"url":"https://x/y"}},
           {"type":"input_audio","input_audio":{"data":"","format":"wav"}},{"type":"file","file":{"file_id":"f"}}]},
           {"role":"assistant","content":[{"type":"refusal","refusal":"no"}],"refusal":"no"},
           {"role":"assistant","content":""}"#,
    );
    let request = accepted(&body);
    let parts =
        vec![Part::Text("a\"b".into()), Part::ImageUrl("https://x/y".into()), Part::InputAudio, Part::File];
    assert_eq!(request.messages[0].content, Content::Parts(parts));
    assert_eq!(request.messages[0].name.as_deref(), Some("ann"));
    assert_eq!(request.messages[1].content, Content::Parts(vec![Part::Refusal("no".into())]));
    assert_eq!(request.messages[1].refusal.as_deref(), Some("no"));
    assert_eq!(request.messages[2].content, Content::None);
}

#[test]
fn ignored_and_unknown_fields_are_named_in_the_requests_order() {
    let body = with(
        r#""top_p":0.5,"zebra":1,"seed":1,"temperature":null,"service_tier":"auto","apple":null,
           "n":1,"logprobs":false,"modalities":["text"],"store":true,"metadata":{"a":"b"},"prediction":null,
           "parallel_tool_calls":true,"temperature":1,"top_p":0.7"#,
    );
    let request = accepted(&body);
    assert_eq!(request.ignored, ["seed", "service_tier", "temperature", "top_p"]);
    assert_eq!(request.unknown, ["zebra", "apple"]);
}

#[test]
fn of_equal_keys_the_last_one_counts() {
    let body = r#"{"model":5,"messages":[{"role":"bot","role":"user","content":1,"content":"hi"}],"model":"m","x":1,"x":2}"#;
    let request = accepted(body);
    assert_eq!((request.model.as_ref(), request.unknown.as_slice()), ("m", &["x".into()][..]));
    assert_eq!(request.messages[0].content, borrowed("hi"));
}

#[test]
fn options_are_read() {
    let body = with(
        r#""stream":true,"stream_options":{"include_usage":true},"stop":["","END",""],"max_tokens":7.0,"n":3,
           "user":"u","response_format":{"type":"json_object"},"logprobs":true"#,
    );
    let request = accepted(&body);
    assert!(request.stream && request.include_usage && request.logprobs);
    assert_eq!(request.stop, ["END"]);
    assert_eq!((request.max_tokens, request.n), (Some(7), 3));
    assert_eq!(request.user.as_deref(), Some("u"));
    assert_eq!(request.format, Format::JsonObject);
    let both = with(r#""user":"u","safety_identifier":"s""#);
    assert_eq!(accepted(&both).user.as_deref(), Some("s"));
    let empty = with(r#""user":"u","safety_identifier":"""#);
    assert_eq!(accepted(&empty).user.as_deref(), Some("u"));
}

#[test]
fn tools_can_be_called_unless_the_choice_forbids_it() {
    const TOOL: &str = r#""tools":[{"type":"function","function":{"name":"f"}}]"#;
    const FUNCTION: &str = r#""functions":[{"name":"f"}]"#;
    let cases = [
        (r#""tools":[]"#.to_owned(), None),
        (TOOL.to_owned(), Some("tools")),
        (format!(r#"{TOOL},"tool_choice":"none""#), None),
        (format!(r#"{TOOL},"tool_choice":"auto""#), Some("tools")),
        (format!(r#"{TOOL},"tool_choice":"required""#), Some("tools")),
        (format!(r#"{TOOL},"tool_choice":null"#), Some("tools")),
        (FUNCTION.to_owned(), Some("functions")),
        (format!(r#"{FUNCTION},"function_call":"none""#), None),
        (format!(r#"{TOOL},"tool_choice":"none",{FUNCTION}"#), Some("functions")),
    ];
    for (fields, callable) in cases {
        assert_eq!(accepted(&with(&fields)).offer.map(|offer| offer.field), callable, "{fields}");
    }
}

fn offered(fields: &str) -> Option<(Vec<String>, ToolChoice, bool, CallForm)> {
    const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},
        {"type":"custom","custom":{"name":"g"}},{"type":"function","function":{"name":"f"}}]"#;
    let body = with(&format!("{TOOLS}{fields}"));
    let offer = accepted(&body).offer?;
    let names = offer.tools.iter().map(|tool| tool.name.to_string()).collect();
    Some((names, offer.choice, offer.is_parallel, offer.form))
}

#[test]
fn the_choice_says_which_tools_are_on_offer() {
    let both = || vec!["f".to_owned(), "g".to_owned()];
    let one = |name: &str| vec![name.to_owned()];
    let tools = CallForm::Tools;
    assert_eq!(offered(""), Some((both(), ToolChoice::Auto, true, tools)));
    assert_eq!(
        offered(r#","tool_choice":"required","parallel_tool_calls":false"#),
        Some((both(), ToolChoice::Required, false, tools))
    );
    assert_eq!(
        offered(r#","tool_choice":{"type":"function","function":{"name":"f"}}"#),
        Some((one("f"), ToolChoice::Required, true, tools))
    );
    assert_eq!(
        offered(r#","tool_choice":{"type":"custom","custom":{"name":"g"}}"#),
        Some((one("g"), ToolChoice::Required, true, tools))
    );
    let allowed = |mode: &str, tools: &str| {
        offered(&format!(
            r#","tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"{mode}","tools":[{tools}]}}}}"#
        ))
    };
    let f = r#"{"type":"function","function":{"name":"f"}}"#;
    assert_eq!(allowed("auto", f), Some((one("f"), ToolChoice::Auto, true, tools)));
    let g = r#"{"type":"custom","custom":{"name":"g"}}"#;
    assert_eq!(allowed("required", g), Some((one("g"), ToolChoice::Required, true, tools)));
    assert_eq!(allowed("auto", ""), None);
}

#[test]
fn a_tool_is_kept_as_it_was_described() {
    let body = with(
        r#""functions":[{"name":"f","description":"d","parameters":{"type":"object"}},{"name":"g"}],
           "function_call":{"name":"f"}"#,
    );
    let offer = accepted(&body).offer.unwrap();
    assert_eq!((offer.field, offer.form, offer.is_parallel), ("functions", CallForm::Function, false));
    let [tool] = &offer.tools[..] else { panic!("{offer:?}") };
    assert_eq!(tool.description.as_deref(), Some("d"));
    let ToolInput::Arguments { schema: Some(json::Value::Object(_)), strict: false } = &tool.input else {
        panic!("{tool:?}");
    };
}

#[test]
fn audio_output_is_noticed() {
    let cases = [
        (r#""modalities":["text"]"#, None),
        (r#""modalities":[]"#, None),
        (r#""modalities":["text","audio"]"#, Some("modalities")),
        (r#""audio":{"voice":"alloy","format":"wav"}"#, Some("audio")),
    ];
    for (fields, audio) in cases {
        assert_eq!(accepted(&with(fields)).audio, audio, "{fields}");
    }
}

#[test]
fn half_an_emoji_is_repaired_and_a_whole_one_kept() {
    let body = talk(r#"{"role":"user","content":"a\ud83d b\ude00 c\ud83d\ude00 \\ud83d \uD83D\u0041"}"#);
    let request = accepted(&body);
    assert_eq!(request.messages[0].content, borrowed("a\u{fffd} b\u{fffd} c😀 \\ud83d \u{fffd}A"));
}

#[test]
fn a_byte_order_mark_and_white_space_around_are_accepted() {
    let body = format!("\u{feff} \r\n{}\n\t ", talk(r#"{"role":"user","content":"hi"}"#));
    assert_eq!(accepted(&body).messages.len(), 1);
}
