//! The proxy, its clients, and the check that goes with every request.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::emulator::{Emulator, Options, Outcome, Received, State};

use crate::support::{PATIENCE, Proxy, Streamed as Stream};
use crate::words::{Chat, Line, heard};

/// How an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Plain,
    Streamed,
}

pub(crate) use How::{Plain, Streamed};

pub(crate) const BOTH: [How; 2] = [Plain, Streamed];

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// `x-chipp-session`
    pub(crate) outcome: String,
    pub(crate) content: String,
    pub(crate) finish_reason: Option<String>,
    /// With the end that an answer has.
    pub(crate) is_complete: bool,
    /// What reached Chipp for it.
    pub(crate) requests: Vec<Received>,
}

impl Got {
    /// It was answered, by one request with so many messages.
    #[track_caller]
    pub(crate) fn is(&self, outcome: &str, sent: usize) -> &Self {
        assert_eq!(self.requests.len(), 1, "{self:#?}");
        self.is_in_the_end(outcome, sent)
    }

    /// It was answered, and the last request had so many messages.
    #[track_caller]
    pub(crate) fn is_in_the_end(&self, outcome: &str, sent: usize) -> &Self {
        assert!(self.status == 200 && self.is_complete, "{self:#?}");
        assert_eq!((self.outcome.as_str(), self.last().messages.len()), (outcome, sent), "{self:#?}");
        let resumes = self.last().body_session.is_some();
        assert_eq!(resumes, outcome == "continued", "{self:#?}");
        self
    }

    pub(crate) fn last(&self) -> &Received {
        self.requests.last().unwrap()
    }

    /// The session that the answer belongs to.
    pub(crate) fn session(&self) -> &str {
        self.last().session.as_deref().unwrap()
    }
}

/// Clients, the proxy and Chipp.
pub(crate) struct World {
    pub(crate) proxy: Proxy,
    /// What each request said, by its `x-request-id`.
    said: Mutex<HashMap<String, Vec<Line>>>,
    /// How many of Chipp's requests have been checked.
    checked: Mutex<usize>,
}

/// What a failure does to a session is to show, and not what becomes of the request when it is tried again.
pub(crate) const PLAINLY: &str = "retry: {attempts: 1}, breaker: {failures: off}, ";

impl World {
    pub(crate) fn start() -> Self {
        Self::with("auth: {mode: open}", quick())
    }

    /// As [`Proxy::with`].
    pub(crate) fn with(yaml: &str, options: Options) -> Self {
        Self::of(Proxy::with_sections("", PLAINLY, yaml, options))
    }

    /// With a whole configuration of its own but for `server`; `{base_url}` stands for the emulator.
    pub(crate) fn of_yaml(yaml: &str) -> Self {
        let emulator = Emulator::start(quick()).unwrap();
        let base_url = emulator.base_url();
        Self::between(yaml, emulator, &base_url)
    }

