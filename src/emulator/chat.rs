//! The endpoints: who may ask, what for, and which script answers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::answer::{answer, newest};
use super::behaviour::{Act, Behaviour, Refusal, Storing, TALK, Talk};
use super::exchange::{Exchange, outcome, said_and_stored, usage};
use super::http::Head;
use super::place::{Denial, Place};
use super::record::{Message, Outcome, Received};
use super::request::{self, Body, session_id};
use super::script::{Delivery, Script, Step};
use super::state::{Kept, Shared};
use super::{Keys, Options, Strictness, plain, stream};

/// The answer to a request, and the number under which it is noted if it was for the chat.
pub(super) fn serve(shared: &Shared, head: &Head, body: &[u8]) -> (Option<usize>, Script) {
    let chat = head.path.ends_with("/chat/completions");
    match (&*head.method, head.path.split_once("/chat/transcript/")) {
        ("POST", _) if chat => {
            let (number, script) = converse(shared, head, body);
            (Some(number), script)
        }
        ("GET", Some((_, session))) => (None, transcript(shared, &head.key, session)),
        (_, Some(_)) => (None, Script::error(405, "Method Not Allowed")),
        _ if chat => (None, Script::error(405, "Method Not Allowed")),
        _ => (None, Script::error(404, "Not Found")),
    }
}

fn converse(shared: &Shared, head: &Head, bytes: &[u8]) -> (usize, Script) {
    let options = &shared.options;
    let mut body = Body::default();
    let admitted = admit(options, head, bytes, &mut body);
    let mut received = received(head, &body);
    let placed = admitted.map_err(Denial::from).and_then(|behaviour| {
        let behaviour = behaviour.commanded(newest(&body.messages));
        let id = session_id(body.session.as_deref(), head.session.as_deref(), options.strict)?;
        let mut state = shared.lock();
        let place =
            Place { options, behaviour, app: &body.app, key: &head.key, id, messages: &body.messages };
        let act = place.act(&mut state);
        let session = place.find(&act, &mut state, &mut received)?;
        Ok((behaviour, act, session))
    });
    let (behaviour, act, session) = match placed {
        Ok(placed) => placed,
        Err(denial) => {
            received.messages = body.messages;
            received.outcome = Outcome::Refused(denial.status);
            let number = shared.change(|state| state.receive(received, options.requests_kept));
            return (number, denial.script());
        }
    };
    let ends = if body.stream { behaviour.streamed } else { behaviour.plain };
    let before = std::mem::take(&mut received.before);
    let request = Request {
        options,
        app: &body.app,
        stream: body.stream,
        before: &before,
        messages: &body.messages,
        session,
        outcome: match (behaviour.act, act) {
            (Act::Once(_), Act::Refuse(Refusal { status, .. })) => Outcome::Refused(status),
            (Act::Once(_), Act::Reset(_)) => Outcome::Broken,
            _ => outcome(ends),
        },
    };
    let script = request.script(&act);
    received.before = before;
    received.messages = body.messages;
    // Noted only now, so that whoever is woken by it can open a gate that exists; played after it.
    let number = shared.change(|state| state.receive(received, options.requests_kept));
    (number, script)
}

/// Checks the key and the body, as Chipp does: key, form, app, and whether the key is that app's.
fn admit(
    options: &Options,
    head: &Head,
    bytes: &[u8],
    body: &mut Body,
) -> Result<&'static Behaviour, request::Refusal> {
    let read = body.read(bytes, options.strict);
    check_key(&options.keys, &head.key, None)?;
    if options.strict == Strictness::Strict && !head.json {
        return Err((400, "Content-Type must be application/json".into()));
    }
    read?;
    let Some(behaviour) = Behaviour::of(&body.app) else {
        return Err((404, format!("Unknown model \"{}\"", body.app)));
    };
    check_key(&options.keys, &head.key, Some(&body.app))?;
    Ok(behaviour)
}

