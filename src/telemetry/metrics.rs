//! Counters for Prometheus. Labels are aliases from the configuration and fixed words; never a user, a session, or
//! anything else that a caller could make up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The label for what no alias stands behind.
const NO_ALIAS: &str = "none";

/// The metrics of one server; a value, so that two servers in one process do not mix.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<AliasLabels, Histogram, fn() -> Histogram>,
    overhead: Histogram,
    outcomes: Family<OutcomeLabels, Counter>,
    denials: Family<RuleLabels, Counter>,
    upstream_errors: Family<KindLabels, Counter>,
    retries: Family<ReasonLabels, Counter>,
    breaker_states: Family<AliasLabels, Gauge>,
    breaker_changes: Family<BreakerLabels, Counter>,
    /// Requests that another alias was asked for in the place of the one that failed.
    pub fallbacks: Counter,
    redis_up: Gauge,
    session_store_failures: Family<OperationLabels, Counter>,
    limit_store_failures: Family<OperationLabels, Counter>,
    archive_entries: Gauge,
    archive_bytes: Gauge,
    archive_failures: Family<OperationLabels, Counter>,
    certificate_reloads: Family<ResultLabels, Counter>,
    config_reloads: Family<ResultLabels, Counter>,
    config_is_good: Gauge,
    config_renewed_at: Gauge,
    /// Requests that are being answered.
    pub in_flight: Gauge,
    /// Sessions in memory.
    pub sessions: Gauge,
    /// Streams whose client went away.
    pub client_aborts: Counter,
    /// Sessions that Chipp had forgotten.
    pub sessions_lost: Counter,
    /// Empty answers that were found in a transcript.
    pub answers_recovered: Counter,
    /// Answers that had to be asked for a second time.
    pub answers_repaired: Counter,
    /// Times that Chipp refused the operator's own key.
    pub upstream_auth_failures: Counter,
    /// Malformed lines of streams that were skipped.
    pub skipped_lines: Counter,
    /// Lines and events of streams that were too long to be held.
    pub oversized_events: Counter,
    unknown_finish_words: Family<DialectLabels, Counter>,
    /// Handlers that panicked.
    pub panics: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    alias: Arc<str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AliasLabels {
    alias: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    alias: Arc<str>,
    to: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DialectLabels {
    dialect: &'static str,
}

/// 10 ms to 82 s: the buckets that OpenTelemetry names for model calls.
fn long_buckets() -> Histogram {
    Histogram::new((0..14).map(|power| 0.01 * f64::from(1 << power)))
}

impl Metrics {
    /// All at nought.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("chipp_proxy");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("requests", "Requests answered, by alias and HTTP status", requests.clone());
        let durations = Family::<AliasLabels, Histogram, fn() -> Histogram>::new_with_constructor(
            long_buckets as fn() -> Histogram,
        );
        registry.register_with_unit(
            "request_duration",
            "From the request's head to the end of its answer",
            Unit::Seconds,
            durations.clone(),
        );
        // 16 microseconds to 0.26 seconds.
        let overhead = Histogram::new((0..15).map(|power| 0.000_016 * f64::from(1 << power)));
        registry.register_with_unit(
            "overhead",
            "Time not spent waiting for Chipp",
            Unit::Seconds,
            overhead.clone(),
        );
        let outcomes = Family::<OutcomeLabels, Counter>::default();
        registry.register("session_outcomes", "What happened to conversations", outcomes.clone());
        let denials = Family::<RuleLabels, Counter>::default();
        registry.register("rate_limited", "Requests over a limit, by rule", denials.clone());
        let upstream_errors = Family::<KindLabels, Counter>::default();
        registry.register("upstream_errors", "Failed exchanges with Chipp, by kind", upstream_errors.clone());
        let certificate_reloads = Family::<ResultLabels, Counter>::default();
        registry.register(
            "certificate_reloads",
            "Changes of the listener's certificate, by result",
            certificate_reloads.clone(),
        );
        let mut metrics = Self {
            registry,
            requests,
            durations,
            overhead,
            outcomes,
            denials,
            upstream_errors,
            retries: Family::default(),
            breaker_states: Family::default(),
            breaker_changes: Family::default(),
            fallbacks: Counter::default(),
            redis_up: Gauge::default(),
            session_store_failures: Family::default(),
            limit_store_failures: Family::default(),
            archive_entries: Gauge::default(),
            archive_bytes: Gauge::default(),
            archive_failures: Family::default(),
            certificate_reloads,
            config_reloads: Family::default(),
            config_is_good: Gauge::default(),
            config_renewed_at: Gauge::default(),
            in_flight: Gauge::default(),
            sessions: Gauge::default(),
            client_aborts: Counter::default(),
            sessions_lost: Counter::default(),
            answers_recovered: Counter::default(),
            answers_repaired: Counter::default(),
            upstream_auth_failures: Counter::default(),
            skipped_lines: Counter::default(),
            oversized_events: Counter::default(),
            unknown_finish_words: Family::default(),
            panics: Counter::default(),
        };
        metrics.register_plain();
        metrics
    }

    fn register_plain(&mut self) {
        let registry = &mut self.registry;
        registry.register("retries", "Calls of Chipp that were tried again, by reason", self.retries.clone());
        registry.register(
            "fallbacks",
            "Calls of another alias in place of one that failed",
            self.fallbacks.clone(),
        );
        registry.register(
            "breaker_state",
            "What an app's breaker lets through, by its first alias: 0 all, 1 one request, 2 nothing",
            self.breaker_states.clone(),
        );
        registry.register("breaker_changes", "Breakers that opened and closed", self.breaker_changes.clone());
        registry.register("requests_in_flight", "Requests being answered", self.in_flight.clone());
        registry.register("sessions", "Sessions in memory", self.sessions.clone());
        registry.register(
            "archive_entries",
            "Responses and conversations kept in memory",
            self.archive_entries.clone(),
        );
        registry.register_with_unit("archive", "What they take", Unit::Bytes, self.archive_bytes.clone());
        registry.register("client_aborts", "Streams whose client went away", self.client_aborts.clone());
        registry.register("sessions_lost", "Sessions that Chipp had forgotten", self.sessions_lost.clone());
        registry.register(
            "answers_recovered",
            "Empty answers that were found in a transcript",
            self.answers_recovered.clone(),
        );
        registry.register(
            "answers_repaired",
            "Answers that were not in the form that was asked for, and asked for once more",
            self.answers_repaired.clone(),
        );
        registry.register(
            "upstream_auth_failures",
            "Times that Chipp refused the operator's own key",
            self.upstream_auth_failures.clone(),
        );
        registry.register(
            "stream_skipped_lines",
            "Malformed lines skipped in streams",
            self.skipped_lines.clone(),
        );
        registry.register(
            "stream_oversized_events",
            "Events in streams too long to be held (tool outputs, files, metadata), read past",
            self.oversized_events.clone(),
        );
        registry.register(
            "unknown_finish_words",
            "Finish words of the upstream that this version does not know, by dialect",
            self.unknown_finish_words.clone(),
        );
        registry.register(
            "config_reloads",
            "Times that the configuration was read again, by result",
            self.config_reloads.clone(),
        );
        self.config_is_good.set(1);
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration that was read last is in use",
            self.config_is_good.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was last renewed; 0: not since the start",
            self.config_renewed_at.clone(),
        );
        registry.register("panics", "Handlers that panicked", self.panics.clone());
    }

    /// Shows what only a process that uses Redis has.
    pub fn show_redis(&mut self) {
        let registry = &mut self.registry;
        registry.register("redis_up", "Whether Redis is there", self.redis_up.clone());
        registry.register(
            "session_store_failures",
            "Times that Redis could not be asked for a session, or told of one",
            self.session_store_failures.clone(),
        );
        registry.register(
            "limit_store_failures",
            "Times that Redis could not be asked for the limits, or told what was used of them",
            self.limit_store_failures.clone(),
        );
        registry.register(
            "archive_store_failures",
            "Times that Redis could not be asked for a response or a conversation, or told of one",
            self.archive_failures.clone(),
        );
    }

    /// How many responses and conversations are in memory, and what they take.
    pub fn archived(&self, entries: usize, bytes: usize) {
        self.archive_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.archive_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How often the archive has failed so far.
    pub fn archive_failures(&self, operation: &'static str, so_far: u64) {
        let counter = self.archive_failures.get_or_create(&OperationLabels { operation });
        counter.inner().store(so_far, Ordering::Relaxed);
    }

    /// One request has been answered.
    pub fn request(&self, alias: Option<&Arc<str>>, status: u16, took: Duration, overhead: Duration) {
        let alias = alias.map_or_else(|| NO_ALIAS.into(), Arc::clone);
        self.requests.get_or_create(&RequestLabels { alias: Arc::clone(&alias), status }).inc();
        self.durations.get_or_create(&AliasLabels { alias }).observe(took.as_secs_f64());
        self.overhead.observe(overhead.as_secs_f64());
    }

    /// What happened to a conversation.
    pub fn outcome(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A request was over a limit.
    pub fn denied(&self, rule: &'static str) {
        self.denials.get_or_create(&RuleLabels { rule }).inc();
    }

    /// An exchange with Chipp failed.
    pub fn upstream_error(&self, kind: &'static str) {
        self.upstream_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// Finish words that nobody knows; true for the first of a dialect.
    pub fn unknown_finish_words(&self, dialect: &'static str, count: u32) -> bool {
        self.unknown_finish_words.get_or_create(&DialectLabels { dialect }).inc_by(count.into()) == 0
    }

    /// A call of Chipp is tried again.
    pub fn retry(&self, reason: &'static str) {
        self.retries.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// A breaker has changed: the word for what it does now, and the same as a number.
    pub fn breaker(&self, alias: &Arc<str>, to: &'static str, level: i64) {
        self.breaker_states.get_or_create(&AliasLabels { alias: Arc::clone(alias) }).set(level);
        self.breaker_changes.get_or_create(&BreakerLabels { alias: Arc::clone(alias), to }).inc();
    }

    /// There is no such breaker any more.
    pub fn breaker_gone(&self, alias: &Arc<str>) {
        self.breaker_states.remove(&AliasLabels { alias: Arc::clone(alias) });
    }

    /// Whether Redis is there.
    pub fn redis_up(&self, is_up: bool) {
        self.redis_up.set(is_up.into());
    }

    /// How often the session store has failed so far.
    pub fn session_store_failures(&self, operation: &'static str, so_far: u64) {
        let counter = self.session_store_failures.get_or_create(&OperationLabels { operation });
        counter.inner().store(so_far, Ordering::Relaxed);
    }

    /// How often the limits' store has failed so far.
    pub fn limit_store_failures(&self, operation: &'static str, so_far: u64) {
        let counter = self.limit_store_failures.get_or_create(&OperationLabels { operation });
        counter.inner().store(so_far, Ordering::Relaxed);
    }

    /// The listener's certificate changed on disk.
    pub fn certificate_reloaded(&self, result: &'static str) {
        self.certificate_reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// The configuration was read again and is in use, since this Unix time: `renewed`, or `unchanged`.
    pub fn config_read(&self, result: &'static str, now: u64) {
        self.config_reloads.get_or_create(&ResultLabels { result }).inc();
        self.config_is_good.set(1);
        self.config_renewed_at.set(i64::try_from(now).unwrap_or(i64::MAX));
    }

    /// A configuration could not be used.
    pub fn config_kept(&self) {
        self.config_reloads.get_or_create(&ResultLabels { result: "kept" }).inc();
        self.config_is_good.set(0);
    }

    /// All of it, in `OpenMetrics` text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Encoding into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered() {
        let metrics = Metrics::new();
        metrics.request(Some(&"gpt-4o".into()), 200, Duration::from_millis(20), Duration::from_micros(40));
        metrics.outcome("new");
        metrics.denied("key");
        let text = metrics.render();
        assert!(text.contains("chipp_proxy_requests_total{alias=\"gpt-4o\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("chipp_proxy_session_outcomes_total{outcome=\"new\"} 1"));
        assert!(text.contains("chipp_proxy_rate_limited_total{rule=\"key\"} 1"));
        assert!(text.ends_with("# EOF\n"));
    }
}
