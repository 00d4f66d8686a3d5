//! What is known of one exchange while it runs: its record, and what its answer's head will say.

use std::time::{Duration, Instant};

use crate::ids::{ChatSessionId, RequestId};
use crate::limits::{Permit, Standings};
use crate::openai::Error;
use crate::openai::usage::Usage;
use crate::session::Outcome;
use crate::telemetry::{End, Record};
use crate::translate::reply::UsageSource;

/// One exchange with a client. Whoever has it last settles it by dropping it: one log line, once.
#[derive(Debug)]
pub struct Exchange {
    /// The facts for the log.
    pub record: Record,
    /// The leave to run, where there are limits to it; until the answer is complete. Boxed, so that who has no limits
    /// carries nothing about.
    pub permit: Option<Box<Permit>>,
    /// How the tightest limits stand, for the `x-ratelimit-*` headers.
    pub standings: Standings,
    /// `x-chipp-session`.
    pub outcome: Option<Outcome>,
    /// `x-chipp-ignored-params`: names parted by commas; empty if there are none.
    pub ignored: String,
    /// `x-chipp-usage`.
    pub usage: Option<UsageSource>,
    /// `X-Chat-Session-ID`, where clients are told.
    pub chat_session: Option<ChatSessionId>,
    /// Calls that the app may have carried out: while there are any, no client may repeat the request by itself.
    doubtful_calls: u32,
}

/// What a request says beside its body. The identity is there only if the caller's word on it is taken.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Whose behalf it is on, from a header.
    pub user: Option<String>,
    /// Which conversation of the client's, from a header.
    pub conversation: Option<String>,
    /// `x-chipp-session` of the request.
    pub session: SessionWish,
    /// `X-Chat-Session-ID`, where clients are told the ids of their sessions; not yet known to be the caller's own.
    pub chat_session: Option<ChatSessionId>,
}

/// What a client may ask of sessions for one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionWish {
    /// Nothing.
    #[default]
    Usual,
    /// `new`: begin anew.
    New,
    /// `off`: keep no session.
    Off,
}

impl Exchange {
    /// An exchange of which nothing is known but its record.
    pub fn new(record: Record) -> Self {
        Self {
            record,
            permit: None,
            standings: Standings::default(),
            outcome: None,
            ignored: String::new(),
            usage: None,
            chat_session: None,
            doubtful_calls: 0,
        }
    }

    /// Notes what happened to the conversation.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.record.outcome = Some(outcome.as_str());
    }

    /// A call of Chipp goes out. Until more is known, the app may have carried it out.
    pub fn goes_out(&mut self) {
        self.doubtful_calls += 1;
        if let Some(permit) = &mut self.permit {
            permit.goes_out();
        }
    }

    /// The last call cannot have been carried out, or may be repeated all the same.
    pub(super) fn is_repeatable(&mut self) {
        self.doubtful_calls = self.doubtful_calls.saturating_sub(1);
    }

    /// Adds to the time spent waiting for Chipp.
    pub fn waited(&mut self, time: Duration) {
        self.record.upstream += time;
    }

    /// For one of several calls that answer the same request: what it tells is to be [absorbed](Self::absorb).
    #[must_use]
    pub(super) fn aside(&self) -> Self {
        Self { outcome: self.outcome, ..Self::new(self.record.aside()) }
    }

    /// Takes over what one of several calls tells.
    pub(super) fn absorb(&mut self, index: usize, aside: &Self) {
        self.record.absorb(&aside.record);
        self.doubtful_calls = self.doubtful_calls.saturating_add(aside.doubtful_calls);
        match (index, aside.outcome) {
            (0, _) => self.follow(aside),
            (_, Some(outcome)) => self.record.metrics().outcome(outcome.as_str()),
            (_, None) => {}
        }
    }

    /// Where the client is told one thing, the first of several calls speaks for all.
    pub(super) fn follow(&mut self, first: &Self) {
        if let Some(outcome) = first.outcome {
            self.set_outcome(outcome);
        }
        self.chat_session.clone_from(&first.chat_session);
    }

    /// The answer is complete: that is for the log and the limits, which have no more to do with the request then.
    /// `spent`: tokens of all calls together, of which the client's usage counts the prompt once.
    pub(super) async fn complete(&mut self, usage: Usage, source: UsageSource, spent: u64) {
        self.usage = Some(source);
        self.record.tokens = Some((usage.prompt_tokens, usage.completion_tokens));
        self.record.end = End::Complete;
        if let Some(permit) = self.permit.take()
            && let Some(standings) = permit.settle(spent, Instant::now()).await
        {
            self.standings = standings;
        }
    }

    /// The answer broke after its first byte.
    pub(super) fn broke(&mut self, error: &Error) {
        self.failed(error);
        self.record.end = End::Broken;
    }

    /// Notes the error that the client is told.
    pub fn failed(&mut self, error: &Error) {
        self.record.error = Some(error.code.unwrap_or(error.kind.as_str()));
    }
}

/// What the head of an answer says beside its status and its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// `x-request-id`
    pub request_id: RequestId,
    /// `x-ratelimit-*`
    pub standings: Standings,
    /// `x-chipp-session`
    pub outcome: Option<Outcome>,
    /// `x-chipp-ignored-params`
    pub ignored: String,
    /// `x-chipp-usage`; not known yet when a stream begins.
    pub usage: Option<UsageSource>,
    /// `X-Chat-Session-ID`, if it is known and the client is to know it.
    pub chat_session: Option<ChatSessionId>,
    /// Since the request came.
    pub elapsed: Duration,
    /// The part of it that was spent waiting for Chipp.
    pub upstream: Duration,
}

impl Exchange {
    /// What the head of the answer is to say now.
    pub fn head(&self) -> Head {
        Head {
            request_id: self.record.request_id.clone(),
            standings: self.standings,
            outcome: self.outcome,
            ignored: self.ignored.clone(),
            usage: self.usage,
            chat_session: self.chat_session.clone(),
            elapsed: self.record.elapsed(),
            upstream: self.record.upstream,
        }
    }
}

/// An exchange that ends with an error in place of an answer.
#[derive(Debug)]
pub struct Refused {
    /// What the client is told.
    pub error: Error,
    /// To be settled when that is on its way.
    pub exchange: Exchange,
}

impl Refused {
    /// Notes the error, and ends the exchange with it. If the app may have carried the request out, the official SDKs
    /// are told not to repeat it, which they do by themselves. Boxed: it is large, and rare.
    pub fn new(mut error: Error, mut exchange: Exchange) -> Box<Self> {
        if exchange.doubtful_calls > 0 {
            error.should_retry = Some(false);
        }
        exchange.failed(&error);
        exchange.record.end = End::Complete;
        Box::new(Self { error, exchange })
    }
}
