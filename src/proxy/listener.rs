//! Between what an app says and what the client gets of it, where calls of tools or JSON are asked for.

use crate::translate::cut::Cutter;
use crate::translate::terms::{Reader, Terms};

/// Takes what was asked for out of a stream of text.
pub(super) struct Listener {
    pub(super) reader: Reader,
    /// What the app has said so far, cut.
    pub(super) said: String,
    /// The same as the app said it, where it may be cut.
    uncut: Option<String>,
    /// What it says before its calls once more, in its second turn: the client has had words already.
    pub(super) muted: Option<String>,
}

impl Listener {
    /// Before the first word. `is_cut`: the text may be cut; `is_second`: in a second turn, after words went out.
    pub(super) fn new(terms: &Terms, is_cut: bool, is_second: bool) -> Self {
        Self {
            reader: terms.reader(),
            said: String::new(),
            uncut: is_cut.then(String::new),
            muted: is_second.then(String::new),
        }
    }

    /// Notes text that is about to be cut.
    pub(super) fn note_uncut(&mut self, text: &str) {
        if let Some(uncut) = &mut self.uncut {
            uncut.push_str(text);
        }
    }

    /// Takes more of the text, cut; gives what the client gets now.
    pub(super) fn hear(&mut self, text: &str) -> String {
        self.said.push_str(text);
        let now = self.reader.push(text);
        match &mut self.muted {
            Some(muted) => {
                muted.push_str(&now);
                String::new()
            }
            None => now,
        }
    }

    /// The same without the last so many bytes that the app said, and what the client gets beyond `told`, which it has
    /// got already. `None` if it has got some of what is void. `cutter` is a new one.
    pub(super) fn withdraw(
        self,
        bytes: usize,
        terms: &Terms,
        cutter: &mut Cutter,
        told: &str,
    ) -> Option<(Self, String)> {
        let is_cut = self.uncut.is_some();
        let mut said = self.uncut.unwrap_or(self.said);
        said.truncate(said.len().checked_sub(bytes)?);
        let mut anew = Self::new(terms, is_cut, self.muted.is_some());
        anew.note_uncut(&said);
        let now = if is_cut { anew.hear(&cutter.push(&said)) } else { anew.hear(&said) };
        let rest = if anew.muted.is_some() { now } else { now.strip_prefix(told)?.to_owned() };
        Some((anew, rest))
    }
}
