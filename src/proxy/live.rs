//! An answer that is being streamed: Chipp's bytes in, OpenAI's events out, and the settlement between the last two.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::chipp::{self, Event};
use crate::ids::ChatSessionId;
use crate::openai::Error;
use crate::openai::chat::Called;
use crate::openai::chunk::KEEP_ALIVE;
use crate::openai::usage::Usage;
use crate::proxy::call::Call;
use crate::proxy::exchange::Refused;
use crate::proxy::heard::{Mistaken, ended, spoken, with_ids};
use crate::proxy::listener::Listener;
use crate::proxy::opening::{named_in, open};
use crate::proxy::source::{Read, Source};
use crate::proxy::writer::Writer;
use crate::translate::reply::UsageSource;
use crate::translate::terms::{Problems, Verdict};

/// How long the end of the body is waited for when all has been said: its connection can then be used again.
const LINGER: Duration = Duration::from_millis(20);

/// A running answer.
pub(super) struct Live {
    pub(super) call: Call,
    source: Source,
    /// Decoded and not yet written.
    events: VecDeque<Event>,
    writer: Writer,
    phase: Phase,
    /// Events for the client that were written to see whether it is an answer.
    ahead: Option<Vec<u8>>,
    /// The text so far, as the client got it.
    answer: String,
    /// Takes what was asked for out of what the app says, where that is more than text.
    listener: Option<Listener>,
    /// The session that the answer named.
    named: Option<ChatSessionId>,
    /// The answer named another session than before: whatever it is, it is not to be trusted.
    is_doubtful: bool,
    usage: Option<chipp::Usage>,
    /// How it ended, once it has, until that is asked for.
    end: Option<End>,
    /// Cancelled when the process may drain no longer.
    drained: Pin<Box<WaitForCancellationFutureOwned>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has been written.
    Begun,
    /// What comes before the answer has been written.
    Speaking,
    /// `[DONE]` has been written, and the body may have an end to come.
    Lingering,
    /// There is no more to say or to read.
    Ended,
}

/// How an answer ended.
pub(super) type End = Result<(Usage, UsageSource), Error>;

/// How an answer that is complete ends.
struct Ending {
    reason: chipp::FinishReason,
    then: Phase,
}

