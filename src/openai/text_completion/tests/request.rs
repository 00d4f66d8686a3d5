//! What is accepted, and what is refused with which words.

use super::*;

#[test]
fn a_prompt_alone_has_openais_defaults() {
    let request = accepted(r#"{"model":"m","prompt":"hi"}"#);
    let expected = TextRequest {
        model: "m".into(),
        prompt: Prompt::Texts(vec!["hi".into()]),
        n: 1,
        best_of: 1,
        echo: false,
        stream: false,
        include_usage: false,
        stop: Vec::new(),
        max_tokens: 16,
        user: None,
        suffix: false,
        logprobs: false,
        ignored: Vec::new(),
        unknown: Vec::new(),
    };
    assert_eq!(request, expected);
    let nulls: Vec<String> = PARAMETERS
        .iter()
        .filter(|parameter| !matches!(parameter.name, "model" | "prompt"))
        .map(|parameter| format!(r#""{}":null"#, parameter.name))
        .collect();
    assert_eq!(accepted(&with(&nulls.join(","))), expected);
}

#[test]
fn every_field_is_read() {
    let body = r#"{"model":"m","prompt":["a","b\n"],"n":3,"best_of":3,"echo":true,"stream":true,
        "stream_options":{"include_usage":true},"stop":["x",""],"max_tokens":0,"user":"u","suffix":"s","logprobs":0,
        "temperature":1,"top_p":0.5,"frequency_penalty":-2,"presence_penalty":2,"seed":-1,"logit_bias":{"1":-100},
        "foo":[1],"user":"v"}"#;
    let expected = TextRequest {
        model: "m".into(),
        prompt: Prompt::Texts(vec!["a".into(), "b\n".into()]),
        n: 3,
        best_of: 3,
        echo: true,
        stream: true,
        include_usage: true,
        stop: vec!["x".into()],
        max_tokens: 0,
        user: Some("v".into()),
        suffix: true,
        logprobs: true,
        ignored: vec!["temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias"],
        unknown: vec!["foo".into()],
    };
    assert_eq!(accepted(body), expected);
}

#[test]
fn tokens_are_known_as_such() {
    for prompt in ["[1]", "[50256,0,4294967295]", "[[1]]", "[[1,2],[3]]"] {
        let body = format!(r#"{{"model":"m","prompt":{prompt}}}"#);
        assert_eq!(accepted(&body).prompt, Prompt::Tokens, "{prompt}");
    }
    // They are one prompt each, or not to be counted: what can be done with them is decided elsewhere.
    assert_eq!(accepted(r#"{"model":"m","prompt":[1,2],"n":128}"#).n, 128);
}

#[test]
fn bad_fields_are_refused_by_code_and_place() {
    let rows = [
        (r#""prompt":5"#, "prompt", "invalid_type"),
        (r#""prompt":{}"#, "prompt", "invalid_type"),
        (r#""prompt":[]"#, "prompt", "empty_array"),
        (r#""prompt":["a",1]"#, "prompt[1]", "invalid_type"),
        (r#""prompt":[null]"#, "prompt[0]", "invalid_type"),
        (r#""prompt":[1,"a"]"#, "prompt[1]", "invalid_type"),
        (r#""prompt":[1.5]"#, "prompt[0]", "invalid_type"),
        (r#""prompt":[-1]"#, "prompt[0]", "integer_below_min_value"),
        (r#""prompt":[[]]"#, "prompt[0]", "empty_array"),
        (r#""prompt":[[1],2]"#, "prompt[1]", "invalid_type"),
        (r#""prompt":[[1],["a"]]"#, "prompt[1][0]", "invalid_type"),
        (r#""prompt":null"#, "prompt", "missing_required_parameter"),
        (r#""model":"""#, "model", "missing_required_parameter"),
        (r#""model":null"#, "model", "invalid_type"),
        (r#""echo":"yes""#, "echo", "invalid_type"),
        (r#""n":0"#, "n", "integer_below_min_value"),
        (r#""n":129"#, "n", "integer_above_max_value"),
        (r#""prompt":["a","b","c"],"n":43"#, "n", "integer_above_max_value"),
        (r#""best_of":21"#, "best_of", "integer_above_max_value"),
        (r#""best_of":-1"#, "best_of", "integer_below_min_value"),
        (r#""n":3,"best_of":2"#, "best_of", "integer_below_min_value"),
        (r#""max_tokens":-1"#, "max_tokens", "integer_below_min_value"),
        (r#""max_tokens":"16""#, "max_tokens", "invalid_type"),
        (r#""suffix":1"#, "suffix", "invalid_type"),
        (r#""logprobs":true"#, "logprobs", "invalid_type"),
        (r#""logprobs":6"#, "logprobs", "integer_above_max_value"),
        (r#""stop":["a","b","c","d","e"]"#, "stop", "array_above_max_length"),
        (
            r#""stream":true,"stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            "invalid_type",
        ),
        (r#""stream_options":{}"#, "stream_options", ""),
        (r#""temperature":2.1"#, "temperature", "decimal_above_max_value"),
        (r#""top_p":-0.1"#, "top_p", "decimal_below_min_value"),
        (r#""logit_bias":{"1":101}"#, "logit_bias.1", "integer_above_max_value"),
        (r#""user":5"#, "user", "invalid_type"),
    ];
    for (fields, place, code) in rows {
        let error = refusal(&with(fields));
        let told = (error.status, error.param.as_deref(), error.code.unwrap_or_default());
        assert_eq!(told, (400, Some(place), code), "{fields}: {}", error.message);
    }
    assert_eq!(accepted(&with(r#""prompt":["a","b","c"],"n":42"#)).n, 42);
}

#[test]
fn bounds_of_the_body_hold() {
    let many = |count: usize, item: &str| vec![item; count].join(",");
    let error = refusal(&format!(r#"{{"model":"m","prompt":[{}]}}"#, many(129, r#""a""#)));
    assert_eq!((error.param.as_deref(), error.code), (Some("prompt"), Some("array_above_max_length")));
    accepted(&format!(r#"{{"model":"m","prompt":[{}]}}"#, many(128, r#""a""#)));
    let fields: Vec<String> = (0..130).map(|index| format!(r#""f{index}":1"#)).collect();
    assert_eq!(refusal(&with(&fields.join(","))).code, Some("object_above_max_properties"));
    for body in ["{}", r#"{"prompt":"hi"}"#] {
        assert_eq!(refusal(body).param.as_deref(), Some("model"), "{body}");
    }
    assert_eq!(refusal(r#"{"model":"m"}"#).message, "Missing required parameter: 'prompt'.");
}
