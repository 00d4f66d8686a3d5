//! Logs, to standard error: JSON for machines, or a form for a person's eyes.
//!
//! A request costs one line, so a line must cost little: it is written straight into a buffer that a thread of
//! its own carries to standard error, a few times a second at most, and at the end.

use std::cell::RefCell;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, LogLevel};

/// Bytes that may wait for standard error; lines beyond that are dropped, and their number is told.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(25);

/// Writes out what is left when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Guard {
    carrier: Option<(Arc<Sink>, JoinHandle<()>)>,
    dial: Dial,
}

impl Guard {
    /// By which the log's level can be changed.
    pub fn dial(&self) -> Dial {
        self.dial.clone()
    }
}

/// How much is logged, in a process that runs.
#[derive(Clone, Debug, Default)]
pub struct Dial(Option<reload::Handle<EnvFilter, Registry>>);

impl Dial {
    /// Turns it to another level; false if `RUST_LOG` decides.
    pub fn turn(&self, level: LogLevel) -> bool {
        // Without a subscriber, which is what it fails for, there is nothing to turn.
        self.0.as_ref().is_some_and(|filter| filter.reload(filter_of(level)).is_ok())
    }
}

/// Our own at this level, and what the frameworks warn of.
fn filter_of(level: LogLevel) -> EnvFilter {
    let frameworks = if level == LogLevel::Error { "error" } else { "warn" };
    EnvFilter::builder().parse_lossy(format!("{frameworks},chipp_proxy={}", level.as_str()))
}

/// Installs the log of the process, once. `filter` is what `RUST_LOG` says, in its form; without it, `level` decides.
pub fn init(format: LogFormat, level: LogLevel, filter: Option<&str>) -> Guard {
    let built = filter.map(|filter| EnvFilter::builder().parse_lossy(filter));
    let (layer, handle) = reload::Layer::new(built.unwrap_or_else(|| filter_of(level)));
    let dial = Dial(filter.is_none().then_some(handle));
    let sink = Arc::new(Sink::default());
    let carrier = {
        let sink = Arc::clone(&sink);
        std::thread::Builder::new().name("log".into()).spawn(move || sink.carry())
    };
    let registry = tracing_subscriber::registry().with(layer).with(FilterFn::new(is_discreet));
    // A second call (two servers in one test process) finds a log installed and leaves it.
    let _ = match format {
        LogFormat::Json => registry.with(JsonLines(Arc::clone(&sink))).try_init(),
        LogFormat::Pretty => {
            let writer = SinkWriter(Arc::clone(&sink));
            let layer = tracing_subscriber::fmt::layer()
                .with_target(false)
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(move || writer.clone());
            registry.with(layer).try_init()
        }
    };
    Guard { carrier: carrier.ok().map(|carrier| (sink, carrier)), dial }
}

/// Whether what it tells can be logged at all. Below `info` the frameworks tell of the bytes that pass through them,
/// keys and messages among them; so they have no such levels here, whatever the filter asks for.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata
        .target()
        .strip_prefix("chipp_proxy")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_ours || *metadata.level() <= Level::INFO
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((sink, carrier)) = self.carrier.take() {
            sink.pending().is_closed = true;
            sink.ready.notify_one();
            // Only a panic in the carrier could fail, and then there is nobody left to tell.
            let _ = carrier.join();
        }
    }
}

#[derive(Debug, Default)]
struct Sink {
    pending: Mutex<Pending>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    dropped: u64,
    is_closed: bool,
}

