//! Which events may still come: the one place that keeps a reply's end exact, whatever the dialect says.

use crate::chipp::{Event, Failure, FinishReason, Usage};
use crate::ids::ChatSessionId;

/// How far a reply has come, and what it has said already.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    phase: Phase,
    session: Option<ChatSessionId>,
    usage: Option<Usage>,
    skipped: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closing(FinishReason),
    Finished,
    Failed,
}

impl Ledger {
    /// An outlet that writes to `events` what may be written.
    pub(super) fn outlet<'a>(&'a mut self, events: &'a mut Vec<Event>) -> Outlet<'a> {
        Outlet { ledger: self, events }
    }

    /// Whether nothing can come any more.
    pub(super) fn failed(&self) -> bool {
        self.phase == Phase::Failed
    }

    /// Whether the answer is complete and only its end is still to come.
    pub(super) fn closing(&self) -> bool {
        matches!(self.phase, Phase::Closing(_))
    }

    /// How many lines could not be read.
    pub(super) fn skipped(&self) -> u32 {
        self.skipped
    }
}

/// Where a dialect puts what it has read.
pub(super) struct Outlet<'a> {
    ledger: &'a mut Ledger,
    events: &'a mut Vec<Event>,
}

impl Outlet<'_> {
    /// More text. After a `Closing` the answer is open again: a step had ended, not the reply.
    pub(super) fn text(&mut self, text: impl Into<String> + AsRef<str>) {
        if !self.over() && !text.as_ref().is_empty() {
            self.ledger.phase = Phase::Open;
            self.events.push(Event::Text(text.into()));
        }
    }

    /// A sign of life.
    pub(super) fn activity(&mut self) {
        if self.ledger.phase == Phase::Open {
            self.events.push(Event::Activity);
        }
    }

    /// The session's id as the wire has it. Some dialects repeat it in each event: only a new one is told.
    pub(super) fn session_text(&mut self, id: &str) {
        let known = self.ledger.session.as_ref().map(ChatSessionId::as_str);
        if known != Some(id) {
            self.session(ChatSessionId::parse(id));
        }
    }

    /// The session's id, if one was found.
    pub(super) fn session(&mut self, id: Option<ChatSessionId>) {
        if id.is_some() && id != self.ledger.session && !self.failed() {
            self.events.extend(id.clone().map(Event::Session));
            self.ledger.session = id;
        }
    }

    /// Token counts, if any were found.
    pub(super) fn usage(&mut self, usage: Option<Usage>) {
        if usage.is_some() && usage != self.ledger.usage && !self.failed() {
            self.events.extend(usage.map(Event::Usage));
            self.ledger.usage = usage;
        }
    }

    /// The answer is complete, or broke, in the dialect's words; the end of the reply is still to come.
    pub(super) fn closing(&mut self, reason: &str) {
        match FinishReason::parse(reason) {
            Ok(reason) if self.ledger.phase == Phase::Open => {
                self.ledger.phase = Phase::Closing(reason);
                self.events.push(Event::Closing(reason));
            }
            Ok(_) => {}
            Err(failure) => self.fail(failure),
        }
    }

    /// The reply ended as it should.
    pub(super) fn finish(&mut self) {
        let reason = match self.ledger.phase {
            Phase::Open => FinishReason::Stop,
            Phase::Closing(reason) => reason,
            Phase::Finished | Phase::Failed => return,
        };
        self.finish_with(reason);
    }

    /// The reply ended, for a reason that came together with all the rest of it.
    pub(super) fn finish_with(&mut self, reason: FinishReason) {
        if !self.over() {
            self.ledger.phase = Phase::Finished;
            self.events.push(Event::Finish(reason));
        }
    }

    /// The reply ended as it should if the answer was complete; else it was cut.
    pub(super) fn finish_if_closing(&mut self) {
        match self.ledger.phase {
            Phase::Closing(_) => self.finish(),
            _ => self.fail(Failure::Cut),
        }
    }

    /// The reply broke.
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.over() {
            self.ledger.phase = Phase::Failed;
            self.events.push(Event::Failure(failure));
        }
    }

    /// A line could not be read.
    pub(super) fn skip(&mut self) {
        if !self.failed() {
            self.ledger.skipped = self.ledger.skipped.saturating_add(1);
        }
    }

    /// Whether lines were skipped.
    pub(super) fn has_skipped(&self) -> bool {
        self.ledger.skipped > 0
    }

    /// Whether nothing can come any more.
    pub(super) fn failed(&self) -> bool {
        self.ledger.failed()
    }

    fn over(&self) -> bool {
        matches!(self.ledger.phase, Phase::Finished | Phase::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Outlet<'_>)) -> Vec<Event> {
        let mut events = Vec::new();
        write(&mut Ledger::default().outlet(&mut events));
        events
    }

    #[test]
    fn nothing_but_metadata_after_a_finish() {
        let usage = Usage { prompt_tokens: Some(1), completion_tokens: None };
        let events = written(|out| {
            out.closing("length");
            out.activity();
            out.finish();
            out.text("late");
            out.closing("stop");
            out.finish();
            out.fail(Failure::Cut);
            out.session_text("s");
            out.session_text("s");
            out.usage(Some(usage));
            out.usage(Some(usage));
            out.usage(None);
        });
        assert_eq!(
            events,
            [
                Event::Closing(FinishReason::Length),
                Event::Finish(FinishReason::Length),
                Event::Session(ChatSessionId::parse("s").unwrap()),
                Event::Usage(usage),
            ]
        );
    }

    #[test]
    fn nothing_at_all_after_a_failure() {
        let events = written(|out| {
            out.closing("error");
            out.session_text("s");
            out.usage(Some(Usage::default()));
            out.text("late");
            out.finish();
        });
        assert!(matches!(events.as_slice(), [Event::Failure(Failure::Api(_))]));
    }

    #[test]
    fn text_opens_the_answer_again() {
        let events = written(|out| {
            out.closing("length");
            out.text("");
            out.text("more");
            out.finish_if_closing();
        });
        assert_eq!(
            events,
            [Event::Closing(FinishReason::Length), Event::Text("more".into()), Event::Failure(Failure::Cut),]
        );
    }
}
