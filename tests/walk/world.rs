//! Clients, the proxy, Chipp, and what is checked after each step.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chipp_proxy::emulator::{BEHAVIOURS, Behaviour, Ends, Options, Outcome, Received, UnknownSession};
use serde_json::{Value, json};

use crate::store::{Entry, Scope, Store};
use crate::support::redis::Server;
use crate::support::{PATIENCE, Proxy};
use crate::words::{Dress, Line, Said, lines};

/// The app that obeys `act as: NAME`.
pub(crate) const COMMANDED: &str = "commanded";
/// Everything is tried again once, as far as the budget goes; how many failures come how soon is chance, so that no
/// breaker may count them.
const UPSTREAM: &str = "retry: {attempts: 2, backoff: 1ms, max_backoff: 5ms, \
    on: [connect, rate_limit, unavailable, timeout, server_error, reset]}, breaker: {failures: off}, ";
/// Statuses that say that a turn has not become part of a conversation.
const UNTOUCHED: [u16; 8] = [400, 401, 402, 403, 404, 413, 422, 429];
/// Apps whose streams never name their session.
const UNNAMED: [&str; 3] = ["no-session-id", "persisted-message-id-only", "foreign-session-id-only"];
/// Apps that answer a session that they do not know with an error.
const DENYING: [&str; 2] = ["missing-session-404", "forbidden-session-403"];
/// Apps whose answer ends at a filter.
const FILTERED: [&str; 2] = ["content-filter", "refusal-word"];

/// How a request is made.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) is_stream: bool,
    pub(crate) cut: Cut,
    pub(crate) wish: Wish,
    pub(crate) dress: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    No,
    /// A stop sequence that does not occur.
    Missed,
    Stop,
    Length,
}

/// `x-chipp-session`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Usual,
    New,
    Off,
}

/// A conversation, as its client has it.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) scope: Scope,
    pub(crate) messages: Vec<Said>,
}

/// What a client got.
#[derive(Debug)]
struct Got {
    status: u16,
    outcome: String,
    content: String,
    /// With the end that an answer has.
    is_complete: bool,
}

/// What ought to become of a request.
struct Plan<'a> {
    scope: &'a Scope,
    said: &'a [Line],
    ask: &'a Ask,
    behaviour: &'static Behaviour,
    ends: Ends,
    taken: Option<Entry>,
    /// Chipp will say in time that it has forgotten the session.
    is_lost: bool,
    /// Chipp has forgotten it, and does not say so (in time): nothing can be done about that.
    is_silent: bool,
    /// How many calls failed before the one that was answered.
    retries: usize,
}

pub(crate) struct World {
    pub(crate) chats: Vec<Chat>,
    proxy: Proxy,
    /// A second proxy that shares its sessions with the first.
    replica: Option<Proxy>,
    store: Store,
    unknown_session: UnknownSession,
    /// Whose each session is.
    owners: HashMap<String, Scope>,
    serial: usize,
}

impl World {
    pub(crate) fn new(capacity: usize, unknown_session: UnknownSession) -> Self {
        let yaml = format!("auth: {{mode: open}}\nsessions: {{capacity: {capacity}}}");
        let proxy = Proxy::with_sections("", UPSTREAM, &yaml, options(unknown_session));
        Self::with(proxy, None, capacity, unknown_session)
    }

    /// With two proxies whose sessions are in Redis, which has room for all.
    pub(crate) fn of_replicas(redis: &Server, unknown_session: UnknownSession) -> Self {
        assert_eq!(redis.tell("FLUSHALL"), "+OK");
        let url = redis.url();
        let yaml = format!(
            "auth: {{mode: open}}\nsessions: {{store: redis}}\nredis: {{url: '{url}', timeout: {PATIENCE:?}}}"
        );
        let proxy = Proxy::with_sections("", UPSTREAM, &yaml, options(unknown_session));
        let replica = proxy.replica_with(UPSTREAM, &yaml);
        proxy.until_ready("ok");
        replica.until_ready("ok");
        Self::with(proxy, Some(replica), usize::MAX, unknown_session)
    }

    fn with(proxy: Proxy, replica: Option<Proxy>, capacity: usize, unknown_session: UnknownSession) -> Self {
        let scope = Scope { model: COMMANDED, user: None, conversation: None };
        Self {
            chats: vec![Chat { scope, messages: vec![Said::User("hi".into())] }],
            proxy,
            replica,
            store: Store::new(capacity),
            unknown_session,
            owners: HashMap::new(),
            serial: 0,
        }
    }

