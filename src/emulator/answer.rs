//! What an app says: a function of everything it has heard in the session, so that memory is visible.

use super::instructions;
use super::record::Message;

/// Longest quotation of a message in an answer, in characters.
const QUOTE: usize = 200;
/// Most words or numbers of a long answer.
const MOST: usize = 200_000;

/// The answer to what was sent, after what the session held before.
///
/// Obeys `repeat exactly: TEXT`, `count to N` and `say N words` in the newest message, and the tools or
/// JSON schema of a system message; else tells what was said first, what now, and how many turns there were.
pub(super) fn answer(before: &[Message], sent: &[Message]) -> String {
    let all = || before.iter().chain(sent);
    let newest = newest(sent);
    // Without their first letter, so that both cases are found.
    if let Some((_, text)) = newest.split_once("epeat exactly:") {
        return text.strip_prefix(' ').unwrap_or(text).to_owned();
    }
    if let Some(count) = number_after(newest, "ount to ") {
        return words(1..=count, |number| number.to_string());
    }
    if let Some(count) = number_after(newest, "ay ").filter(|_| newest.contains(" words")) {
        return words(1..=count, |number| format!("word{number}"));
    }
    let heard: Vec<&Message> = all().filter(|message| message.role == "system").collect();
    let last_answer = all().rev().find(|message| message.role == "assistant");
    let last_answer = last_answer.map(|message| &*message.content);
    if let Some(obeyed) = instructions::obey(&heard, last_answer, newest) {
        return obeyed;
    }
    let mut users = all().filter(|message| message.role == "user");
    let first = users.next().map_or("", |message| &message.content);
    let later = users.count();
    if later == 0 {
        return format!("Hello! You said: \"{}\".", quotation(newest));
    }
    format!(
        "You said first: \"{}\". You now say: \"{}\". That is message {} of this conversation.",
        quotation(first),
        quotation(newest),
        later + 1
    )
}

/// The newest message of the user, or the newest at all.
pub(super) fn newest(sent: &[Message]) -> &str {
    sent.iter()
        .rev()
        .find(|message| message.role == "user")
        .or(sent.last())
        .map_or("", |message| &message.content)
}

/// Tokens, roughly: four bytes each.
pub(super) fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

fn quotation(text: &str) -> &str {
    let end = text.char_indices().nth(QUOTE).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

fn number_after(text: &str, words: &str) -> Option<usize> {
    let (_, rest) = text.split_once(words)?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit());
    let number: usize = rest.get(..digits.unwrap_or(rest.len()))?.parse().ok()?;
    Some(number.min(MOST))
}

fn words(numbers: std::ops::RangeInclusive<usize>, word: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in numbers {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word(number));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Message {
        Message::new("user", text)
    }

    #[test]
    fn it_remembers() {
        assert_eq!(answer(&[], &[user("hi")]), "Hello! You said: \"hi\".");
        let before = [user("hi"), Message::new("assistant", "Hello!")];
        let later = answer(&before, &[user("and now?")]);
        assert_eq!(
            later,
            "You said first: \"hi\". You now say: \"and now?\". That is message 2 of this conversation."
        );
        let replayed: Vec<Message> = before.into_iter().chain([user("and now?")]).collect();
        assert_eq!(answer(&[], &replayed), later);
    }

    #[test]
    fn it_obeys() {
        assert_eq!(answer(&[], &[user("Repeat exactly: a\n \u{1f980} b ")]), "a\n \u{1f980} b ");
        assert_eq!(answer(&[], &[user("count to 4")]), "1 2 3 4");
        assert_eq!(answer(&[], &[user("Please say 3 words.")]), "word1 word2 word3");
        assert_eq!(answer(&[], &[user("I say no words")]), "Hello! You said: \"I say no words\".");
    }

    #[test]
    fn long_messages_are_quoted_in_part() {
        let text = answer(&[], &[user(&"\u{e9}".repeat(500))]);
        assert_eq!(text.matches('\u{e9}').count(), QUOTE);
    }
}