impl Live {
    /// Sends the request, and reads on until the answer has shown that it is one, by text or by its end.
    pub(super) async fn open(mut call: Call, writer: Writer) -> Result<Self, Box<Refused>> {
        let token = call.worker.shared.deadline.clone();
        let opened = tokio::select! {
            opened = call.pursue(open) => opened,
            () = token.cancelled() => Err(Error::shutting_down()),
        };
        let (source, events) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(call.refuse(error)),
        };
        call.exchange.record.status = 200;
        call.tell_session(named_in(&events).or(source.named.as_ref()));
        let mut live = Self {
            call,
            source,
            events,
            writer,
            phase: Phase::Begun,
            ahead: None,
            answer: String::new(),
            listener: None,
            named: None,
            is_doubtful: false,
            usage: None,
            end: None,
            drained: Box::pin(token.cancelled_owned()),
        };
        live.listen(false);
        if live.listener.is_some() { Box::pin(live.look_ahead()).await } else { Ok(live) }
    }

    /// Reads on until there is something for the client: what is not what was asked for is a real HTTP status then.
    async fn look_ahead(mut self) -> Result<Self, Box<Refused>> {
        let comment_every = self.source.comment_every.take();
        self.ahead = self.advance().await;
        self.source.comment_every = comment_every;
        self.source.signed();
        match self.end.take() {
            Some(Err(error))
                if self.phase == Phase::Ended && self.ahead.as_ref().is_none_or(Vec::is_empty) =>
            {
                Err(self.call.refuse(error))
            }
            end => {
                self.end = end;
                Ok(self)
            }
        }
    }

    /// How the answer ended, when it just has; what is to be said of that is still to be written.
    pub(super) fn take_end(&mut self) -> Option<End> {
        self.end.take()
    }

    /// The next events of this answer for the client; `None` when there are none to come.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.advance().await,
        }
    }

    async fn advance(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if self.listener.is_none() {
            self.begin(&mut out);
        }
        loop {
            match self.phase {
                Phase::Begun | Phase::Speaking => {}
                Phase::Lingering => {
                    self.linger().await;
                    return None;
                }
                Phase::Ended => return None,
            }
            while let Some(event) = self.events.pop_front() {
                if let Some(end) = self.write(event, &mut out) {
                    self.end(end, &mut out).await;
                }
                if matches!(self.phase, Phase::Lingering | Phase::Ended) {
                    return Some(out);
                }
            }
            if !out.is_empty() {
                self.source.signed();
                return Some(out);
            }
            let started = Instant::now();
            let read = tokio::select! {
                biased;
                read = self.source.read(&mut self.events) => read,
                () = &mut self.drained => {
                    self.fail(Error::shutting_down());
                    return Some(out);
                }
            };
            self.call.exchange.waited(started.elapsed());
            match read {
                Read::Events => {}
                Read::Silence => {
                    self.source.signed();
                    return Some(KEEP_ALIVE.to_vec());
                }
                Read::Broken(broken) => {
                    let error = self.call.broken(broken).error;
                    self.fail(error);
                    return Some(out);
                }
            }
        }
    }

    /// Writes what can be written at once; an end is for the caller to write.
    fn write(&mut self, event: Event, out: &mut Vec<u8>) -> Option<Ending> {
        match event {
            Event::Text(text) if self.call.cutter.is_idle() => self.hear(&text, out),
            Event::Text(text) => {
                if let Some(listener) = &mut self.listener {
                    listener.note_uncut(&text);
                }
                let text = self.call.cutter.push(&text);
                self.hear(&text, out);
                if self.call.cutter.cut().is_some() {
                    // The rest is not wanted; leaving closes Chipp's connection.
                    return Some(Ending { reason: chipp::FinishReason::Stop, then: Phase::Ended });
                }
            }
            Event::Session(session) => self.name(session),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Withdrawn(bytes) => self.withdraw(bytes, out),
            Event::Finish(reason) => {
                let rest = self.call.cutter.finish();
                self.hear(&rest, out);
                return Some(Ending { reason, then: Phase::Lingering });
            }
            Event::Failure(failure) => {
                let error = self.call.failure(&failure).error;
                self.fail(error);
            }
        }
        None
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Begun {
            self.writer.begin(out);
            self.phase = Phase::Speaking;
        }
    }

    /// The app says more.
    fn hear(&mut self, text: &str, out: &mut Vec<u8>) {
        match &mut self.listener {
            None => self.speak(text, out),
            Some(listener) => {
                let now = listener.hear(text);
                self.speak(&now, out);
            }
        }
    }

    /// The last so many bytes that the app said are void: dropped where they were held back, else nothing can be saved.
    fn withdraw(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let listener = self.listener.take().zip(self.call.ask.terms.as_ref());
        let anew = listener.and_then(|(listener, terms)| {
            self.call.cutter = self.call.ask.cutter.clone();
            listener.withdraw(bytes, terms, &mut self.call.cutter, &self.answer)
        });
        if let Some((listener, now)) = anew {
            self.listener = Some(listener);
            self.speak(&now, out);
        } else {
            let error = self.call.withdrawn();
            self.fail(error);
        }
    }

    /// Begins to listen, where more than text is asked for.
    fn listen(&mut self, is_second: bool) {
        let is_cut = !self.call.ask.cutter.is_idle();
        self.listener = self.call.ask.terms.as_ref().map(|terms| Listener::new(terms, is_cut, is_second));
    }

    fn speak(&mut self, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.begin(out);
            self.answer.push_str(text);
            self.writer.text(text, out);
        }
    }

    /// A session named after text has gone out: if it is another than the one meant, the answer was given without
    /// the history. That cannot be mended any more; but nothing will be built on it.
    fn name(&mut self, session: ChatSessionId) {
        let is_other = self.named.as_ref().is_some_and(|named| *named != session);
        if !self.is_doubtful && (is_other || self.call.is_forgotten(Some(&session))) {
            self.is_doubtful = true;
            self.call.exchange.record.metrics().sessions_lost.inc();
        }
        self.named = Some(session);
    }

    /// The app has said all; that may not be what was asked for.
    async fn end(&mut self, end: Ending, out: &mut Vec<u8>) {
        let Some(listener) = self.listener.take() else {
            return self.complete(end, &[], true, None, out).await;
        };
        match listener.reader.finish(ended(end.reason, self.call.cutter.cut())) {
            Verdict::Good(heard) => {
                if listener.muted.is_none() || heard.calls.is_empty() {
                    self.speak(&listener.muted.unwrap_or_default(), out);
                    self.speak(&heard.rest, out);
                }
                self.complete(end, &heard.calls, heard.is_faithful, Some(&listener.said), out).await;
            }
            Verdict::Bad(problems) => Box::pin(self.repair(problems, listener.said)).await,
        }
    }

    /// The answer is complete. The session is put away first, so that the client's next request finds it.
    async fn complete(
        &mut self,
        end: Ending,
        calls: &[Called],
        is_faithful: bool,
        said: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        if self.is_doubtful || self.source.ended_in_silence {
            self.call.attempt.doubt();
        }
        let named = self.named.take().or_else(|| self.source.named.take());
        self.call.settle(end.reason, named, &spoken(&self.answer, calls), is_faithful).await;
        let reason = self.call.finish_reason(end.reason, !calls.is_empty());
        self.writer.calls(&with_ids(calls), reason, out);
        self.writer.finish(reason, out);
        self.count_oddities();
        self.end = Some(Ok(self.call.usage(self.usage, said.unwrap_or(&self.answer)).await));
        self.phase = end.then;
    }

    /// The app gets another turn to put its answer right.
    async fn repair(&mut self, problems: Problems, said: String) {
        let named = self.named.take().or_else(|| self.source.named.take());
        let mistaken = Mistaken { problems, said, named, usage: self.usage.take() };
        let comment_every = self.source.comment_every;
        let call = &mut self.call;
        let again = async {
            call.repair(mistaken).await?;
            call.pursue(open).await
        };
        let again = tokio::select! {
            again = again => again,
            () = &mut self.drained => Err(Error::shutting_down()),
        };
        match again {
            Ok((source, events)) => {
                self.source = source;
                self.source.comment_every = comment_every;
                self.events = events;
                self.listen(!self.answer.is_empty());
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) {
        self.call.attempt.doubt();
        self.count_oddities();
        self.end = Some(Err(error));
        self.phase = Phase::Ended;
    }

    /// Ends the stream, of which this is the only answer.
    pub(super) async fn close(&mut self, end: End, out: &mut Vec<u8>) {
        match end {
            Ok((usage, source)) => {
                let kept = self.call.keep(self.writer.settle(usage)).await;
                self.call.exchange.complete(usage, source, usage.total_tokens()).await;
                match kept {
                    Ok(()) => self.writer.done(usage, out),
                    Err(error) => {
                        self.call.exchange.broke(&error);
                        self.writer.fail(&error, out);
                    }
                }
            }
            Err(error) => {
                self.call.exchange.broke(&error);
                self.writer.fail(&error, out);
            }
        }
    }

    /// We broke in the middle: nothing that is known of the conversation counts.
    pub(super) fn panicked(&mut self, out: &mut Vec<u8>) {
        let error = Error::internal();
        self.call.attempt.doubt();
        self.call.exchange.broke(&error);
        self.writer.fail(&error, out);
    }

    /// Counts what was odd about the stream.
    fn count_oddities(&self) {
        let (decoder, metrics) = (&self.source.decoder, self.call.exchange.record.metrics());
        for (counter, count) in
            [(&metrics.skipped_lines, decoder.skipped()), (&metrics.oversized_events, decoder.oversized())]
        {
            if count > 0 {
                counter.inc_by(count.into());
            }
        }
        self.call.note_unknown_words(decoder.dialect(), decoder.unknown_words());
    }

    /// Reads the end of the body, if it comes at once, so that its connection can be used again.
    async fn linger(&mut self) {
        // A body that goes on is cut off: the answer was complete.
        let _ = timeout(LINGER, self.source.drain()).await;
        self.phase = Phase::Ended;
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}