    /// The proxy that a request in this dress goes to.
    fn proxy_for(&self, ask: &Ask) -> &Proxy {
        self.replica.as_ref().filter(|_| ask.dress % 2 == 1).unwrap_or(&self.proxy)
    }

    /// Chipp loses all sessions.
    pub(crate) fn forget_sessions(&mut self) {
        self.proxy.emulator.forget_sessions();
        self.store.forget();
    }

    /// Sends a conversation as it is; the answer becomes part of it.
    pub(crate) fn ask(&mut self, chat: usize, ask: &Ask) {
        let Chat { scope, messages } = self.chats[chat].clone();
        let said = lines(&messages);
        let taken = match ask.wish {
            Wish::Usual => self.store.take(&scope, &said),
            Wish::New | Wish::Off => None,
        };
        let plan = self.plan(&scope, &said, ask, taken);
        let id = self.next_id();
        let got = self.send(&id, &self.chats[chat], ask);
        let received = self.received(&id);
        self.check_heard(&received, &plan);
        if let Some(answer) = self.settle(plan, &got, &received) {
            self.chats[chat].messages.push(Said::Assistant(answer));
        }
    }

    /// Sends the same conversation several times at once.
    pub(crate) fn ask_at_once(&mut self, chat: usize, text: &str, asks: &[Ask]) {
        let gate = self.push_gate(chat, text);
        let Chat { scope, messages } = self.chats[chat].clone();
        let said = lines(&messages);
        let takens: Vec<_> = asks.iter().map(|_| self.store.take(&scope, &said)).collect();
        let ids: Vec<String> = asks.iter().map(|_| self.next_id()).collect();
        let this = &*self;
        let (gots, in_use) = std::thread::scope(|threads| {
            let running: Vec<_> = asks
                .iter()
                .zip(&ids)
                .map(|(ask, id)| threads.spawn(move || this.send(id, &this.chats[chat], ask)))
                .collect();
            let mut in_use = Vec::new();
            if scope.model == COMMANDED {
                this.until(|requests| {
                    let seen: HashSet<_> = requests.iter().map(|request| &request.correlation_id).collect();
                    ids.iter().all(|id| seen.contains(&Some(id.clone())))
                });
                in_use = ids.iter().flat_map(|id| this.received(id)).collect();
            }
            this.proxy.emulator.open_wide(&gate);
            let gots: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
            (gots, in_use)
        });
        let sent: Vec<_> = in_use.iter().filter_map(|request| request.body_session.as_ref()).collect();
        let different: HashSet<_> = sent.iter().collect();
        assert_eq!(different.len(), sent.len(), "a session in use by two at once: {in_use:?}");
        // Which of them got which session is chance; in all they come to the same.
        let (mut planned, mut seen) = (Vec::new(), Vec::new());
        let mut answers = HashSet::new();
        for ((ask, taken), (got, id)) in asks.iter().zip(takens).zip(gots.iter().zip(&ids)) {
            let plan = self.plan(&scope, &said, ask, taken);
            let received = self.received(id);
            assert!(got.is_complete, "{got:?}");
            let may_be_lost = Plan { is_lost: true, ..self.plan(&scope, &said, ask, plan.taken.clone()) };
            self.check_heard(&received, &may_be_lost);
            planned.push((plan.outcome().to_owned(), plan.sends()));
            seen.push((got.outcome.clone(), received.last().unwrap().messages.len()));
            answers.insert(got.content.clone());
            if plan.is_kept(got, Some(&got.content)) {
                self.store.put(plan.entry(&got.content, true));
            }
        }
        planned.sort();
        seen.sort();
        assert_eq!(seen, planned);
        assert_eq!(answers.len(), 1, "equal histories get equal answers: {answers:?}");
        self.chats[chat].messages.extend(answers.into_iter().map(Said::Assistant));
    }

