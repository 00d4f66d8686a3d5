//! Streams with events of megabytes: a reader has to skip them without holding them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Pace, Teller, halves};
use crate::emulator::behaviour::Tale;
use crate::emulator::dialect::{Call, Dialect, Part};

/// A mebibyte.
pub(super) const MIB: usize = 1024 * 1024;
/// Size of a line of an event with many lines, in bytes.
const LINE: usize = 64 * 1024;

impl Teller<'_, '_> {
    pub(super) fn large(&mut self, tale: Tale, said: &str) {
        let (first, second) = halves(said);
        self.open();
        self.block(first, Pace::Quick);
        match tale {
            Tale::BigChunk => {
                let metadata = format!(r#","metadata":{{"debug":"{}"}}"#, filler(2 * MIB));
                self.encoder.chunk("{}", "null", &metadata, &mut self.script);
            }
            Tale::BigText => {
                self.say(&Part::TextStart);
                self.say(&Part::Text(&filler(2 * MIB)));
                self.say(&Part::TextEnd);
                // No reader need take it, so that the turn is not stored.
                self.exchange.answer = None;
            }
            _ => {
                let data = filler(2 * MIB);
                let file = format!(
                    r#"{{"type":"file","url":"data:image/png;base64,{data}","mediaType":"image/png"}}"#
                );
                self.say(&Part::Event(Cow::Owned(file)));
            }
        }
        self.block(second, Pace::Quick);
        self.finish(tale);
    }

    /// A tool's output of 8 MiB (dialect B: 4 MiB). Its type comes last, behind what nobody wants to hold.
    pub(super) fn big_output(&mut self, call: &Call) {
        let id = &call.id;
        if self.encoder.dialect == Dialect::DataStream {
            let output = format!(r#"{{"rows":["{}"]}}"#, filler(4 * MIB));
            let call = Call { output, ..call.clone() };
            return self.say(&Part::ToolResult(&call));
        }
        let event = format!(
            r#"{{"output":{{"rows":["{}"]}},"type":"tool-output-available","toolCallId":"{id}"}}"#,
            filler(8 * MIB)
        );
        self.say(&Part::Event(Cow::Owned(event)));
    }

    /// A tool's output of 3 MiB as one event of many `data` lines.
    pub(super) fn many_lines(&mut self, call: &Call) {
        let row = filler(LINE);
        let mut event = String::with_capacity(3 * MIB + LINE);
        let _ = writeln!(
            event,
            "data: {{\ndata:   \"type\": \"tool-output-available\",\ndata:   \"toolCallId\": \"{}\",\ndata:   \"output\": [",
            call.id
        );
        let rows = 3 * MIB / LINE;
        for number in 1..=rows {
            let comma = if number < rows { "," } else { "" };
            let _ = writeln!(event, "data:     \"{row}\"{comma}");
        }
        event.push_str("data:   ]\ndata: }\n\n");
        self.say(&Part::Raw(Cow::Owned(event)));
    }
}

/// So many bytes that mean nothing.
pub(super) fn filler(bytes: usize) -> String {
    "x".repeat(bytes)
}