    /// The same, with something between the proxy and the emulator.
    pub(crate) fn between(yaml: &str, emulator: Emulator, base_url: &str) -> Self {
        let yaml =
            yaml.replace("{base_url}", base_url).replace("upstream: {", &format!("upstream: {{{PLAINLY}"));
        let text = format!("server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 2}}\n{yaml}");
        let config =
            Config::parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}"));
        Self::of(Proxy::run(config, emulator))
    }

    pub(crate) fn of(proxy: Proxy) -> Self {
        Self { proxy, said: Mutex::default(), checked: Mutex::default() }
    }

    /// Says something; the answer becomes part of the conversation.
    #[track_caller]
    pub(crate) fn say(&self, chat: &mut Chat, text: &str, how: How) -> Got {
        chat.user(text);
        self.ask(chat, how)
    }

    /// Asks for an answer to the conversation as it is; it becomes part of it.
    #[track_caller]
    pub(crate) fn ask(&self, chat: &mut Chat, how: How) -> Got {
        let got = self.try_ask(chat, how);
        assert!(got.status == 200 && got.is_complete, "{got:#?}");
        chat.assistant(&got.content);
        got
    }

    /// Asks for an answer that need not come.
    #[track_caller]
    pub(crate) fn try_ask(&self, chat: &Chat, how: How) -> Got {
        let (id, headers) = self.register(chat);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut got = match how {
            Plain => {
                let answer = self.proxy.chat_with(&chat.body, &headers);
                let choice = &answer.json["choices"][0];
                Got {
                    status: answer.status,
                    outcome: answer.header("x-chipp-session").to_owned(),
                    content: choice["message"]["content"].as_str().unwrap_or_default().to_owned(),
                    finish_reason: choice["finish_reason"].as_str().map(str::to_owned),
                    is_complete: answer.status == 200,
                    requests: Vec::new(),
                }
            }
            Streamed => {
                let events = self.proxy.stream_with(&chat.body, &headers);
                let (status, outcome) = (events.status, events.header("x-chipp-session").to_owned());
                let streamed = if status == 200 { events.read() } else { Stream::default() };
                Got {
                    status,
                    outcome,
                    content: streamed.content,
                    finish_reason: streamed.finish_reason,
                    is_complete: streamed.done,
                    requests: Vec::new(),
                }
            }
        };
        got.requests = self.received(&id);
        self.check();
        got
    }

    /// Begins a stream, opens the gate for one word, reads it, and goes away. Gives the word.
    pub(crate) fn leave_stream(&self, chat: &Chat) -> String {
        let (id, headers) = self.register(chat);
        let gate = gate(chat);
        let word = std::thread::scope(|threads| {
            let reading = threads.spawn(|| {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.proxy.stream_with(&chat.body, &headers).next_text()
            });
            self.until(|state| asked(state, &id));
            self.proxy.emulator.open(&gate);
            reading.join().unwrap()
        });
        self.left(&id);
        word
    }

    /// Asks for a plain answer and goes away before it comes.
    pub(crate) fn leave_plain(&self, chat: &Chat) {
        let (id, headers) = self.register(chat);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let socket = self.proxy.begin(&chat.body, &headers);
        self.until(|state| asked(state, &id));
        drop(socket);
        self.left(&id);
    }

    /// All of them at once: no answer begins before each request is there. What is said last is the gate of all.
    pub(crate) fn ask_at_once(&self, chats: &mut [Chat], how: impl Fn(usize) -> How + Sync) -> Vec<Got> {
        let before = self.proxy.emulator.requests().len();
        let all = before + chats.len();
        let gates: HashSet<String> = chats.iter().map(gate).collect();
        std::thread::scope(|threads| {
            let how = &how;
            let running: Vec<_> = chats
                .iter_mut()
                .enumerate()
                .map(|(at, chat)| threads.spawn(move || self.ask(chat, how(at))))
                .collect();
            self.until(|state| state.requests().len() == all);
            let received = self.proxy.emulator.requests();
            let used: Vec<_> =
                received[before..].iter().filter_map(|request| request.session.as_ref()).collect();
            assert_eq!(used.iter().collect::<HashSet<_>>().len(), used.len(), "a session in use by two");
            for gate in &gates {
                self.proxy.emulator.open_wide(gate);
            }
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Each request that reached Chipp heard what its client said, unless its session turned out to be unknown there.
    #[track_caller]
    pub(crate) fn check(&self) {
        let mut checked = self.checked.lock().unwrap();
        let said = self.said.lock().unwrap();
        for request in self.look(|state| state.requests().skip(*checked).cloned().collect::<Vec<_>>()) {
            *checked += 1;
            assert_eq!(request.body_session, request.header_session, "{request:#?}");
            if request.body_session.is_none() || request.session == request.body_session {
                let id = request.correlation_id.as_deref().unwrap();
                assert_eq!(heard(&request.heard()), said[id], "{request:#?}");
            }
        }
    }

    /// What reached Chipp for a request.
    pub(crate) fn received(&self, id: &str) -> Vec<Received> {
        let is_own = |request: &&Received| request.correlation_id.as_deref() == Some(id);
        self.look(|state| state.requests().filter(is_own).cloned().collect())
    }

    fn look<T>(&self, look: impl Fn(&State) -> T) -> T {
        let seen = Cell::new(None);
        self.until(|state| {
            seen.set(Some(look(state)));
            true
        });
        seen.take().unwrap()
    }

    pub(crate) fn until(&self, condition: impl Fn(&State) -> bool) {
        let came = self.proxy.emulator.wait_for(condition, PATIENCE);
        assert!(came, "waited in vain: {:#?}", self.proxy.emulator.requests().last());
    }

    /// Chipp knows that nobody waits any more.
    fn left(&self, id: &str) {
        self.until(|state| {
            let mut own = state.requests().filter(|request| request.correlation_id.as_deref() == Some(id));
            own.all(|request| request.outcome == Outcome::ClientLeft)
        });
        self.check();
    }

    pub(crate) fn register(&self, chat: &Chat) -> (String, Vec<(&'static str, String)>) {
        let mut said = self.said.lock().unwrap();
        let id = format!("request-{}", said.len());
        said.insert(id.clone(), chat.lines());
        let mut headers = chat.headers.clone();
        headers.push(("x-request-id", id.clone()));
        (id, headers)
    }
}

/// An emulator that loses no time.
pub(crate) fn quick() -> Options {
    Options { think: Duration::from_millis(1), word_pause: Duration::from_millis(1), ..Options::default() }
}

/// The gate that the answer to a conversation waits for: its newest message.
fn gate(chat: &Chat) -> String {
    let last = chat.body["messages"].as_array().and_then(|messages| messages.last());
    last.and_then(|message| message["content"].as_str()).unwrap().to_owned()
}

fn asked(state: &State, id: &str) -> bool {
    state.requests().any(|request| request.correlation_id.as_deref() == Some(id))
}