fn check_key(keys: &Keys, key: &str, app: Option<&str>) -> Result<(), request::Refusal> {
    if key.is_empty() {
        return Err((401, "Missing API key".into()));
    }
    let good = match keys {
        Keys::Any => !key.starts_with("invalid"),
        Keys::PerApp(pairs) => {
            pairs.iter().any(|(owner, own)| own == key && app.is_none_or(|app| app == owner))
        }
    };
    if good { Ok(()) } else { Err((401, "Invalid API key".into())) }
}

fn received(head: &Head, body: &Body) -> Received {
    Received {
        number: 0,
        path: head.path.clone(),
        app: body.app.clone(),
        key: head.key.clone(),
        body_session: body.session.clone(),
        header_session: head.session.clone(),
        known: false,
        session: None,
        before: Vec::new(),
        messages: Vec::new(),
        stream: body.stream,
        correlation_id: head.correlation_id.clone(),
        header_names: head.names.clone(),
        stored: false,
        outcome: Outcome::Running,
    }
}

/// A request that is in order.
struct Request<'a> {
    options: &'a Options,
    app: &'a str,
    stream: bool,
    before: &'a [Message],
    messages: &'a [Message],
    session: Option<String>,
    outcome: Outcome,
}

impl Request<'_> {
    fn script(self, act: &Act) -> Script {
        let mut script = Script::new(self.outcome, Delivery::Batched);
        match act {
            Act::Talk(talk) => return self.talk(talk),
            Act::Once(_) => return self.talk(&TALK),
            Act::Silence => script.step(Step::Hang),
            Act::Reset(storing) => {
                self.store(*storing, &mut script);
                script.step(Step::Reset);
            }
            Act::Refuse(refusal) => {
                self.store(refusal.storing, &mut script);
                script.reply(refusal.status, refusal.headers, refusal.body.as_bytes());
            }
        }
        script
    }

    /// The turn that a failing app stores all the same.
    fn store(self, storing: Storing, script: &mut Script) {
        if let Some(session) = self.session.filter(|_| storing == Storing::Turn) {
            script.step(Step::Begin { session: session.clone(), messages: self.messages.to_vec() });
            let answer = answer(self.before, self.messages).into();
            script.step(Step::Store { session, answer });
        }
    }

    fn talk(self, talk: &Talk) -> Script {
        let newest = newest(self.messages);
        let talk = &talk.to(newest);
        let (said, stored) = said_and_stored(talk.says, || answer(self.before, self.messages));
        let exchange = Exchange {
            options: self.options,
            app: self.app,
            talk,
            session: self.session.unwrap_or_default(),
            messages: self.messages,
            usage: usage(talk.form, self.before, self.messages, &said),
            said,
            answer: Some(stored),
            serial: uuid::Uuid::new_v4().simple().to_string(),
            created: seconds(SystemTime::now()),
            newest,
            outcome: self.outcome,
        };
        if self.stream { stream::script(exchange) } else { plain::script(exchange) }
    }
}

fn transcript(shared: &Shared, key: &str, id: &str) -> Script {
    if let Err((status, text)) = check_key(&shared.options.keys, key, None) {
        return Script::error(status, &text);
    }
    let state = shared.lock();
    let Some(kept) = state.kept(id).filter(|kept| kept.session.key == key) else {
        return Script::error(404, "Chat session not found");
    };
    let body = transcript_body(kept).to_string();
    Script::whole(Outcome::Answered, 200, "application/json", body.as_bytes())
}

fn transcript_body(kept: &Kept) -> serde_json::Value {
    let messages = &kept.session.messages;
    let count = |role: &str| messages.iter().filter(|message| message.role == role).count();
    let told = messages.iter().zip(&kept.times).map(|(message, time)| {
        json!({ "role": message.role, "content": &*message.content, "timestamp": stamp(*time) })
    });
    json!({
        "sessionId": kept.session.id,
        "title": messages.first().map(|message| &*message.content),
        "messageCount": messages.len(),
        "userMessageCount": count("user"),
        "botMessageCount": count("assistant"),
        "messages": told.collect::<Vec<_>>(),
        "createdAt": stamp(kept.created),
        "updatedAt": stamp(kept.times.last().copied().unwrap_or(kept.created)),
    })
}

fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
