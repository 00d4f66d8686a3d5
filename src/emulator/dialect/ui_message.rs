//! Dialect C: the AI SDK 5 UI message stream, one event a piece.

use super::{Call, Encoder, Part, ai_usage};
use crate::emulator::script::{Script, quote};

impl Encoder<'_> {
    pub(super) fn ui_message(&mut self, part: &Part<'_>, script: &mut Script) {
        let serial = self.serial;
        let block = self.blocks;
        match part {
            Part::Start(session) => {
                self.start(*session, script);
                self.bare("start-step", script);
            }
            Part::Opening(session) => self.start(*session, script),
            Part::TextStart => self.sse(&format!(r#"{{"type":"text-start","id":"{block}"}}"#), script),
            Part::Text(text) => {
                let delta = quote(text);
                self.sse(&format!(r#"{{"type":"text-delta","id":"{block}","delta":{delta}}}"#), script);
            }
            Part::TextEnd => {
                self.blocks += 1;
                self.sse(&format!(r#"{{"type":"text-end","id":"{block}"}}"#), script);
            }
            Part::Session(id) => {
                let id = quote(id);
                self.sse(&format!(r#"{{"type":"data-session","data":{{}},"chatSessionId":{id}}}"#), script);
            }
            Part::Metadata(usage) => {
                let usage =
                    usage.map_or_else(String::new, |usage| format!(r#","usage":{}"#, ai_usage(usage)));
                let annotation = format!(r#"{{"persistedMessageId":"persisted-{serial}"}}"#);
                self.metadata(&annotation, &usage, script);
            }
            Part::Annotations(all) => self.metadata(&all.join(","), "", script),
            Part::Error(text) => {
                self.sse(&format!(r#"{{"type":"error","errorText":{}}}"#, quote(text)), script);
            }
            Part::Abort => self.sse(r#"{"type":"abort","reason":"stopped"}"#, script),
            Part::Finish(reason, _) => {
                self.bare("finish-step", script);
                self.finish(Some(reason), script);
            }
            Part::RoundFinish(reason, _) => self.finish(*reason, script),
            Part::Done => self.sse("[DONE]", script),
            _ => self.step(part, script),
        }
    }

    /// What happens around the text: steps, reasoning and tools.
    fn step(&mut self, part: &Part<'_>, script: &mut Script) {
        match part {
            Part::Reasoning(text) => {
                self.sse(r#"{"type":"reasoning-start","id":"r"}"#, script);
                let delta = quote(text);
                self.sse(&format!(r#"{{"type":"reasoning-delta","id":"r","delta":{delta}}}"#), script);
                self.sse(r#"{"type":"reasoning-end","id":"r"}"#, script);
            }
            Part::StepBreak => {
                self.bare("finish-step", script);
                self.bare("start-step", script);
            }
            Part::StepEnd => self.bare("finish-step", script),
            Part::ToolCall(Call { id, input, .. }) => {
                let tool = format!(r#""toolCallId":"{id}","toolName":"{}""#, Call::TOOL);
                self.sse(&format!(r#"{{"type":"tool-input-start",{tool}}}"#), script);
                self.sse(&format!(r#"{{"type":"tool-input-available",{tool},"input":{input}}}"#), script);
            }
            Part::ToolResult(Call { id, output, .. }) => {
                let event =
                    format!(r#"{{"type":"tool-output-available","toolCallId":"{id}","output":{output}}}"#);
                self.sse(&event, script);
            }
            _ => {}
        }
    }

    fn start(&mut self, session: Option<&str>, script: &mut Script) {
        let serial = self.serial;
        let session = session.map_or_else(String::new, |id| format!(r#","sessionId":{}"#, quote(id)));
        self.sse(&format!(r#"{{"type":"start","messageId":"msg-{serial}"{session}}}"#), script);
    }

    fn metadata(&mut self, annotations: &str, extra: &str, script: &mut Script) {
        let event = format!(
            r#"{{"type":"message-metadata","messageMetadata":{{"annotations":[{annotations}]{extra}}}}}"#
        );
        self.sse(&event, script);
    }

    fn finish(&mut self, reason: Option<&str>, script: &mut Script) {
        let reason = reason.map_or_else(String::new, |word| format!(r#","finishReason":"{word}""#));
        self.sse(&format!(r#"{{"type":"finish"{reason}}}"#), script);
    }

    /// An event that is nothing but its type.
    fn bare(&mut self, kind: &str, script: &mut Script) {
        self.sse(&format!(r#"{{"type":"{kind}"}}"#), script);
    }
}