    /// Asks for several answers at once. They are equal, as the history is; but each is in a session of its own.
    pub(crate) fn ask_choices(&mut self, chat: usize, text: &str, n: usize, ask: &Ask) {
        self.chats[chat].messages.push(Said::User(text.to_owned()));
        let Chat { scope, messages } = self.chats[chat].clone();
        let said = lines(&messages);
        let takens: Vec<_> = (0..n).map(|_| self.store.take(&scope, &said)).collect();
        let id = self.next_id();
        let (mut body, headers) = request(&id, &self.chats[chat], ask);
        body["n"] = json!(n);
        let (outcome, answers) = self.send_choices(&body, &borrowed(&headers), ask);
        let received = self.received(&id);
        let plans: Vec<_> = takens.into_iter().map(|taken| self.plan(&scope, &said, ask, taken)).collect();
        let may_be_lost = Plan { is_lost: true, ..self.plan(&scope, &said, ask, plans[0].taken.clone()) };
        self.check_heard(&received, &may_be_lost);
        assert_eq!(outcome, plans[0].outcome());
        let answering = || received.iter().filter(|request| !is_probe(request));
        let sessions: HashSet<_> = answering().map(|request| &request.session).collect();
        assert_eq!(sessions.len(), n, "a session in use by two at once: {received:#?}");
        let mut planned: Vec<_> = plans.iter().map(Plan::sends).collect();
        let mut sent: Vec<_> = answering().map(|request| request.messages.len()).collect();
        planned.sort_unstable();
        sent.sort_unstable();
        assert_eq!(sent, planned, "{received:#?}");
        assert_eq!(answers.len(), n, "{answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        for _ in plans.iter().filter(|_| !answers[0].trim().is_empty()) {
            self.store.put(may_be_lost.entry(&answers[0], true));
        }
        self.chats[chat].messages.push(Said::Assistant(answers[0].clone()));
    }

    /// `x-chipp-session`, and the answers in the order of their index.
    fn send_choices(&self, body: &Value, headers: &[(&str, &str)], ask: &Ask) -> (String, Vec<String>) {
        let mut answers = BTreeMap::<u64, String>::new();
        let mut add = |choices: &Value, message: &str| {
            for choice in choices.as_array().into_iter().flatten() {
                let answer = answers.entry(choice["index"].as_u64().unwrap()).or_default();
                answer.push_str(choice[message]["content"].as_str().unwrap_or_default());
            }
        };
        let outcome = if ask.is_stream {
            let events = self.proxy_for(ask).stream_with(body, headers);
            let outcome = events.header("x-chipp-session").to_owned();
            let all = events.read();
            assert!(all.done, "{all:?}");
            all.chunks.iter().for_each(|chunk| add(&chunk["choices"], "delta"));
            outcome
        } else {
            let answer = self.proxy_for(ask).chat_with(body, headers);
            assert_eq!(answer.status, 200, "{answer:?}");
            add(&answer.json["choices"], "message");
            answer.header("x-chipp-session").to_owned()
        };
        (outcome, answers.into_values().collect())
    }

    /// Goes away when the first words have come, and keeps them or not.
    pub(crate) fn leave_stream(&mut self, chat: usize, text: &str, keeps: bool, ask: &Ask) {
        let gate = self.push_gate(chat, text);
        let id = self.next_id();
        let this = &*self;
        let first = std::thread::scope(|threads| {
            let reading = threads.spawn(|| {
                let (body, headers) = request(&id, &this.chats[chat], ask);
                let mut events = this.proxy_for(ask).stream_with(&body, &borrowed(&headers));
                events.next_text()
            });
            // Not the request that only finds out that the session is gone.
            this.until(|requests| {
                let last = requests.iter().rfind(|request| request.correlation_id.as_ref() == Some(&id));
                last.is_some_and(|last| !is_probe(last) && last.outcome == Outcome::Running)
            });
            this.proxy.emulator.open(&gate);
            reading.join().unwrap()
        });
        self.left(chat, &id, &gate);
        if keeps {
            self.chats[chat].messages.push(Said::Assistant(first));
        }
    }

    /// Goes away when an answer has come to a halt, and takes the question back: it would come to one again.
    pub(crate) fn leave_stalled(&mut self, chat: usize, ask: &Ask) {
        self.serial += 1;
        let question = format!("act as: stall {}", self.serial);
        self.chats[chat].messages.push(Said::User(question.clone()));
        let id = self.next_id();
        let (body, headers) = request(&id, &self.chats[chat], ask);
        let mut events = self.proxy.stream_with(&body, &borrowed(&headers));
        events.next_text();
        drop(events);
        self.left(chat, &id, &question);
        self.chats[chat].messages.pop();
    }

    /// Goes away before a plain answer comes.
    pub(crate) fn leave_plain(&mut self, chat: usize, text: &str, ask: &Ask) {
        let gate = self.push_gate(chat, text);
        let id = self.next_id();
        let (body, headers) = request(&id, &self.chats[chat], ask);
        let socket = self.proxy_for(ask).begin(&body, &borrowed(&headers));
        self.until(|requests| requests.iter().any(|request| request.correlation_id.as_ref() == Some(&id)));
        drop(socket);
        self.left(chat, &id, &gate);
    }

