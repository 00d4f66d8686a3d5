//! Streamed replies: the tales, told in whatever dialect the app speaks.

mod failing;
mod large;
mod odd;
mod rounds;

use std::borrow::Cow;

use super::behaviour::{Reveals, Tale, Wire};
use super::dialect::{Call, Dialect, Encoder, Part};
use super::exchange::Exchange;
use super::plain;
use super::script::{Script, Step};

/// What a client that reads by the letter would stumble over, and a tolerant one skips.
const NOISE: [&str; 6] = [
    ": a comment\n\n",
    "event: message\nid: 7\nretry: 1000\ndata:{\"type\":\"data-unknown\",\"data\":{\"chat\":1},\"extra\":[]}\n\n",
    "data: {\"type\":\"text-delta\",\"id\":\"0\",\"delta\"\n\n",
    "nonsense without a colon\n",
    "data: {\"type\":\"a-type-of-tomorrow\"}\n\n",
    "\n\n",
];

/// The reply to a request that asked for a stream.
pub(super) fn script(exchange: Exchange<'_>) -> Script {
    let talk = exchange.talk;
    match talk.tale {
        Tale::PlainReply => return plain::script(exchange),
        Tale::BareText => return plain::text(exchange),
        _ => {}
    }
    let (mut script, mut headers) = exchange.begin();
    headers.extend_from_slice(talk.dialect.headers());
    script.stream_head(&headers);
    let serial = exchange.serial.clone();
    let mut encoder = Encoder::new(talk.dialect, exchange.app, &serial, exchange.created);
    if talk.wire == Wire::Crlf {
        encoder.newline = "\r\n";
    }
    let mut teller = Teller { script, encoder, exchange };
    teller.tell(talk.tale);
    teller.script
}

/// What happens before each word.
#[derive(Clone, Copy)]
enum Pace {
    Quick,
    Slow,
    Gated,
}

struct Teller<'a, 'b> {
    script: Script,
    encoder: Encoder<'b>,
    exchange: Exchange<'a>,
}

impl Teller<'_, '_> {
    fn tell(&mut self, tale: Tale) {
        let said = self.exchange.said.clone();
        match tale {
            Tale::Rounds(rounds) => return self.rounds(rounds, &said),
            Tale::BigFile | Tale::BigChunk | Tale::BigText => return self.large(tale, &said),
            Tale::Odd(oddity) => return self.odd(oddity, &said),
            Tale::Stall
            | Tale::ErrorMidway
            | Tale::ErrorFirst
            | Tale::Abort
            | Tale::Cut
            | Tale::CutStored
            | Tale::CutInChunk
            | Tale::Takeover
            | Tale::Incomplete
            | Tale::OpenEnd => return self.fail(tale, &said),
            Tale::Unframed => self.words(&said, Pace::Quick),
            _ => {
                self.open();
                self.text(tale, &said);
            }
        }
        self.finish(tale);
    }

    /// What a complete answer says between its opening and its finish.
    fn text(&mut self, tale: Tale, said: &str) {
        match tale {
            Tale::Blocks => {
                let (first, second) = halves(said);
                self.block(first, Pace::Quick);
                self.tool(false);
                self.block(second, Pace::Quick);
            }
            Tale::ToolUse => {
                self.tool(true);
                self.block(said, Pace::Quick);
            }
            Tale::Reasoning => {
                self.say(&Part::Reasoning("Nobody should see this."));
                self.block(said, Pace::Quick);
            }
            Tale::MessageIdOnly => {
                self.say(&Part::Metadata(None));
                self.block(said, Pace::Quick);
                self.say(&Part::Metadata(None));
            }
            Tale::Noise => self.noisy(said),
            Tale::SlowWords => self.block(said, Pace::Slow),
            Tale::Gated => self.block(said, Pace::Gated),
            // An answer without text is one that ended on a tool step.
            _ if said.is_empty() => self.tool(false),
            _ => self.block(said, Pace::Quick),
        }
    }

    /// A step of the app's own tool, which takes its time if it is slow.
    fn tool(&mut self, slow: bool) {
        let call = Call::new(format!("call-{}", self.exchange.serial));
        self.say(&Part::ToolCall(&call));
        if slow {
            self.script.step(Step::Pause(self.exchange.options.think));
        }
        self.say(&Part::ToolResult(&call));
        self.say(&Part::StepBreak);
    }

    fn open(&mut self) {
        let session = self.exchange.session.clone();
        self.say(&Part::Start(self.session_in_start(&session)));
        self.name_session_early();
    }

    /// The session's id, if the start event names it.
    fn session_in_start<'s>(&self, session: &'s str) -> Option<&'s str> {
        matches!(self.exchange.talk.reveals, Reveals::Start | Reveals::HeaderAndStart).then_some(session)
    }

    fn name_session_early(&mut self) {
        let has_start = self.encoder.dialect == Dialect::UiMessage;
        match self.exchange.talk.reveals {
            Reveals::Event => self.name_session(),
            Reveals::Start | Reveals::HeaderAndStart if !has_start => self.name_session(),
            _ => {}
        }
    }

    fn finish(&mut self, tale: Tale) {
        self.store();
        if tale != Tale::Unframed {
            self.say(&Part::Finish(self.exchange.talk.finish, self.exchange.usage));
        }
        if tale == Tale::MetadataAfter {
            self.say(&Part::Metadata(Some(self.exchange.usage)));
        }
        if self.exchange.talk.reveals == Reveals::Late {
            self.name_session();
        }
        if tale == Tale::Unterminated {
            self.say(&Part::Raw(Cow::Borrowed("data: [DONE]")));
        } else {
            self.say(&Part::Done);
        }
        self.script.end();
    }

    /// The answer is complete: it goes into the session.
    fn store(&mut self) {
        if let Some(step) = self.exchange.store() {
            self.script.step(step);
        }
    }

    fn name_session(&mut self) {
        let part = Part::Session(&self.exchange.session);
        self.encoder.write(&part, &mut self.script);
    }

    fn block(&mut self, text: &str, pace: Pace) {
        self.say(&Part::TextStart);
        self.words(text, pace);
        self.say(&Part::TextEnd);
    }

    fn noisy(&mut self, said: &str) {
        self.say(&Part::TextStart);
        let mut noise = NOISE.iter().cycle();
        for word in said.split_inclusive(' ') {
            if let Some(line) = noise.next() {
                self.say(&Part::Raw(Cow::Borrowed(line)));
            }
            self.say(&Part::Text(word));
        }
        self.say(&Part::TextEnd);
    }

    fn words(&mut self, text: &str, pace: Pace) {
        for word in text.split_inclusive(' ') {
            match pace {
                Pace::Quick => {}
                Pace::Slow => self.script.step(Step::Pause(self.exchange.options.word_pause)),
                Pace::Gated => self.script.step(self.exchange.gate()),
            }
            self.say(&Part::Text(word));
        }
    }

    fn say(&mut self, part: &Part<'_>) {
        self.encoder.write(part, &mut self.script);
    }
}

/// The text in two parts, parted at a space near its middle.
fn halves(text: &str) -> (&str, &str) {
    let middle = text.len() / 2;
    let space = text.bytes().skip(middle).position(|byte| byte == b' ');
    let cut = space.map_or(text.len(), |at| middle + at + 1);
    text.split_at_checked(cut).unwrap_or((text, ""))
}
