//! `stop` and `max_tokens`, which Chipp has not: the proxy cuts the answer.
//!
//! One incremental cutter serves plain and streamed answers, so that both are cut at the same place: it is a
//! function of the whole text, however the text is split. First the text ends before the stop sequence that
//! is complete first, as it would where the text is made; then what is left is held to the budget. A beginning of a stop sequence is held back until it
//! is clear that it is none, so no part of one ever goes out.

use crate::openai::usage::BYTES_PER_TOKEN;

/// Where an answer was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before a stop sequence.
    Stop,
    /// At the token limit.
    Length,
}

/// Cuts one answer.
#[derive(Clone, Debug, Default)]
pub struct Cutter {
    stops: Vec<String>,
    /// Text that may be the beginning of a stop sequence.
    held: String,
    /// Bytes that may still go out, if there is a limit.
    budget: Option<usize>,
    cut: Option<Cut>,
}

impl Cutter {
    /// `stops` without empty ones; `max_tokens` at [`BYTES_PER_TOKEN`] bytes each.
    pub fn new<S: AsRef<str>>(stops: &[S], max_tokens: Option<u64>) -> Self {
        let budget = max_tokens.map(|tokens| {
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            tokens.saturating_mul(BYTES_PER_TOKEN)
        });
        let stops = stops.iter().map(|stop| stop.as_ref().to_owned()).filter(|stop| !stop.is_empty());
        Self { stops: stops.collect(), held: String::new(), budget, cut: None }
    }

    /// Whether there is nothing to cut by: then texts may bypass it.
    pub fn is_idle(&self) -> bool {
        self.stops.is_empty() && self.budget.is_none()
    }

    /// Where the answer was cut, once it was: nothing more will come out.
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Takes more text; gives what may go out now, which may be empty.
    pub fn push(&mut self, text: &str) -> String {
        if self.cut.is_some() {
            return String::new();
        }
        self.held.push_str(text);
        let ends = self.stops.iter().filter_map(|stop| {
            let at = self.held.find(stop.as_str())?;
            Some((at + stop.len(), at))
        });
        if let Some((_, at)) = ends.min() {
            let mut out = std::mem::take(&mut self.held);
            out.truncate(at);
            let out = self.spend(out);
            // The budget may have run out before the stop sequence was reached.
            self.cut = self.cut.or(Some(Cut::Stop));
            return out;
        }
        let keep = self.longest_beginning();
        let rest = self.held.split_off(self.held.len() - keep);
        let out = std::mem::replace(&mut self.held, rest);
        self.spend(out)
    }

    /// The text has ended: what was held back is no stop sequence after all.
    pub fn finish(&mut self) -> String {
        if self.cut.is_some() {
            return String::new();
        }
        let held = std::mem::take(&mut self.held);
        self.spend(held)
    }

    /// Lets through as much as the budget allows, ending between two characters.
    fn spend(&mut self, mut text: String) -> String {
        let Some(budget) = &mut self.budget else {
            return text;
        };
        if text.len() <= *budget {
            *budget -= text.len();
            return text;
        }
        let mut end = *budget;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        self.cut = Some(Cut::Length);
        text
    }

    /// The length of the longest end of `held` that begins a stop sequence.
    fn longest_beginning(&self) -> usize {
        let held = self.held.as_str();
        let longest = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0).min(held.len());
        let starts = (held.len() - longest..held.len()).filter(|&at| held.is_char_boundary(at));
        starts
            .filter_map(|at| held.get(at..))
            .find(|end| self.stops.iter().any(|stop| stop.starts_with(end)))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], max_tokens: Option<u64>, pieces: &[&str]) -> (String, Option<Cut>) {
        let mut cutter = Cutter::new(stops, max_tokens);
        let mut out = String::new();
        for piece in pieces {
            out.push_str(&cutter.push(piece));
        }
        out.push_str(&cutter.finish());
        (out, cutter.cut())
    }

    #[test]
    fn a_stop_sequence_over_several_pieces_never_leaks() {
        assert_eq!(run(&["END"], None, &["one E", "N", "D two"]), ("one ".into(), Some(Cut::Stop)));
        assert_eq!(run(&["END"], None, &["one E", "N", "T two"]), ("one ENT two".into(), None));
        assert_eq!(run(&["END"], None, &["one EN"]), ("one EN".into(), None));
        assert_eq!(run(&["aab"], None, &["aa", "ab"]), ("a".into(), Some(Cut::Stop)));
    }

    #[test]
    fn the_one_that_is_complete_first_wins() {
        assert_eq!(run(&["3", "2"], None, &["1 2 3"]), ("1 ".into(), Some(Cut::Stop)));
        assert_eq!(run(&["bc", "abcd"], None, &["xabcd"]), ("xa".into(), Some(Cut::Stop)));
        assert_eq!(run(&["bc", "abc"], None, &["xabcd"]), ("x".into(), Some(Cut::Stop)));
        assert_eq!(run(&["bc", "abcd"], None, &["xab", "ce"]), ("xa".into(), Some(Cut::Stop)));
    }

    #[test]
    fn the_budget_cuts_between_characters_and_only_when_there_is_more() {
        assert_eq!(run(&[], Some(1), &["abcd"]), ("abcd".into(), None));
        assert_eq!(run(&[], Some(1), &["abcde"]), ("abcd".into(), Some(Cut::Length)));
        assert_eq!(run(&[], Some(1), &["abc\u{e4}"]), ("abc".into(), Some(Cut::Length)));
        assert_eq!(run(&[], Some(1), &["ab", "cd", "", "e"]), ("abcd".into(), Some(Cut::Length)));
    }

    #[test]
    fn whichever_comes_first_in_the_text_wins() {
        assert_eq!(run(&["."], Some(1), &["abcdef. x"]), ("abcd".into(), Some(Cut::Length)));
        assert_eq!(run(&["c"], Some(1), &["abcdef"]), ("ab".into(), Some(Cut::Stop)));
        assert_eq!(run(&["e"], Some(1), &["abcdef"]), ("abcd".into(), Some(Cut::Stop)));
    }

    proptest! {
        #[test]
        fn any_split_of_the_text_is_cut_at_the_same_place(
            text in "[ab\u{e4}]{0,24}",
            stops in proptest::collection::vec("[ab\u{e4}]{1,4}", 0..3),
            tokens in proptest::option::of(1_u64..5),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let whole = run(&stops, tokens, &[&text]);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.retain(|&at| text.is_char_boundary(at));
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&run(&stops, tokens, &pieces), &whole);
            prop_assert!(text.starts_with(&whole.0));
            for stop in &stops {
                prop_assert!(!whole.0.contains(stop));
            }
        }
    }
}
