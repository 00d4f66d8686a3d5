//! What a reply is made from: the answer and everything around it, and the beginnings that plain and
//! streamed replies share.

use std::sync::Arc;
use std::time::Duration;

use super::Options;
use super::answer::tokens;
use super::behaviour::{Ends, Form, Reveals, Says, Talk, Wire};
use super::dialect::Usage;
use super::record::{Message, Outcome};
use super::script::{Delivery, Script, Step};

/// The time between a 103 and the 200 behind it: enough for them to arrive apart.
const INTERIM: Duration = Duration::from_millis(20);
const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
/// Tokens that an empty answer has cost.
const UNSEEN: usize = 12;
const ACCENTS: &str = " Zażółć gęślą jaźń: 日本語 \u{1f980}\u{2713}.";

/// One request that is answered.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) options: &'a Options,
    pub(super) app: &'a str,
    pub(super) talk: &'a Talk,
    pub(super) session: String,
    /// What the client gets to read.
    pub(super) said: Arc<str>,
    /// What was sent.
    pub(super) messages: &'a [Message],
    /// What the session gets when the answer is complete; taken by whatever completes it.
    pub(super) answer: Option<Arc<str>>,
    pub(super) usage: Usage,
    /// Digits for the ids in the reply.
    pub(super) serial: String,
    pub(super) created: u64,
    /// The newest message: the name of the gate that a gated app waits for.
    pub(super) newest: &'a str,
    pub(super) outcome: Outcome,
}

impl Exchange<'_> {
    /// A script with what comes before the head, and the headers that belong to the whole talk.
    pub(super) fn begin(&self) -> (Script, Vec<(&'static str, &str)>) {
        let delivery = match self.talk.wire {
            Wire::Bytewise => Delivery::Bytes,
            _ => self.options.writes.into(),
        };
        let mut script = Script::new(self.outcome, delivery);
        let messages = self.messages.to_vec();
        script.step(Step::Begin { session: self.session.clone(), messages });
        let mut headers = Vec::with_capacity(4);
        match self.talk.wire {
            Wire::LateHead => script.step(Step::Pause(self.options.think)),
            Wire::Interim => {
                script.write(EARLY_HINTS.to_vec());
                script.step(Step::Pause(INTERIM));
            }
            Wire::InterimTwice => {
                script.prefix(b"HTTP/1.1 100 Continue\r\n\r\n");
                script.prefix(EARLY_HINTS);
            }
            Wire::Coded(coding) => {
                script.code(coding);
                headers.push(("content-encoding", coding.token()));
            }
            Wire::Unframed => script.unframed(),
            Wire::Ordinary | Wire::Bytewise | Wire::Crlf => {}
        }
        if matches!(self.talk.reveals, Reveals::HeaderAndStart | Reveals::Header) {
            headers.push(("X-Chat-Session-ID", self.session.as_str()));
        }
        (script, headers)
    }

    /// The answer's way into the session, once.
    pub(super) fn store(&mut self) -> Option<Step> {
        let answer = self.answer.take()?;
        Some(Step::Store { session: self.session.clone(), answer })
    }

    /// The gate of a gated app.
    pub(super) fn gate(&self) -> Step {
        Step::Gate(Arc::from(self.newest))
    }
}

/// What is told, and what is kept of it.
pub(super) fn said_and_stored(says: Says, answer: impl FnOnce() -> String) -> (Arc<str>, Arc<str>) {
    let said: Arc<str> = match says {
        Says::Answer => answer().into(),
        Says::Accents => (answer() + ACCENTS).into(),
        Says::Long => "All work and no play makes Jack a dull boy. ".repeat(200).trim_end().into(),
        Says::Fixed(text) => text.into(),
        Says::Unsaid => return ("".into(), answer().into()),
    };
    (Arc::clone(&said), said)
}

/// Token counts for an answer.
pub(super) fn usage(form: Form, before: &[Message], sent: &[Message], said: &str) -> Usage {
    let heard = before.iter().chain(sent);
    let completion = if said.is_empty() { UNSEEN } else { tokens(said) };
    Usage {
        prompt: heard.map(|message| tokens(&message.content)).sum(),
        completion: (form != Form::NullUsage).then_some(completion),
    }
}

/// What is noted about a request whose reply ends so.
pub(super) fn outcome(ends: Ends) -> Outcome {
    match ends {
        Ends::Answer | Ends::Empty | Ends::Withdrawn | Ends::RefusedOnce(_) | Ends::BrokenOnce => {
            Outcome::Answered
        }
        Ends::TakenOver => Outcome::TakenOver,
        Ends::Refused(status) => Outcome::Refused(status),
        Ends::Broken | Ends::Never => Outcome::Broken,
    }
}
