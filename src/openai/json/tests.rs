use super::*;

fn number(text: &str) -> Number {
    let body = format!(r#"{{"n":{text}}}"#);
    match parse(body.as_bytes()).unwrap().take("n") {
        Some(Value::Number(number)) => number,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn text_and_keys_are_borrowed_unless_they_have_escapes() {
    let fields: Vec<_> = parse(br#"{"plain":"text","esc\u0061ped":"a\nb"}"#).unwrap().into_iter().collect();
    assert!(matches!(&fields[0], (Cow::Borrowed("plain"), Value::String(Cow::Borrowed("text")))));
    assert_eq!(fields[1], (Cow::Owned("escaped".into()), Value::String(Cow::Owned("a\nb".into()))));
}

#[test]
fn the_order_stays_and_the_last_of_equal_keys_is_taken() {
    let mut object = parse(br#"{"b":1,"a":2,"b":3}"#).unwrap();
    assert_eq!((object.len(), object.is_empty()), (3, false));
    assert_eq!(object.take("b"), Some(Value::Number(Number::Unsigned(3))));
    assert_eq!(object.take("c"), None);
    let keys: Vec<_> = object.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["b", "a", "b"]);
}

#[test]
fn whole_numbers_are_integers_however_they_are_written() {
    let cases = [
        ("1", Some(1)),
        ("1.0", Some(1)),
        ("1e3", Some(1000)),
        ("-0.0", Some(0)),
        ("18446744073709551615", Some(18_446_744_073_709_551_615)),
        ("-9223372036854775808", Some(-9_223_372_036_854_775_808)),
        ("1e300", Some(i128::MAX)),
        ("-1e300", Some(i128::MIN)),
        ("1.5", None),
        ("1e-5", None),
    ];
    for (text, integer) in cases {
        assert_eq!(number(text).as_integer(), integer, "{text}");
    }
}

#[test]
fn numbers_print_short() {
    for text in ["0", "-5", "2.5", "0.1", "1e300", "-1e-300", "18446744073709551615"] {
        assert_eq!(number(text).to_string(), text);
    }
}

#[test]
fn a_path_is_as_clients_write_it() {
    let messages = Path::ROOT.key("messages");
    let (message, content) = (messages.index(2), "content");
    let content = message.key(content);
    let part = content.index(0);
    assert_eq!(part.key("type").to_string(), "messages[2].content[0].type");
    assert_eq!(Path::ROOT.to_string(), "");
}

#[test]
fn names_are_listed_as_in_english() {
    let lists = [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]];
    let [one, two, three] = lists.each_ref().map(|names| Listing::or(names.iter().copied()).to_string());
    assert_eq!([one, two, three], ["'a'", "'a' or 'b'", "'a', 'b', or 'c'"]);
}

#[test]
fn only_lone_surrogates_are_repaired() {
    let cases = [
        (r"\ud83d", Some(r"\ufffd")),
        (r"\ud83d\ud83d\ude00", Some(r"\ufffd\ud83d\ude00")),
        (r"\ude00\ud83d", Some(r"\ufffd\ufffd")),
        (r"x\uDBFFy\n\udfffz", Some(r"x\ufffdy\n\ufffdz")),
        (r"\ud83d\ude00", None),
        (r"\\ud83d", None),
        (r"\\\ud83d", Some(r"\\\ufffd")),
        (r"\ud83", None),
        (r"\u+83d", None),
        (r"\ud83dé", Some(r"\ufffdé")),
        (r"\ué", None),
        ("\\", None),
        ("plain", None),
    ];
    for (text, repaired) in cases {
        assert_eq!(repair::lone_surrogates(text).as_deref(), repaired, "{text}");
    }
}

#[test]
fn a_repaired_body_keeps_everything_else() {
    let body = br#"{"k\ud83d":["\ud83d",1,null,true,{"a":"b"}]}"#;
    let plain = "{\"k\u{fffd}\":[\"\u{fffd}\",1,null,true,{\"a\":\"b\"}]}";
    assert_eq!(parse(body).unwrap(), parse(plain.as_bytes()).unwrap());
}

#[test]
fn a_value_is_written_as_it_was_read() {
    let text = r#"{"b":[null,true,false,-1,1.5,18446744073709551615],"a":{"z":"\u00e4\"","y":{}}}"#;
    let written = serde_json::to_string(&Value::Object(parse(text.as_bytes()).unwrap())).unwrap();
    assert_eq!(written, text.replace("\\u00e4", "\u{e4}"));
}
