//! Dialect A: chunks like OpenAI's, as Chipp documents them.

use super::{Encoder, Part};
use crate::emulator::script::{Script, quote};

impl Encoder<'_> {
    pub(super) fn openai_chunk(&mut self, part: &Part<'_>, script: &mut Script) {
        match part {
            Part::Text(text) => {
                let delta = format!(r#"{{"content":{}}}"#, quote(text));
                self.chunk(&delta, "null", "", script);
            }
            Part::Session(id) => {
                let session = format!(r#","chatSessionId":{}"#, quote(id));
                self.chunk("{}", "null", &session, script);
            }
            Part::Finish(reason, _) | Part::RoundFinish(Some(reason), _) => {
                let reason = quote(&reason.replace('-', "_"));
                self.chunk("{}", &reason, "", script);
            }
            Part::Error(text) => {
                let error = format!(r#"{{"error":{{"message":{},"type":"server_error"}}}}"#, quote(text));
                self.sse(&error, script);
            }
            Part::Done => self.sse("[DONE]", script),
            // This dialect has no words for the rest.
            _ => {}
        }
    }

    /// A chunk with these further fields at its top.
    pub(in crate::emulator) fn chunk(&mut self, delta: &str, finish: &str, extra: &str, script: &mut Script) {
        let Self { app, serial, created, .. } = *self;
        let chunk = format!(
            r#"{{"id":"chatcmpl-{serial}","object":"chat.completion.chunk","created":{created},"model":"{app}","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]{extra}}}"#
        );
        self.sse(&chunk, script);
    }
}
