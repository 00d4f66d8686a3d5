//! Streams that end without an answer, or without their terminator.

use std::borrow::Cow;

use super::{Pace, Teller, halves};
use crate::emulator::behaviour::Tale;
use crate::emulator::dialect::Part;
use crate::emulator::script::Step;

impl Teller<'_, '_> {
    pub(super) fn fail(&mut self, tale: Tale, said: &str) {
        match tale {
            Tale::ErrorFirst => {
                self.say(&Part::Error("The model failed."));
                self.say(&Part::Done);
                self.script.end();
            }
            Tale::Takeover => {
                let session = self.exchange.session.clone();
                self.say(&Part::Opening(self.session_in_start(&session)));
                let done = r#"{"type":"done","finishReason":"human_takeover"}"#;
                self.say(&Part::Event(Cow::Borrowed(done)));
                self.script.end();
            }
            Tale::Incomplete | Tale::OpenEnd => {
                self.open();
                self.block(said, Pace::Quick);
                self.say(&Part::Finish(self.exchange.talk.finish, self.exchange.usage));
                if tale == Tale::Incomplete {
                    self.say(&Part::Done);
                }
                self.script.end();
            }
            _ => self.break_off(tale, halves(said).0),
        }
    }

    /// Ends after some text.
    fn break_off(&mut self, tale: Tale, first: &str) {
        self.open();
        self.say(&Part::TextStart);
        self.words(first, Pace::Quick);
        match tale {
            Tale::Stall => self.script.step(Step::Hang),
            Tale::ErrorMidway => {
                self.say(&Part::Error("The model failed."));
                self.script.end();
            }
            Tale::Abort => {
                self.say(&Part::Abort);
                self.say(&Part::Done);
                self.script.end();
            }
            Tale::CutInChunk => self.script.torn_chunk(b"data: {\"type\":\"text-del"),
            Tale::CutStored => {
                // The last write comes after it, so that whoever sees the cut also finds the turn.
                self.store();
                self.say(&Part::Raw(Cow::Borrowed("data: {\"type\":")));
                self.script.close = true;
            }
            _ => self.script.close = true,
        }
    }
}
