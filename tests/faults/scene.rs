//! How a row is played: a conversation with an app that does as its newest message says.

use std::time::{Duration, Instant};

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{Emulator, Options, Received};
use serde_json::{Value, json};

use crate::support::{Answer, Proxy};

/// What each call of Chipp was: alias; the session, `same` or `new`; how many messages were sent.
pub(crate) type Calls = Vec<(&'static str, &'static str, usize)>;

/// What goes wrong, and where.
pub(crate) struct Row {
    /// The behaviour of the app, by its name in the emulator's table.
    pub(crate) does: &'static str,
    pub(crate) turn: Turn,
    /// Keys of `upstream.retry`, each with a comma behind it.
    pub(crate) retry: &'static str,
    /// Keys of `upstream`, each with a comma behind it.
    pub(crate) timeouts: &'static str,
    /// Behaviours of the fallbacks.
    pub(crate) spares: &'static [&'static str],
    pub(crate) ways: Ways,
    /// How long it takes at the least.
    pub(crate) takes: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    First,
    Second,
}

#[derive(Clone, Copy)]
pub(crate) enum Ways {
    Both,
    Streamed,
}

impl Ways {
    pub(crate) fn each(self) -> &'static [bool] {
        match self {
            Self::Both => &[false, true],
            Self::Streamed => &[true],
        }
    }
}

/// What the client sees.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Saw {
    pub(crate) status: u16,
    /// The error's.
    pub(crate) code: &'static str,
    /// `x-chipp-session` of an answer.
    pub(crate) session: &'static str,
    pub(crate) should_retry: &'static str,
    pub(crate) retry_after: &'static str,
    /// `x-chipp-session` of the next turn, if this one is left out of it.
    pub(crate) next: &'static str,
}

/// A proxy for `asked`, the app that obeys, and for its spares under their own names. Nobody waits for long.
pub(crate) fn proxy(spares: &[&str], retry: &str, upstream: &str) -> Proxy {
    start(spares, &format!("{retry}backoff: 1ms, max_backoff: 5s"), upstream, "30s")
}

/// One that honours long waits, and stops soon all the same.
pub(crate) fn proxy_waiting(upstream: &str, max_backoff: &str) -> Proxy {
    start(&[], &format!("backoff: 1ms, max_backoff: {max_backoff}"), upstream, "100ms")
}

fn start(spares: &[&str], retry: &str, upstream: &str, drain: &str) -> Proxy {
    let options = Options { think: Duration::from_millis(1), ..Options::default() };
    let emulator = Emulator::start(options).unwrap();
    let base_url = emulator.base_url();
    let others = spares.iter().map(|name| ["  ", name, ": emu-", name, "-1\n"].concat()).collect::<String>();
    let text = format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1, drain: {drain}}}\n\
         upstream: {{{upstream}retry: {{{retry}}}, base_url: '{base_url}', api_key: live_test}}\n\
         auth: {{mode: open}}\n\
         models:\n  asked: {{app: emu-commanded-1, fallbacks: [{}]}}\n{others}",
        spares.join(", ")
    );
    let config =
        Config::parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{text}{problems}"));
    Proxy::run(config, emulator)
}

impl Row {
    pub(crate) fn play(&self, is_stream: bool) -> (Saw, Calls) {
        let proxy = proxy(self.spares, self.retry, self.timeouts);
        let mut history = Vec::new();
        if self.turn == Turn::Second {
            history.push(json!({"role": "user", "content": "hi"}));
            let answer = proxy.chat(&body(&history));
            history.push(json!({"role": "assistant", "content": answer.content()}));
        }
        let before = proxy.emulator.requests().len();
        let mut asked = history.clone();
        asked.push(json!({"role": "user", "content": format!("act as: {}", self.does)}));
        let started = Instant::now();
        let mut saw = ask(&proxy, &asked, is_stream);
        assert!(started.elapsed() >= self.takes, "too fast");
        let calls: Vec<Received> = proxy.emulator.requests().split_off(before);
        for call in &calls {
            let heard: Vec<_> = call.heard().iter().map(|message| message.content.to_string()).collect();
            let said: Vec<_> = asked.iter().map(|message| message["content"].as_str().unwrap()).collect();
            assert_eq!(heard, said, "Chipp hears what the client said");
        }
        if self.turn == Turn::Second {
            history.push(json!({"role": "user", "content": "and now?"}));
            let next = proxy.chat(&body(&history));
            assert_eq!(next.status, 200, "{next:?}");
            saw.next = leak(next.header("x-chipp-session"));
        }
        (saw, calls.iter().map(|call| told(call, self.spares)).collect())
    }
}

fn told(call: &Received, spares: &[&'static str]) -> (&'static str, &'static str, usize) {
    let spare = spares.iter().find(|name| call.app == format!("emu-{name}-1"));
    let session = if call.body_session.is_some() { "same" } else { "new" };
    (spare.copied().unwrap_or("asked"), session, call.messages.len())
}

pub(crate) fn body(messages: &[Value]) -> Value {
    json!({"model": "asked", "messages": messages})
}

fn ask(proxy: &Proxy, messages: &[Value], is_stream: bool) -> Saw {
    if !is_stream {
        let answer = proxy.chat(&body(messages));
        if answer.status == 200 {
            assert_eq!(answer.json["model"], "asked", "the name that was asked for");
        }
        return saw(&answer);
    }
    let events = proxy.stream(&body(messages));
    if events.status != 200 {
        return saw(&events.into_answer());
    }
    let head = ["x-chipp-session", "x-should-retry", "retry-after"].map(|name| leak(events.header(name)));
    let [session, should_retry, retry_after] = head;
    let told = events.read();
    assert!(told.chunks.iter().all(|chunk| chunk["model"] == "asked"), "the name that was asked for");
    assert_eq!(told.done, told.error.is_none());
    let code = told.error.map_or("", |error| leak(error["code"].as_str().unwrap_or_default()));
    Saw { status: 200, code, session, should_retry, retry_after, next: "" }
}

fn saw(answer: &Answer) -> Saw {
    Saw {
        status: answer.status,
        code: leak(answer.code()),
        session: if answer.status == 200 { leak(answer.header("x-chipp-session")) } else { "" },
        should_retry: leak(answer.header("x-should-retry")),
        retry_after: leak(answer.header("retry-after")),
        next: "",
    }
}

/// A few words that live as long as the test, so that rows can be written plainly.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The value of a metric; 0 if it has not been counted.
pub(crate) fn metric(proxy: &Proxy, name: &str) -> u64 {
    let metrics = proxy.get_url(&format!("http://{}/metrics", proxy.admin), &[]).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("chipp_proxy_{name} ")));
    line.map_or(0, |value| value.parse().unwrap())
}