    /// Nobody waits for the answer any more.
    fn left(&mut self, chat: usize, id: &str, gate: &str) {
        self.until(|requests| {
            let mut own = requests.iter().filter(|request| request.correlation_id.as_deref() == Some(id));
            own.all(|request| match request.outcome {
                Outcome::ClientLeft => true,
                Outcome::Running => false,
                _ => is_probe(request),
            })
        });
        self.proxy.emulator.open_wide(gate);
        let Chat { scope, messages } = self.chats[chat].clone();
        let said = lines(&messages);
        let ask = Ask { is_stream: true, cut: Cut::No, wish: Wish::Usual, dress: 0 };
        let taken = self.store.take(&scope, &said);
        let plan = Plan {
            // Whoever leaves early need not see a replay.
            is_lost: false,
            is_silent: taken.as_ref().is_some_and(|taken| !taken.is_alive),
            ..self.plan(&scope, &said, &ask, taken)
        };
        self.check_heard(&self.received(id), &plan);
    }

    fn push_gate(&mut self, chat: usize, text: &str) -> String {
        self.serial += 1;
        let gate = format!("act as: gated {} {text}", self.serial);
        self.chats[chat].messages.push(Said::User(gate.clone()));
        gate
    }

    fn next_id(&mut self) -> String {
        self.serial += 1;
        format!("walk-{}", self.serial)
    }

    fn send(&self, id: &str, chat: &Chat, ask: &Ask) -> Got {
        let (body, headers) = request(id, chat, ask);
        let headers = borrowed(&headers);
        if ask.is_stream {
            let events = self.proxy_for(ask).stream_with(&body, &headers);
            let (status, outcome) = (events.status, events.header("x-chipp-session").to_owned());
            if status != 200 {
                return Got { status, outcome, content: String::new(), is_complete: false };
            }
            let streamed = events.read();
            assert_eq!(streamed.done, streamed.error.is_none(), "{streamed:?}");
            return Got { status, outcome, content: streamed.content, is_complete: streamed.done };
        }
        let answer = self.proxy_for(ask).chat_with(&body, &headers);
        let is_complete = answer.status == 200;
        Got {
            status: answer.status,
            outcome: answer.header("x-chipp-session").to_owned(),
            content: if is_complete { answer.content().to_owned() } else { String::new() },
            is_complete,
        }
    }

    fn received(&self, id: &str) -> Vec<Received> {
        let requests = self.proxy.emulator.requests().into_iter();
        requests.filter(|request| request.correlation_id.as_deref() == Some(id)).collect()
    }

    fn until(&self, condition: impl Fn(&[&Received]) -> bool) {
        let came =
            self.proxy.emulator.wait_for(|state| condition(&state.requests().collect::<Vec<_>>()), PATIENCE);
        assert!(came, "waited in vain: {:#?}", self.proxy.emulator.requests().last());
    }

