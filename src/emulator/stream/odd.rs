//! Rare events of dialect C, most of them ones that a reader has to skip.

use std::borrow::Cow;

use super::{Pace, Teller, halves};
use crate::emulator::behaviour::{Oddity, Tale};
use crate::emulator::dialect::Part;
use crate::emulator::script::quote;

/// Events that nobody knows. Their text is not the answer's.
const UNKNOWN: [&str; 3] = [
    r#"{"type":"wibble","text":"Nobody should see this."}"#,
    r#"{"type":"wobble-delta","id":"0","value":7}"#,
    r#"{"type":"wibble-end"}"#,
];

/// Types that newer versions of the AI SDK and Chipp's backend have. Nothing of theirs is the answer's text.
const NEW: [&str; 9] = [
    r#"{"type":"tool-approval-request","approvalId":"approval-1","toolCallId":"call-1"}"#,
    r#"{"type":"tool-approval-response","approvalId":"approval-1","approved":false}"#,
    r#"{"type":"tool-output-denied","toolCallId":"call-1"}"#,
    r#"{"type":"custom","kind":"provider.note","data":{"text":"Nobody should see this."}}"#,
    r#"{"type":"reasoning-file","url":"data:text/plain;base64,eA==","mediaType":"text/plain"}"#,
    r#"{"type":"steering-message","id":"steering-1","text":"Nobody should see this."}"#,
    r#"{"type":"steering-message","message":{"role":"user","parts":[{"type":"text","text":"Nobody should see this."}]}}"#,
    r#"{"type":"audio-transcribed","text":"Nobody should see this."}"#,
    r#"{"type":"audio-url","url":"https://example.invalid/audio.mp3"}"#,
];

const RESET: &str = r#"{"type":"reset-step"}"#;

impl Teller<'_, '_> {
    pub(super) fn odd(&mut self, oddity: Oddity, said: &str) {
        match oddity {
            Oddity::RawEvents => return self.raw_events(said),
            Oddity::UnknownTypes => {
                self.events(&UNKNOWN);
                self.say(&Part::Done);
                return self.script.end();
            }
            Oddity::ToolError => {
                self.event(r#"{"type":"error","error":"The tool failed."}"#);
                return self.script.end();
            }
            Oddity::KeepAlive => {
                self.say(&Part::Raw(Cow::Borrowed(": stream-open\n\n")));
                self.open();
                self.kept_alive(said);
            }
            Oddity::Reset => {
                self.open();
                self.say(&Part::TextStart);
                self.words(halves(said).0, Pace::Quick);
                self.event(RESET);
                self.block(said, Pace::Quick);
            }
            Oddity::ResetFirst => {
                self.open();
                self.event(RESET);
                self.block(said, Pace::Quick);
            }
            Oddity::NewTypes => {
                let (first, second) = halves(said);
                self.open();
                self.block(first, Pace::Quick);
                self.events(&NEW);
                self.block(second, Pace::Quick);
            }
        }
        self.finish(Tale::Odd(oddity));
    }

    fn raw_events(&mut self, said: &str) {
        for word in said.split_inclusive(' ') {
            let event = format!(r#"{{"type":"text","delta":{}}}"#, quote(word));
            self.say(&Part::Event(Cow::Owned(event)));
        }
        self.store();
        let usage = self.exchange.usage;
        let (prompt, completion) = (usage.prompt, usage.completion.unwrap_or_default());
        let done = format!(
            r#"{{"type":"done","finishReason":"stop","usage":{{"promptTokens":{prompt},"completionTokens":{completion}}}}}"#
        );
        self.say(&Part::Event(Cow::Owned(done)));
        self.script.end();
    }

    fn kept_alive(&mut self, said: &str) {
        self.say(&Part::TextStart);
        for word in said.split_inclusive(' ') {
            self.say(&Part::Raw(Cow::Borrowed(": keep-alive\n\n")));
            self.say(&Part::Text(word));
        }
        self.say(&Part::TextEnd);
    }

    fn events(&mut self, events: &[&str]) {
        for event in events {
            self.event(event);
        }
    }

    fn event(&mut self, event: &str) {
        self.say(&Part::Event(Cow::Borrowed(event)));
    }
}
