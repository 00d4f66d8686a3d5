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
use crate::openai::chunk::{KEEP_ALIVE, pieces};
use crate::openai::usage::Usage;
use crate::proxy::call::Call;
use crate::proxy::exchange::Refused;
use crate::proxy::failed::Failed;
use crate::proxy::heard::{Mistaken, ended, spoken, with_ids};
use crate::proxy::source::{Read, Source};
use crate::proxy::writer::Writer;
use crate::translate::reply::UsageSource;
use crate::translate::terms::{Problems, Reader, Terms, Verdict};
use crate::upstream::Accept;

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

/// Between what the app says and what the client gets.
struct Listener {
    reader: Reader,
    /// What the app has said so far, cut.
    said: String,
    /// The same as the app said it, where it may be cut.
    uncut: Option<String>,
    /// What it says before its calls once more, in its second turn: the client has had words already.
    muted: Option<String>,
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
        live.listen(None);
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
                if let Some(uncut) = self.listener.as_mut().and_then(|listener| listener.uncut.as_mut()) {
                    uncut.push_str(&text);
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
            Event::Activity => {}
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
        let Some(listener) = &mut self.listener else { return self.speak(text, out) };
        listener.said.push_str(text);
        let now = listener.reader.push(text);
        match &mut listener.muted {
            Some(muted) => muted.push_str(&now),
            None => self.speak(&now, out),
        }
    }

    /// The last so many bytes that the app said are void: dropped where they were held back, else nothing can be saved.
    fn withdraw(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let heard_anew = self.listener.take().and_then(|mut listener| {
            let mut said = listener.uncut.take().unwrap_or(listener.said);
            said.truncate(said.len().checked_sub(bytes)?);
            self.listen(listener.muted);
            let anew = self.listener.as_mut()?;
            anew.uncut = anew.uncut.is_some().then(|| said.clone());
            if !self.call.ask.cutter.is_idle() {
                self.call.cutter = self.call.ask.cutter.clone();
                said = self.call.cutter.push(&said);
            }
            let now = anew.reader.push(&said);
            anew.said = said;
            match &mut anew.muted {
                Some(muted) => {
                    *muted = now;
                    Some(String::new())
                }
                None => now.strip_prefix(&*self.answer).map(str::to_owned),
            }
        });
        if let Some(rest) = heard_anew {
            self.speak(&rest, out);
        } else {
            let error = self.call.withdrawn();
            self.fail(error);
        }
    }

    /// Begins to listen, where more than text is asked for.
    fn listen(&mut self, muted: Option<String>) {
        let uncut = (!self.call.ask.cutter.is_idle()).then(String::new);
        let reader = self.call.ask.terms.as_ref().map(Terms::reader);
        self.listener = reader.map(|reader| Listener { reader, said: String::new(), uncut, muted });
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
        if self.is_doubtful {
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
                self.listen((!self.answer.is_empty()).then(String::new));
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

/// Sends the request until an answer shows that it is one, in the session that was meant or in a new one.
async fn open(call: &mut Call) -> Result<(Source, VecDeque<Event>), Failed> {
    loop {
        let reply = call.connect().await?;
        if call.attempt.accept == Accept::Json {
            match call.read(reply).await? {
                Some(answer) => return Ok(as_stream(answer)),
                None => continue,
            }
        }
        let mut source = Source::new(reply);
        let mut events = VecDeque::new();
        let started = Instant::now();
        let proof = prove(call, &mut source, &mut events).await;
        call.exchange.waited(started.elapsed());
        match proof? {
            Proof::Answers => {
                fill(call, &source, &mut events).await?;
                source.comment_every = call.worker.snapshot.config.server.keep_alive_comment;
                return Ok((source, events));
            }
            Proof::Forgotten => call.replay()?,
        }
    }
}

/// A plain reply as the events of a stream.
fn as_stream(answer: chipp::Reply) -> (Source, VecDeque<Event>) {
    let mut events: VecDeque<Event> =
        pieces(&answer.text).map(|piece| Event::Text(piece.to_owned())).collect();
    events.extend(answer.usage.map(Event::Usage));
    events.push_back(Event::Finish(answer.finish));
    (Source::read_already(answer.session), events)
}

/// The session that was named last.
fn named_in(events: &VecDeque<Event>) -> Option<&ChatSessionId> {
    events.iter().rev().find_map(|event| match event {
        Event::Session(session) => Some(session),
        _ => None,
    })
}

/// An answer that ends before it has said anything may be found elsewhere.
async fn fill(call: &mut Call, source: &Source, events: &mut VecDeque<Event>) -> Result<(), Failed> {
    let says = |event: &Event| matches!(event, Event::Text(_));
    let Some(end) = events.iter().position(|event| matches!(event, Event::Finish(_))) else { return Ok(()) };
    if events.iter().any(says) {
        return Ok(());
    }
    let named = named_in(events).or(source.named.as_ref()).cloned();
    if let Some(text) = call.fill(named.as_ref()).await? {
        events.insert(end, Event::Text(text));
    }
    Ok(())
}

/// What the first events show.
enum Proof {
    /// Text, or the end of an answer.
    Answers,
    /// Chipp does not know the session any more.
    Forgotten,
}

async fn prove(call: &mut Call, source: &mut Source, events: &mut VecDeque<Event>) -> Result<Proof, Failed> {
    let mut seen = 0;
    loop {
        for event in events.iter().skip(seen) {
            match event {
                Event::Text(_) | Event::Finish(_) => return Ok(Proof::Answers),
                Event::Session(session) if call.is_forgotten(Some(session)) => return Ok(Proof::Forgotten),
                Event::Failure(failure) if call.is_lost_session(failure) => return Ok(Proof::Forgotten),
                Event::Failure(failure) => return Err(call.failure(failure)),
                Event::Session(_) | Event::Usage(_) | Event::Activity | Event::Withdrawn(_) => {}
            }
        }
        seen = events.len();
        if let Read::Broken(broken) = source.read(events).await {
            return Err(call.broken(broken));
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}
