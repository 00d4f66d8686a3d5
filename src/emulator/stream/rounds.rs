//! Rounds of the model with tools of the app's own between them, as Chipp's backend writes them.

use super::large::{MIB, filler};
use super::{Pace, Teller};
use crate::emulator::behaviour::{Last, Metadata, Rounds, Tool};
use crate::emulator::dialect::{Call, Dialect, Part, Usage};
use crate::emulator::script::{Step, quote};

/// The session id that a tool holds unless the newest message names one.
const FOREIGN: &str = "5e551017-f0e1-4a11-8b0d-0123456789ab";

impl Teller<'_, '_> {
    pub(super) fn rounds(&mut self, rounds: Rounds, said: &str) {
        let with_text = rounds.tools + usize::from(rounds.last != Last::Tool);
        let texts = texts(rounds, said);
        let text = |round: usize| texts.get(round).map_or("", String::as_str);
        let mut annotations = Vec::new();
        self.open();
        for round in 0..rounds.tools {
            if round > 0 {
                self.say(&Part::StepAfterTool);
            }
            if !text(round).is_empty() {
                self.block(text(round), Pace::Quick);
                self.say(&Part::StepBreak);
            }
            let usage = self.exchange.usage;
            self.tool_round(rounds, round, part_of(usage, round, with_text), &mut annotations);
        }
        if rounds.last != Last::Tool {
            self.say(&Part::StepAfterTool);
            if !text(rounds.tools).is_empty() {
                self.block(text(rounds.tools), Pace::Quick);
            }
        }
        self.store();
        if matches!(rounds.last, Last::Finish | Last::NoWord) {
            self.last_finish(rounds, annotations);
        }
        self.say(&Part::Done);
        self.script.end();
    }

    /// The calls of one round, its finish, the silence, and the outputs.
    fn tool_round(&mut self, rounds: Rounds, round: usize, usage: Usage, annotations: &mut Vec<String>) {
        let mut calls = self.calls(rounds, round);
        for call in &calls {
            self.say(&Part::ToolCall(call));
        }
        self.say(&Part::RoundFinish(rounds.word, usage));
        if rounds.end_each {
            let so_far = up_to(self.exchange.usage, round, rounds.tools + 1);
            self.say(&Part::MessageEnd(rounds.word.unwrap_or("unknown"), so_far));
        }
        let silence =
            if rounds.gated { self.exchange.gate() } else { Step::Pause(self.exchange.options.think) };
        self.script.step(silence);
        calls.reverse();
        for call in &calls {
            match rounds.tool {
                Tool::BigOutput => self.big_output(call),
                Tool::BigLines => self.many_lines(call),
                _ => self.say(&Part::ToolResult(call)),
            }
            annotations.push(annotation(call, rounds.metadata));
            self.say(&Part::Annotations(annotations));
        }
    }

