//! Answers: every way in which Chipp can answer becomes the one strict shape of OpenAI's, plain and streamed.

use std::time::Duration;

use chipp_proxy::emulator::{BEHAVIOURS, Ends, Options};
use serde_json::json;

use crate::support::Proxy;
use crate::{question, question_with, shape};

fn quick() -> Options {
    Options { think: Duration::from_millis(5), word_pause: Duration::from_millis(1), ..Options::default() }
}

/// What the app says, whatever the form.
fn expected(name: &str, content: &str) {
    match name {
        "relative-link" => assert_eq!(content, "Here it is: [report](/files/report.pdf)."),
        "long-answer" => assert!(content.len() > 8000 && content.ends_with("dull boy.")),
        "split-a" | "split-b" | "split-utf8" => {
            assert!(content.starts_with("Hello! You said: \"hi\".") && content.contains("日本語 🦀✓"));
        }
        _ => assert_eq!(content, "Hello! You said: \"hi\".", "{name}"),
    }
}

fn reason(name: &str) -> &'static str {
    match name {
        "finish-length" | "max-tokens-word" => "length",
        "content-filter" | "refusal-word" => "content_filter",
        _ => "stop",
    }
}

#[test]
fn every_plain_answer_has_the_strict_shape() {
    let proxy = Proxy::with("auth: {mode: open}", quick());
    proxy.emulator.open_wide("hi");
    let mut count = 0;
    for behaviour in BEHAVIOURS {
        let name = behaviour.name;
        match behaviour.plain {
            Ends::Answer => {
                let answer = proxy.chat(&question(name));
                expected(name, shape::completion(&answer, name));
                let choice = &answer.json["choices"][0];
                assert_eq!(choice["finish_reason"], reason(name), "{name}");
            }
            Ends::Empty => {
                let answer = proxy.chat(&question(name));
                assert_eq!(shape::completion(&answer, name), "", "{name}");
            }
            _ => continue,
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_streamed_answer_has_the_strict_shape() {
    let proxy = Proxy::with("auth: {mode: open}", quick());
    proxy.emulator.open_wide("hi");
    let mut count = 0;
    for behaviour in BEHAVIOURS {
        let name = behaviour.name;
        if !matches!(behaviour.streamed, Ends::Answer | Ends::Empty) {
            continue;
        }
        for include_usage in [false, true] {
            let body = if include_usage {
                question_with(name, &json!({"stream_options": {"include_usage": true}}))
            } else {
                question(name)
            };
            let told = shape::stream(proxy.stream(&body), name, include_usage);
            if behaviour.streamed == Ends::Empty {
                assert_eq!(told.content, "", "{name}");
            } else {
                expected(name, &told.content);
            }
            assert_eq!(told.finish_reason, reason(name), "{name}");
            assert_eq!(told.usage.is_some(), include_usage);
        }
        count += 1;
    }
    assert!(count > 40, "{count}");
}

#[test]
fn usage_is_chipps_own_or_an_estimate_and_says_so() {
    let proxy = Proxy::with("auth: {mode: open}", quick());
    for (name, source) in [
        ("gpt-4o", "upstream"),
        ("no-usage", "estimated"),
        ("null-usage", "estimated"),
        ("sparse-reply", "estimated"),
    ] {
        let answer = proxy.chat(&question(name));
        assert_eq!(answer.header("x-chipp-usage"), source, "{name}");
        assert!(answer.json["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{name}");
    }
}

#[test]
fn an_app_that_refuses_once_answers_the_second_time() {
    let options = Options::default();
    let proxy = Proxy::with_sections("", "retry: {attempts: 1}, ", "auth: {mode: open}", options);
    let first = proxy.chat(&question("flaky-503"));
    assert_eq!((first.status, first.code()), (502, "upstream_error"));
    expected("flaky-503", shape::completion(&proxy.chat(&question("flaky-503")), "flaky-503"));
    let streamed = proxy.stream(&question("flaky-503"));
    assert_eq!(streamed.status, 502);
    shape::stream(proxy.stream(&question("flaky-503")), "flaky-503", false);
}

#[test]
fn words_arrive_one_by_one() {
    let proxy = Proxy::start();
    // Nothing but the gate lets a word out, so each that is read has been passed on before the next.
    proxy.emulator.open("hi");
    let mut events = proxy.stream(&question("gated"));
    let mut text = events.next_text();
    while text != "Hello! You said: \"hi\"." {
        proxy.emulator.open("hi");
        text.push_str(&events.next_text());
    }
    proxy.emulator.open_wide("hi");
    let rest = events.read();
    assert!(rest.done && rest.content.is_empty());
}