impl Sink {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut pending = self.pending();
        if pending.bytes.len() + line.len() > MAX_PENDING_BYTES {
            pending.dropped += 1;
            return;
        }
        let was_empty = pending.bytes.is_empty();
        pending.bytes.extend_from_slice(line);
        drop(pending);
        if was_empty {
            self.ready.notify_one();
        }
    }

    /// The carrier thread: waits for lines, lets some gather, writes them.
    fn carry(&self) {
        let mut batch = Vec::new();
        loop {
            let pending = self.pending();
            let waited =
                self.ready.wait_while(pending, |pending| pending.bytes.is_empty() && !pending.is_closed);
            let pending = waited.unwrap_or_else(PoisonError::into_inner);
            let gathered = self.ready.wait_timeout_while(pending, GATHER, |pending| !pending.is_closed);
            let (mut pending, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            batch.clear();
            std::mem::swap(&mut batch, &mut pending.bytes);
            let dropped = std::mem::take(&mut pending.dropped);
            let is_closed = pending.is_closed;
            drop(pending);
            let mut stderr = std::io::stderr().lock();
            // If standard error is gone there is no other place to complain.
            let _ = stderr.write_all(&batch);
            if dropped > 0 {
                let _ = writeln!(
                    stderr,
                    "{{\"level\":\"WARN\",\"message\":\"log lines dropped\",\"lines\":{dropped}}}"
                );
            }
            if is_closed {
                return;
            }
        }
    }
}

#[derive(Clone)]
struct SinkWriter(Arc<Sink>);

impl std::io::Write for SinkWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct JsonLines(Arc<Sink>);

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINE.with_borrow_mut(|line| {
            write_line(line, SystemTime::now(), event);
            self.0.push(line);
        });
    }
}

fn write_line(line: &mut Vec<u8>, now: SystemTime, event: &Event<'_>) {
    line.clear();
    // Writing into a Vec does not fail.
    let _ = write!(line, "{{\"time\":\"{}\"", humantime::format_rfc3339_millis(now));
    let metadata = event.metadata();
    let _ = write!(line, ",\"level\":\"{}\",\"target\":\"{}\"", metadata.level(), metadata.target());
    event.record(&mut Fields(line));
    line.extend_from_slice(b"}\n");
}

struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        let _ = serde_json::to_writer(&mut *self.0, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.name(field);
        let _ = serde_json::to_writer(&mut *self.0, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        let _ = serde_json::to_writer(&mut *self.0, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let sink = Arc::new(Sink::default());
        let subscriber = tracing_subscriber::registry().with(JsonLines(Arc::clone(&sink)));
        tracing::subscriber::with_default(subscriber, || {
            let absent: Option<&str> = None;
            tracing::info!(status = 200_u16, alias = "a\"b\n", late = true, ms = 1.5, absent, "request");
        });
        let bytes = sink.pending().bytes.clone();
        assert_eq!(bytes.last(), Some(&b'\n'));
        let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(line["message"], "request");
        assert_eq!(line["level"], "INFO");
        assert_eq!((&line["status"], &line["late"], &line["ms"]), (&200.into(), &true.into(), &1.5.into()));
        assert_eq!(line["alias"], "a\"b\n");
        assert!(line.get("absent").is_none());
    }

    #[test]
    fn frameworks_are_not_heard_below_info() {
        let sink = Arc::new(Sink::default());
        let subscriber = tracing_subscriber::registry()
            .with(FilterFn::new(is_discreet))
            .with(JsonLines(Arc::clone(&sink)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "actix_http::h1", "bytes");
            tracing::debug!(target: "chipp_proxy_like", "bytes");
            tracing::info!(target: "actix_server", "one");
            tracing::trace!(target: "chipp_proxy::upstream", "two");
            tracing::trace!(target: "chipp_proxy", "three");
        });
        let log = String::from_utf8(sink.pending().bytes.clone()).unwrap();
        let messages: Vec<_> = log.lines().filter_map(|line| line.split("\"message\":").nth(1)).collect();
        assert_eq!(messages, ["\"one\"}", "\"two\"}", "\"three\"}"]);
    }

    #[test]
    fn what_standard_error_does_not_take_is_bounded() {
        let sink = Sink::default();
        let line = vec![b'x'; MAX_PENDING_BYTES / 2 + 1];
        sink.push(&line);
        sink.push(&line);
        assert_eq!(sink.pending().bytes.len(), line.len());
        assert_eq!(sink.pending().dropped, 1);
    }
}
