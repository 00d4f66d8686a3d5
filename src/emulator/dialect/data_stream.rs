//! Dialect B: the AI SDK 4 data stream, one `CODE:JSON` a line.

use std::fmt::Write as _;

use super::{Call, Encoder, Part, Usage, ai_usage};
use crate::emulator::script::{Script, quote};

impl Encoder<'_> {
    pub(super) fn data_stream(&mut self, part: &Part<'_>, script: &mut Script) {
        let serial = self.serial;
        match part {
            Part::Start(_) | Part::Opening(_) | Part::StepAfterTool => {
                self.line('f', format_args!(r#"{{"messageId":"msg-{serial}"}}"#), script);
            }
            Part::Text(text) => self.line('0', format_args!("{}", quote(text)), script),
            Part::Reasoning(text) => self.line('g', format_args!("{}", quote(text)), script),
            Part::ToolCall(Call { id, input, .. }) => {
                let tool = Call::TOOL;
                let call = format_args!(r#"{{"toolCallId":"{id}","toolName":"{tool}","args":{input}}}"#);
                self.line('9', call, script);
            }
            Part::ToolResult(Call { id, output, .. }) => {
                self.line('a', format_args!(r#"{{"toolCallId":"{id}","result":{output}}}"#), script);
            }
            Part::Annotations(all) => self.line('8', format_args!("[{}]", all.join(",")), script),
            Part::Session(id) => {
                self.line('2', format_args!(r#"[{{"chatSessionId":{}}}]"#, quote(id)), script);
            }
            Part::Metadata(_) => {
                self.line('8', format_args!(r#"[{{"persistedMessageId":"persisted-{serial}"}}]"#), script);
            }
            Part::Error(text) => self.line('3', format_args!("{}", quote(text)), script),
            Part::Finish(reason, usage) => {
                self.step_finish(reason, *usage, script);
                self.message_end(reason, *usage, script);
            }
            Part::RoundFinish(reason, usage) => {
                self.step_finish(reason.unwrap_or("unknown"), *usage, script);
            }
            Part::MessageEnd(reason, usage) => self.message_end(reason, *usage, script),
            _ => {}
        }
    }

    fn step_finish(&mut self, reason: &str, usage: Usage, script: &mut Script) {
        let (reason, usage) = (reason.replace('_', "-"), ai_usage(usage));
        let step = format_args!(r#"{{"finishReason":"{reason}","usage":{usage},"isContinued":false}}"#);
        self.line('e', step, script);
    }

    fn message_end(&mut self, reason: &str, usage: Usage, script: &mut Script) {
        let (reason, usage) = (reason.replace('_', "-"), ai_usage(usage));
        self.line('d', format_args!(r#"{{"finishReason":"{reason}","usage":{usage}}}"#), script);
    }

    fn line(&mut self, code: char, json: std::fmt::Arguments<'_>, script: &mut Script) {
        self.event.clear();
        let _ = write!(self.event, "{code}:{json}{}", self.newline);
        script.piece(self.event.as_bytes());
    }
}
