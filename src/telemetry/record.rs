//! What is known of one request at its end: one log line, and the counters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::ids::RequestId;
use crate::telemetry::Metrics;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should, be it with an error status.
    Complete,
    /// The client went away first.
    ClientGone,
    /// It broke after its first byte.
    Broken,
}

/// The facts of one request. Written to the log and counted once: when it is dropped.
#[derive(Debug)]
pub struct Record {
    metrics: Arc<Metrics>,
    /// Whoever waits for the process to drain waits for this.
    running: TaskTrackerToken,
    /// Not logged and not counted: what it tells is taken over by the one that is.
    is_aside: bool,
    started: Instant,
    /// The request's id, which the client has too.
    pub request_id: RequestId,
    /// What was asked for: `chat.completions`, `models` …
    pub endpoint: &'static str,
    /// The status sent.
    pub status: u16,
    /// How it ended.
    pub end: End,
    /// The alias (or pattern) of the configuration that it was routed by.
    pub alias: Option<Arc<str>>,
    /// The name of the client's key.
    pub key: Option<Arc<str>>,
    /// Whether the answer was streamed.
    pub is_stream: bool,
    /// What happened to the conversation.
    pub outcome: Option<&'static str>,
    /// The kind of failure, if there was one: a code or a class, never a message.
    pub error: Option<&'static str>,
    /// What went wrong with Chipp, as the counters name it.
    pub cause: Option<&'static str>,
    /// Calls of Chipp.
    pub calls: u32,
    /// The alias that was asked last in its place, if it failed.
    pub fallback: Option<Arc<str>>,
    /// Time spent waiting for Chipp.
    pub upstream: Duration,
    /// Tokens of prompt and answer.
    pub tokens: Option<(u64, u64)>,
}

impl Record {
    /// A request has come.
    pub fn start(
        metrics: &Arc<Metrics>,
        running: TaskTrackerToken,
        request_id: RequestId,
        endpoint: &'static str,
    ) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics: Arc::clone(metrics),
            running,
            is_aside: false,
            started: Instant::now(),
            request_id,
            endpoint,
            status: 0,
            end: End::ClientGone,
            alias: None,
            key: None,
            is_stream: false,
            outcome: None,
            error: None,
            cause: None,
            calls: 0,
            fallback: None,
            upstream: Duration::ZERO,
            tokens: None,
        }
    }

    /// The record of one of several calls for the same answer. It is to be [absorbed](Self::absorb).
    #[must_use]
    pub fn aside(&self) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            running: self.running.clone(),
            is_aside: true,
            started: self.started,
            request_id: self.request_id.clone(),
            alias: self.alias.clone(),
            key: self.key.clone(),
            outcome: None,
            error: None,
            cause: None,
            calls: 0,
            fallback: None,
            upstream: Duration::ZERO,
            tokens: None,
            ..*self
        }
    }

    /// Takes over what a record aside tells. Calls run side by side: the longest is what was waited for.
    pub fn absorb(&mut self, aside: &Self) {
        self.calls += aside.calls;
        self.upstream = self.upstream.max(aside.upstream);
        self.cause = self.cause.or(aside.cause);
        self.fallback = self.fallback.take().or_else(|| aside.fallback.clone());
    }

    /// The counters that the request is counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The exchange with Chipp failed; `cause` is the counters' word for how.
    pub fn upstream_failed(&mut self, cause: &'static str) {
        self.cause = Some(cause);
        self.metrics.upstream_error(cause);
    }

    /// Time since the request came.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.is_aside {
            return;
        }
        if std::thread::panicking() {
            self.status = if self.status == 0 { 500 } else { self.status };
            self.end = End::Broken;
            self.error = Some("panic");
        }
        let took = self.elapsed();
        let metrics = &self.metrics;
        metrics.in_flight.dec();
        metrics.request(self.alias.as_ref(), self.status, took, took.saturating_sub(self.upstream));
        if let Some(outcome) = self.outcome {
            metrics.outcome(outcome);
        }
        if self.end == End::ClientGone {
            metrics.client_aborts.inc();
        }
        let (prompt_tokens, completion_tokens) = self.tokens.unzip();
        tracing::info!(
            target: "chipp_proxy::access",
            request_id = self.request_id.as_str(),
            endpoint = self.endpoint,
            status = self.status,
            end = match self.end {
                End::Complete => "complete",
                End::ClientGone => "client_gone",
                End::Broken => "broken",
            },
            alias = self.alias.as_deref(),
            key = self.key.as_deref(),
            stream = self.is_stream,
            session = self.outcome,
            error = self.error,
            cause = self.cause,
            calls = self.calls,
            fallback = self.fallback.as_deref(),
            prompt_tokens,
            completion_tokens,
            upstream_us = micros(self.upstream),
            total_us = micros(took),
            "request"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
