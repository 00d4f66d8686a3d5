//! How a reply ends: the one place that keeps [`Event`]'s promise about the end, whatever the dialect says.
//!
//! A `finish` is the end of a round of the model, not of the reply: Chipp writes it before that round's tools run. So
//! whatever shows that the run continues opens the reply again, and only the dialect's own end (`[DONE]`, `d:`) ends it.

use crate::chipp::finish::FinishWord;
use crate::chipp::metadata::Place;
use crate::chipp::stream::calls::OpenCalls;
use crate::chipp::{ApiError, ErrorKind, Event, Failure, FinishReason, UnknownWords, Usage};
use crate::ids::ChatSessionId;

/// How far a reply has come, and what it has said already.
#[derive(Debug, Default)]
pub(super) struct Termination {
    phase: Phase,
    /// What the last finish word said, unless there was text after it.
    reason: Option<FinishReason>,
    /// The dialect's own last line has come, so that the body may end.
    is_marked: bool,
    /// The round has had its finish word: text is the next round's.
    is_round_over: bool,
    calls: OpenCalls,
    /// A tool has been called: the app has begun to act.
    has_called: bool,
    /// Bytes of text since the step began.
    step_bytes: usize,
    session: Option<(Place, ChatSessionId)>,
    usage: Option<Usage>,
    skipped: u32,
    oversized: u32,
    unknown_words: UnknownWords,
    seen: Seen,
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Nothing,
    /// Only events that nobody knows.
    Unknown,
    /// An event that the dialect knows.
    Known,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// The last thing that was said is that the answer is complete.
    Finishing,
    Finished,
    Failed,
}

impl Termination {
    /// An outlet that writes to `events` what may be written.
    pub(super) fn outlet<'a>(&'a mut self, events: &'a mut Vec<Event>) -> Outlet<'a> {
        Outlet { state: self, events }
    }

    /// The response header named this session: no event can name another one.
    pub(super) fn know(&mut self, session: ChatSessionId) {
        self.session = Some((Place::Header, session));
    }

    /// Whether nothing can come any more.
    pub(super) fn failed(&self) -> bool {
        self.phase == Phase::Failed
    }

    /// Whether the answer is complete as far as it shows, and no tool is at work: a long silence may stand for the end.
    pub(super) fn is_finishing(&self) -> bool {
        self.phase == Phase::Finishing && self.calls.are_none()
    }

    /// Whether the dialect's own end has come.
    pub(super) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Whether a tool of the app's has been called.
    pub(super) fn has_called(&self) -> bool {
        self.has_called
    }

    /// How many lines could not be read.
    pub(super) fn skipped(&self) -> u32 {
        self.skipped
    }

    /// How many lines or events were too long to be held, and were read past.
    pub(super) fn oversized(&self) -> u32 {
        self.oversized
    }

    /// Finish words that are in no column of the table.
    pub(super) fn unknown_words(&self) -> &UnknownWords {
        &self.unknown_words
    }
}

/// Where a dialect puts what it has read.
pub(super) struct Outlet<'a> {
    state: &'a mut Termination,
    events: &'a mut Vec<Event>,
}