    fn calls(&self, rounds: Rounds, round: usize) -> Vec<Call> {
        let call = |suffix: &str| Call::new(format!("call-{}-{round}{suffix}", self.exchange.serial));
        match rounds.tool {
            Tool::Ordinary | Tool::BigOutput | Tool::BigLines => vec![call("")],
            Tool::Failed => vec![Call { output: r#"{"error":"The tool failed."}"#.into(), ..call("") }],
            Tool::Parallel => vec![call("-first"), call("-second")],
            Tool::ForeignSession => {
                let named = self.exchange.newest.split_once("session ");
                let named = named.and_then(|(_, rest)| rest.split_whitespace().next());
                let id = quote(named.unwrap_or(FOREIGN));
                let input = format!(r#"{{"query":"x","sessionId":{id},"chatSessionId":{id}}}"#);
                let output = format!(r#"{{"rows":3,"sessionId":{id},"chatSessionId":{id}}}"#);
                vec![Call { input, output, ..call("") }]
            }
        }
    }

    fn last_finish(&mut self, rounds: Rounds, mut annotations: Vec<String>) {
        let (usage, word) = (self.exchange.usage, self.exchange.talk.finish);
        self.say(&Part::StepEnd);
        let share = part_of(usage, rounds.tools, rounds.tools + 1);
        self.say(&Part::RoundFinish((rounds.last == Last::Finish).then_some(word), share));
        self.say(&Part::MessageEnd(word, usage));
        // In dialect B nothing follows the end of the message.
        if self.encoder.dialect != Dialect::DataStream {
            let padding = match rounds.metadata {
                Metadata::Ordinary => String::new(),
                Metadata::Big => format!(r#","debug":"{}""#, filler(MIB)),
            };
            let serial = &self.exchange.serial;
            annotations.push(format!(r#"{{"persistedMessageId":"persisted-{serial}"{padding}}}"#));
            self.say(&Part::Annotations(&annotations));
        }
    }
}

/// What the backend tells of a tool's run, inputs and outputs included.
fn annotation(call: &Call, metadata: Metadata) -> String {
    let Call { input, output, .. } = call;
    let tool = Call::TOOL;
    let padding = match metadata {
        Metadata::Ordinary => String::new(),
        Metadata::Big => format!(r#","raw":"{}""#, filler(MIB)),
    };
    format!(
        r#"{{"toolDebugInfo":{{"toolName":"{tool}","debugInfo":{{"toolInputs":{input},"response":{{"status":200,"result":{output}{padding}}}}}}}}}"#
    )
}

/// The text of each round, so that all of them together are the whole text.
fn texts(rounds: Rounds, said: &str) -> Vec<String> {
    // The tools' rounds and the last one, without a silent first one; if a tool ends the reply, its round is silent.
    let (all, silent) = match rounds.last {
        Last::Tool => (rounds.tools.saturating_sub(1), 0),
        _ => (rounds.tools + 1, usize::from(rounds.silent_first)),
    };
    let speaking = all.saturating_sub(silent).max(1);
    let mut texts = vec![String::new(); silent + speaking];
    let words: Vec<&str> = said.split_inclusive(' ').collect();
    for (number, word) in words.iter().enumerate() {
        if let Some(text) = texts.get_mut(silent + number * speaking / words.len()) {
            text.push_str(word);
        }
    }
    texts
}

/// One round's part of the tokens.
fn part_of(usage: Usage, round: usize, rounds: usize) -> Usage {
    let part = |tokens: usize| tokens * (round + 1) / rounds - tokens * round / rounds;
    Usage { prompt: part(usage.prompt), completion: usage.completion.map(part) }
}

/// The tokens of all rounds up to this one.
fn up_to(usage: Usage, round: usize, rounds: usize) -> Usage {
    let sum = |tokens: usize| tokens * (round + 1) / rounds;
    Usage { prompt: sum(usage.prompt), completion: usage.completion.map(sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_together_say_the_whole_text() {
        for rounds in [Rounds::of(0), Rounds::of(2), Rounds { silent_first: true, ..Rounds::of(2) }] {
            for said in ["", "one", "one two", "one two  three\n four five six "] {
                let texts = texts(rounds, said);
                assert_eq!(texts.len(), rounds.tools + 1);
                assert_eq!(texts.concat(), said);
                assert!(!rounds.silent_first || texts[0].is_empty());
            }
        }
        let ten = texts(Rounds { last: Last::Tool, ..Rounds::of(10) }, "one two three");
        assert_eq!((ten.len(), ten.concat().as_str()), (9, "one two three"));
        assert_eq!(texts(Rounds::of(2), "a b c"), ["a ", "b ", "c"]);
    }

    #[test]
    fn the_rounds_together_use_all_tokens() {
        let usage = Usage { prompt: 11, completion: Some(7) };
        let parts: Vec<Usage> = (0..3).map(|round| part_of(usage, round, 3)).collect();
        assert_eq!(parts.iter().map(|part| part.prompt).sum::<usize>(), 11);
        assert_eq!(parts.iter().filter_map(|part| part.completion).sum::<usize>(), 7);
        assert_eq!(up_to(usage, 2, 3).prompt, 11);
    }
}
