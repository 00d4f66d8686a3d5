//! What an app said, taken for what was asked of it: text, calls of tools, JSON. And the one more turn in which it may
//! put right what it has got wrong.

use std::borrow::Cow;

use crate::chipp;
use crate::ids::{ChatSessionId, ToolCallId};
use crate::openai::Error;
use crate::openai::chat::Called;
use crate::openai::completion::{FinishReason, ToolCall};
use crate::proxy::answer::Concluded;
use crate::proxy::call::Call;
use crate::translate;
use crate::translate::cut::Cut;
use crate::translate::terms::{Ended, Heard, Problems, Verdict};

/// A whole answer that is what was asked for.
#[derive(Debug)]
pub(super) struct Judged {
    /// What the app said of itself; without its text.
    reply: chipp::Reply,
    /// The app's text, cut.
    said: String,
    /// What the client gets of it.
    heard: Heard,
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Mistaken {
    /// What is wrong with it.
    pub(super) problems: Problems,
    /// What the app said.
    pub(super) said: String,
    /// The session that it named.
    pub(super) named: Option<ChatSessionId>,
    /// What it counted.
    pub(super) usage: Option<chipp::Usage>,
}

impl Call {
    /// A whole answer that is what was asked for, if need be after one more turn.
    pub(super) async fn judged(&mut self) -> Result<Judged, Error> {
        loop {
            let reply = self.fetched().await?;
            match self.examine(reply) {
                Ok(judged) => return Ok(judged),
                Err(mistaken) => self.repair(*mistaken).await?,
            }
        }
    }

    /// Cuts a whole answer, and takes out of it what was asked for.
    fn examine(&mut self, mut reply: chipp::Reply) -> Result<Judged, Box<Mistaken>> {
        let mut said = std::mem::take(&mut reply.text);
        if !self.cutter.is_idle() {
            said = self.cutter.push(&said);
            said.push_str(&self.cutter.finish());
        }
        let Some(terms) = &self.ask.terms else {
            let heard = Heard { rest: String::new(), calls: Vec::new(), is_faithful: true };
            return Ok(Judged { reply, said, heard });
        };
        let mut reader = terms.reader();
        let begun = reader.push(&said);
        match reader.finish(ended(reply.finish, self.cutter.cut())) {
            Verdict::Good(mut heard) => {
                heard.rest.insert_str(0, &begun);
                Ok(Judged { reply, said, heard })
            }
            Verdict::Bad(problems) => {
                Err(Box::new(Mistaken { problems, said, named: reply.session, usage: reply.usage }))
            }
        }
    }

    /// Puts the session away: before the answer is sent, since the client's next request is to find it.
    pub(super) async fn conclude(&mut self, judged: Judged) -> Concluded {
        let Judged { reply, said, heard } = judged;
        let usage = self.usage(reply.usage, &said).await;
        let content = if self.ask.terms.is_some() { heard.rest } else { said };
        self.settle(reply.finish, reply.session, &spoken(&content, &heard.calls), heard.is_faithful).await;
        Concluded {
            usage,
            finish_reason: self.finish_reason(reply.finish, !heard.calls.is_empty()),
            content,
            calls: with_ids(&heard.calls),
        }
    }

    /// Why the answer ended, as the client is told.
    pub(super) fn finish_reason(&self, upstream: chipp::FinishReason, has_calls: bool) -> FinishReason {
        match &self.ask.terms {
            Some(terms) if has_calls => FinishReason::Calls(terms.form()),
            _ => translate::reply::finish_reason(upstream, self.cutter.cut()),
        }
    }

    /// Makes the request in which the app is to put right what it has got wrong. It may do that once.
    pub(super) async fn repair(&mut self, mistaken: Mistaken) -> Result<(), Error> {
        let Mistaken { problems, said, named, usage } = mistaken;
        self.spent = Some(self.usage(usage, &said).await);
        let Some(terms) = self.ask.terms.clone().filter(|_| !self.has_repaired) else {
            self.attempt.doubt();
            return Err(Error::invalid_answer());
        };
        self.has_repaired = true;
        self.exchange.record.metrics().answers_repaired.inc();
        self.cutter = self.ask.cutter.clone();
        self.ask.repair(&mut self.attempt, named, &said, &terms.repair(&problems))
    }
}

/// How a text ended, for its reader.
pub(super) fn ended(upstream: chipp::FinishReason, cut: Option<Cut>) -> Ended {
    match (cut, upstream) {
        (Some(Cut::Stop), _) => Ended::Stop,
        (Some(Cut::Length), _) | (None, chipp::FinishReason::Length) => Ended::Length,
        (None, chipp::FinishReason::ContentFilter) => Ended::Filtered,
        (None, chipp::FinishReason::Stop) => Ended::Complete,
    }
}

/// Calls with ids of their own.
pub(super) fn with_ids(calls: &[Called]) -> Vec<ToolCall> {
    calls.iter().map(|called| ToolCall { id: ToolCallId::mint(), called: called.clone() }).collect()
}

/// The answer as it will stand in the client's next request, for the session that is to be found by it.
pub(super) fn spoken<'a>(content: &'a str, calls: &[Called]) -> Cow<'a, str> {
    translate::tools::written(content, calls)
}