    fn plan<'a>(&self, scope: &'a Scope, said: &'a [Line], ask: &'a Ask, taken: Option<Entry>) -> Plan<'a> {
        let newest = said.iter().rfind(|(role, _)| *role == "user").map_or("", |(_, text)| text);
        let behaviour = behaviour(scope.model, newest);
        let ends = if ask.is_stream { behaviour.streamed } else { behaviour.plain };
        let is_named = !ask.is_stream || !UNNAMED.contains(&behaviour.name);
        let is_late = ask.is_stream && behaviour.name == "late-session-id";
        let answers = matches!(
            ends,
            Ends::Answer | Ends::Empty | Ends::RefusedOnce(_) | Ends::BrokenOnce | Ends::TakenOver
        );
        let turns = said.iter().filter(|(role, _)| *role == "user").count();
        let (is_lost, is_silent) = match (taken.as_ref().map(|taken| taken.is_alive), behaviour.name) {
            (Some(true), name) if name == "forgetful" || DENYING.contains(&name) => (turns % 2 == 0, false),
            (None | Some(true), _) => (false, false),
            (Some(false), name) if DENYING.contains(&name) => (true, false),
            (Some(false), _) if self.unknown_session == UnknownSession::Refuse => (true, false),
            (Some(false), _) => {
                let is_told = answers && is_named && !is_late;
                (is_told, !is_told)
            }
        };
        Plan { scope, said, ask, behaviour, ends, taken, is_lost, is_silent, retries: 0 }
    }

    /// I1 and I3: whatever reached Chipp.
    fn check_heard(&mut self, received: &[Received], plan: &Plan<'_>) {
        for (at, request) in received.iter().enumerate() {
            assert_eq!(request.body_session, request.header_session);
            for session in [&request.body_session, &request.session].into_iter().flatten() {
                let owner = self.owners.entry(session.clone()).or_insert_with(|| plan.scope.clone());
                assert_eq!(owner, plan.scope, "a session of two scopes");
            }
            if is_probe(request) {
                assert!(plan.is_lost || plan.is_silent, "Chipp had not forgotten: {request:?}");
                let is_told = !is_failed(request);
                assert!(at + 1 < received.len() || !plan.is_lost || !is_told, "no replay after {request:?}");
                continue;
            }
            let heard: Vec<Line> = request
                .heard()
                .iter()
                .map(|message| (role(&message.role), message.content.trim_end().to_owned()))
                .collect();
            assert_eq!(heard, plan.said, "{request:#?}");
        }
    }

    /// I2 and I4, and what becomes of the session. Gives the answer, if there is one.
    fn settle(&mut self, mut plan: Plan<'_>, got: &Got, received: &[Received]) -> Option<String> {
        let told = format!("{:?}, {got:?} after {received:#?}", plan.behaviour.name);
        match plan.ends {
            Ends::Refused(status) => {
                assert!(got.status != 200, "{told}");
                let untouched = UNTOUCHED.contains(&status) && !plan.is_lost;
                if let Some(taken) = plan.taken.filter(|_| untouched) {
                    self.store.put(taken);
                }
                return None;
            }
            Ends::TakenOver => {
                assert_eq!(got.status, 409, "{told}");
                // Once more only where the first call has shown that the session is gone.
                assert_eq!(received.len(), 1 + usize::from(plan.is_lost), "delivered once: {told}");
                return None;
            }
            Ends::Broken | Ends::Withdrawn => {
                // What the client wanted no more of may be complete before it breaks.
                let may_be_complete = matches!(plan.ask.cut, Cut::Stop | Cut::Length);
                assert!(!got.is_complete || may_be_complete, "{told}");
                return got.is_complete.then(|| got.content.clone());
            }
            Ends::RefusedOnce(status) if got.status != 200 => {
                // Refused before it was told whether the session is there.
                let untouched = UNTOUCHED.contains(&status) && received.len() == 1;
                if let Some(taken) = plan.taken.filter(|_| untouched) {
                    self.store.put(taken);
                }
                return None;
            }
            Ends::BrokenOnce if got.status != 200 => return None,
            // Text that says nothing of what it is, and nothing else either.
            Ends::Answer if plan.is_blank_page(received, |last| self.whole_answer(last)) => {
                assert_eq!(got.status, 502, "{told}");
                return None;
            }
            Ends::RefusedOnce(_) | Ends::BrokenOnce => {
                let failed = received.iter().filter(|request| is_failed(request) && !is_probe(request));
                plan.retries = failed.count();
                assert!(plan.retries <= 1, "{told}");
            }
            Ends::Answer | Ends::Empty => {}
            Ends::Never => unreachable!("not chosen"),
        }
        assert!(got.is_complete, "{told}");
        assert_eq!(got.outcome, plan.outcome(), "{told}");
        let last = received.last().unwrap();
        assert_eq!(received.len(), 1 + plan.retries + usize::from(plan.is_lost), "{told}");
        assert_eq!(last.messages.len(), plan.sends(), "{told}");
        if plan.ends == Ends::Empty {
            assert_eq!(got.content, "", "{told}");
        }
        if plan.is_kept(got, self.whole_answer(last).as_deref()) {
            self.store.put(plan.entry(&got.content, !plan.is_silent));
        }
        Some(got.content.clone())
    }

    /// What Chipp holds as its answer.
    fn whole_answer(&self, request: &Received) -> Option<String> {
        let transcript = self.proxy.emulator.transcript(request.session.as_ref()?)?;
        let last = transcript.last().filter(|_| request.stored)?;
        Some(last.content.to_string())
    }
}

fn options(unknown_session: UnknownSession) -> Options {
    Options {
        unknown_session,
        think: Duration::from_millis(1),
        word_pause: Duration::from_millis(1),
        ..Options::default()
    }
}