impl Outlet<'_> {
    /// More text.
    pub(super) fn text(&mut self, text: impl Into<String> + AsRef<str>) {
        self.known();
        if self.over() || text.as_ref().is_empty() {
            return;
        }
        self.begin_round();
        self.reopen();
        self.state.reason = None;
        self.state.step_bytes = self.state.step_bytes.saturating_add(text.as_ref().len());
        self.events.push(Event::Text(text.into()));
    }

    /// An event that shows that the run continues: text that begins, reasoning.
    pub(super) fn work(&mut self) {
        self.known();
        self.reopen();
    }

    /// A tool of the app's is called, and runs until its result comes.
    pub(super) fn tool_call(&mut self, id: &str) {
        self.begin_round();
        self.state.has_called = true;
        self.state.calls.open(id);
        self.work();
    }

    /// A tool of the app's has ended.
    pub(super) fn tool_result(&mut self, id: &str) {
        self.state.has_called = true;
        self.state.calls.close(id);
        self.work();
    }

    /// A step ended with this word.
    pub(super) fn step_word(&mut self, word: &str) {
        self.state.has_called |= FinishWord::of(word) == FinishWord::ToolCalls;
        self.step();
    }

    /// A step begins.
    pub(super) fn step(&mut self) {
        self.state.step_bytes = 0;
        self.work();
    }

    /// The step begins anew: what it has said is void.
    pub(super) fn reset_step(&mut self) {
        let void = std::mem::take(&mut self.state.step_bytes);
        self.work();
        if void > 0 && !self.over() {
            self.events.push(Event::Withdrawn(void));
        }
    }

    /// An event that the dialect knows, and that says nothing of where the run is.
    pub(super) fn known(&mut self) {
        self.state.seen = Seen::Known;
    }

    /// An event of a type that nobody knows: of a later version.
    pub(super) fn unknown(&mut self) {
        if self.state.seen == Seen::Nothing {
            self.state.seen = Seen::Unknown;
        }
    }

    /// The session's id as the wire has it. Some dialects repeat it in each event: only a new one is told.
    pub(super) fn session_text(&mut self, place: Place, id: &str) {
        match &self.state.session {
            Some((known, same)) if *known >= place && same.as_str() == id => {}
            _ => self.session(ChatSessionId::parse(id).map(|id| (place, id))),
        }
    }

    /// The session's id, if one was found, and nothing better is known.
    pub(super) fn session(&mut self, found: Option<(Place, ChatSessionId)>) {
        let Some((place, id)) = found.filter(|_| !self.failed()) else { return };
        let is_new = match &self.state.session {
            Some((known, _)) if *known > place => return,
            Some((_, same)) => *same != id,
            None => true,
        };
        if is_new {
            self.events.push(Event::Session(id.clone()));
        }
        self.state.session = Some((place, id));
    }

    /// Token counts, if any were found.
    pub(super) fn usage(&mut self, usage: Option<Usage>) {
        if usage.is_some() && usage != self.state.usage && !self.failed() {
            self.events.extend(usage.map(Event::Usage));
            self.state.usage = usage;
        }
    }

    /// The round ended with this word, which may be empty; the end of the reply is still to come.
    pub(super) fn finish_word(&mut self, word: &str) {
        self.known();
        if self.over() {
            return;
        }
        self.state.is_round_over = true;
        self.state.step_bytes = 0;
        match FinishWord::of(word) {
            FinishWord::End(reason) => {
                self.state.reason = Some(reason);
                self.state.phase = Phase::Finishing;
            }
            FinishWord::ToolCalls => {
                self.state.has_called = true;
                self.work();
            }
            FinishWord::Broken => self.fail(Failure::Interrupted),
            FinishWord::Takeover => self.fail(Failure::Takeover),
            FinishWord::Unknown => {
                self.state.unknown_words.note(word);
                self.work();
            }
        }
    }

    /// The dialect's own last line has come: unless the run continues all the same, the body may end now.
    pub(super) fn end_mark(&mut self) {
        self.state.is_marked = !self.over();
    }

    /// Whether the last finish word said that the answer is complete.
    pub(super) fn has_ended_well(&self) -> bool {
        self.state.phase == Phase::Finishing
    }

    /// The reply ended as its dialect says that replies end.
    pub(super) fn finish(&mut self) {
        if self.state.seen == Seen::Unknown {
            self.fail(Failure::Unrecognized);
        } else {
            self.finish_with(self.state.reason.unwrap_or(FinishReason::Stop));
        }
    }

    /// The reply ended, for a reason that came together with all the rest of it.
    pub(super) fn finish_with(&mut self, reason: FinishReason) {
        if !self.over() {
            self.state.phase = Phase::Finished;
            self.events.push(Event::Finish(reason));
        }
    }

    /// The body ended without `[DONE]`: as it should if the dialect's own last line had come; else it was cut.
    pub(super) fn end_of_body(&mut self) {
        if self.state.is_marked {
            self.finish();
        } else if self.state.seen == Seen::Unknown {
            self.fail(Failure::Unrecognized);
        } else {
            self.fail(Failure::Cut);
        }
    }

    /// The reply broke. What is said when a tool has been called is said of the run, whatever its words: neither of the
    /// request nor of the key, the plan or the session.
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.over() {
            self.state.phase = Phase::Failed;
            let failure = match failure {
                Failure::Api(error) if self.state.has_called => {
                    Failure::Api(ApiError { kind: ErrorKind::Server, ..error })
                }
                failure => failure,
            };
            self.events.push(Event::Failure(failure));
        }
    }

    /// A line could not be read.
    pub(super) fn skip(&mut self) {
        if !self.failed() {
            self.state.skipped = self.state.skipped.saturating_add(1);
        }
    }

    /// A line or an event was too long to be held.
    pub(super) fn oversized(&mut self) {
        if !self.failed() {
            self.state.oversized = self.state.oversized.saturating_add(1);
        }
    }

    /// A finish word of a whole reply that is in no column of the table.
    pub(super) fn unknown_words(&mut self, words: UnknownWords) {
        self.state.unknown_words = words;
    }

    /// Whether lines were skipped.
    pub(super) fn has_skipped(&self) -> bool {
        self.state.skipped > 0
    }

    /// Whether nothing can come any more.
    pub(super) fn failed(&self) -> bool {
        self.state.failed()
    }

    /// What comes is the next round's if the last one has had its finish: then its calls have ended.
    fn begin_round(&mut self) {
        if std::mem::take(&mut self.state.is_round_over) {
            self.state.calls.close_all();
        }
    }

    fn reopen(&mut self) {
        if !self.over() {
            self.state.phase = Phase::Open;
            self.state.is_marked = false;
        }
    }

    fn over(&self) -> bool {
        matches!(self.state.phase, Phase::Finished | Phase::Failed)
    }
}

#[cfg(test)]
mod tests;
