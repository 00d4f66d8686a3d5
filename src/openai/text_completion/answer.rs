//! The whole answer: object `text_completion`.

use crate::ids::CompletionId;
use crate::openai::completion::{FinishReason, SYSTEM_FINGERPRINT, write_string};
use crate::openai::usage::Usage;

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub struct TextCompletion<'a> {
    /// `id`, from [`CompletionId::mint_text`].
    pub id: &'a CompletionId,
    /// `created`, Unix seconds.
    pub created: u64,
    /// `model`: the alias, as the client asked for it.
    pub model: &'a str,
    /// `choices`, in the order of their index.
    pub choices: &'a [TextChoice<'a>],
    /// `usage`
    pub usage: Usage,
}

/// One of the answers.
#[derive(Clone, Copy, Debug)]
pub struct TextChoice<'a> {
    /// The prompt, where it is to be echoed: the beginning of `text`.
    pub echo: &'a str,
    /// What was answered: the rest of `text`.
    pub text: &'a str,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

impl TextCompletion<'_> {
    /// The body.
    pub fn to_json(&self) -> Vec<u8> {
        let text: usize = self.choices.iter().map(|choice| choice.echo.len() + choice.text.len()).sum();
        let mut body = Vec::with_capacity(text + text / 8 + 480 + 80 * self.choices.len());
        write_head(&mut body, self.id, self.created, self.model);
        body.push(b'[');
        for (index, choice) in self.choices.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            choice.write_json(index, &mut body);
        }
        body.extend_from_slice(b"],\"usage\":");
        self.usage.write_json(&mut body);
        body.push(b'}');
        body
    }
}

impl TextChoice<'_> {
    fn write_json(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"text\":");
        if self.echo.is_empty() {
            write_string(out, self.text);
        } else {
            write_string(out, &[self.echo, self.text].concat());
        }
        out.extend_from_slice(b",\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(self.finish_reason.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

/// `{"id":…` up to and with `"choices":`, which answers and chunks begin with alike.
pub(super) fn write_head(out: &mut Vec<u8>, id: &CompletionId, created: u64, model: &str) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"object\":\"text_completion\",\"created\":");
    out.extend_from_slice(itoa::Buffer::new().format(created).as_bytes());
    out.extend_from_slice(b",\"model\":");
    write_string(out, model);
    out.extend_from_slice(b",\"system_fingerprint\":\"");
    out.extend_from_slice(SYSTEM_FINGERPRINT.as_bytes());
    out.extend_from_slice(b"\",\"choices\":");
}