impl Plan<'_> {
    fn is_continued(&self) -> bool {
        // None of the failures that are tried again with success leaves the session as it was.
        self.taken.is_some() && !self.is_lost && self.retries == 0
    }

    /// A stream of plain text without any.
    fn is_blank_page(
        &self,
        received: &[Received],
        whole_answer: impl Fn(&Received) -> Option<String>,
    ) -> bool {
        let whole = received.last().and_then(whole_answer);
        self.ask.is_stream
            && self.behaviour.name == "plain-text"
            && whole.is_some_and(|whole| whole.trim().is_empty())
    }

    /// `x-chipp-session`
    fn outcome(&self) -> &'static str {
        match self.ask.wish {
            Wish::Off => "stateless",
            _ if self.is_continued() => "continued",
            Wish::Usual if self.said.iter().any(|(role, _)| *role == "assistant") => "replayed",
            Wish::Usual | Wish::New => "new",
        }
    }

    /// How many messages the last request holds.
    fn sends(&self) -> usize {
        let held = self.taken.as_ref().filter(|_| self.is_continued());
        self.said.len() - held.map_or(0, |taken| taken.holds.len())
    }

    /// Whether Chipp holds just what the client has, in a session whose name is known.
    fn is_kept(&self, got: &Got, whole: Option<&str>) -> bool {
        let is_cut = matches!(self.ask.cut, Cut::Stop | Cut::Length) && whole != Some(&got.content);
        let is_nameless = self.ask.is_stream && UNNAMED.contains(&self.behaviour.name);
        let is_late = self.ask.is_stream && self.behaviour.name == "late-session-id";
        let is_whole = !is_cut && !FILTERED.contains(&self.behaviour.name);
        is_whole
            && !got.content.trim().is_empty()
            && self.ask.wish != Wish::Off
            && !(self.is_silent && is_late)
            && (self.is_continued() || !is_nameless)
    }

    fn entry(&self, answer: &str, is_alive: bool) -> Entry {
        let mut holds = self.said.to_vec();
        holds.push(("assistant", answer.trim_end().to_owned()));
        Entry { scope: self.scope.clone(), holds, is_alive }
    }
}

/// A request whose session Chipp did not know: all it did is to show that.
fn is_probe(request: &Received) -> bool {
    request.body_session.is_some() && request.session != request.body_session
}

/// A request that Chipp failed at.
fn is_failed(request: &Received) -> bool {
    matches!(request.outcome, Outcome::Refused(429 | 500..) | Outcome::Broken)
}

fn role(role: &str) -> &'static str {
    ["system", "user", "assistant"].into_iter().find(|known| *known == role).unwrap()
}

fn behaviour(model: &str, newest: &str) -> &'static Behaviour {
    let of = |name: &str| BEHAVIOURS.iter().find(|behaviour| behaviour.name == name);
    let told = newest.split_once("act as: ").filter(|_| model == COMMANDED);
    let told = told.and_then(|(_, rest)| of(rest.split_whitespace().next()?));
    told.or(of(model)).unwrap()
}

/// The body and the headers of a request.
fn request(id: &str, chat: &Chat, ask: &Ask) -> (Value, Vec<(&'static str, String)>) {
    let mut dress = Dress(ask.dress);
    let messages: Vec<Value> = chat.messages.iter().map(|message| message.write(&mut dress)).collect();
    let mut body = json!({"model": chat.scope.model, "messages": messages});
    let mut headers = vec![("x-request-id", id.to_owned())];
    match (chat.scope.user, dress.choose(4)) {
        (None, _) => {}
        (Some(user), 0) => body["user"] = json!(user),
        (Some(user), 1) => body["safety_identifier"] = json!(user),
        (Some(user), 2) => headers.push(("x-user-id", user.to_owned())),
        (Some(user), _) => headers.push(("X-OpenWebUI-User-Id", user.to_owned())),
    }
    if let Some(conversation) = chat.scope.conversation {
        headers.push(("X-Conversation-ID", conversation.to_owned()));
    }
    match ask.cut {
        Cut::No => {}
        Cut::Missed => body["stop"] = json!("\u{1}"),
        Cut::Stop => body["stop"] = json!([" ", "\u{1}"]),
        Cut::Length => body["max_tokens"] = json!(1),
    }
    match ask.wish {
        Wish::Usual => {}
        Wish::New => headers.push(("x-chipp-session", "new".into())),
        Wish::Off => headers.push(("x-chipp-session", "off".into())),
    }
    (body, headers)
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
