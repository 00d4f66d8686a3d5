//! Words in error texts, from which the class of an error is known.

pub(super) const UNKNOWN_MODEL: &[&str] =
    &["unknown model", "model not found", "unknown app", "app not found"];
/// What a router says under 404, and what a gateway says.
pub(super) const ROUTE: &[&str] = &[
    "route post ",
    "route get ",
    "cannot post /",
    "cannot get /",
    "route not found",
    "no such route",
    "no route matched",
];
pub(super) const UNSUPPORTED_INPUT: &[&str] = &["input unsupported by model"];
pub(super) const PLAN: &[&str] = &["paid plan", "plan required", "upgrade your plan"];
pub(super) const KEY: &[&str] = &["api key", "apikey"];
pub(super) const SESSION: &[&str] = &["session"];
/// What is said of a key or a session that is of no use.
pub(super) const BAD: &[&str] = &[
    "invalid",
    "missing",
    "incorrect",
    "unknown",
    "expired",
    "revoked",
    "not found",
    "not valid",
    "not exist",
    "n't exist",
    "no such",
    "no longer",
    "not belong",
    "cannot find",
    "not find",
    "must be",
];
pub(super) const QUOTA: &[&str] = &[
    "quota",
    "credits",
    "insufficient credit",
    "out of credit",
    "credit limit",
    "credit balance",
    "insufficient balance",
    "usage limit",
    "spending limit",
];
/// A quota of so many requests a minute is a rate.
pub(super) const RATE: &[&str] = &["rate limit", "ratelimit", "too many requests", "per minute"];
pub(super) const UNAVAILABLE: &[&str] = &["overloaded", "unavailable", "try again later"];
pub(super) const INVALID_REQUEST: &[&str] =
    &["invalid request", "bad request", "validation error", "validation failed", "zoderror"];

/// The documented fields of a request.
pub(super) const REQUEST_FIELDS: &[&str] = &["model", "messages", "stream", "chatSessionId"];

/// Names of the session in a request: what stands in quotes is dropped, except for these.
pub(super) const SESSION_FIELDS: &[&str] = &["chatSessionId", "sessionId"];

/// In lower case, codes taken apart, and without what stands in quotes: an app may be called `quota-expired-1`, and the
/// session's id is the client's to choose.
pub(super) fn words(text: &str) -> String {
    let letter = |letter| match letter {
        '_' | '-' => ' ',
        letter => char::to_ascii_lowercase(&letter),
    };
    unquoted(text).chars().map(letter).chain([' ']).collect()
}

/// The text without its quotations. An apostrophe within a word is none; a quotation mark without a second one
/// quotes the rest.
fn unquoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, from_mark) = rest.split_at(at);
        kept.push_str(before);
        let (mark, after) = from_mark.split_at_checked(1).unwrap_or((from_mark, ""));
        let is_apostrophe = mark == "'" && before.ends_with(char::is_alphanumeric);
        let mut ends = after.match_indices(mark).map(|(end, _)| after.split_at(end));
        let quotation = ends.find(|(_, rest)| mark == "\"" || !rest.get(1..).is_some_and(starts_with_letter));
        rest = match quotation {
            Some((quoted, rest)) if !is_apostrophe => {
                if SESSION_FIELDS.contains(&quoted) {
                    kept.push_str(quoted);
                }
                rest.get(1..).unwrap_or_default()
            }
            None if mark == "\"" => "",
            _ => {
                kept.push_str(mark);
                after
            }
        };
    }
    kept.push_str(rest);
    kept
}

fn starts_with_letter(text: &str) -> bool {
    text.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_dropped_and_apostrophes_are_none() {
        for (text, kept) in [
            ("Chat session with ID 'api-key-missing' not found", "chat session with id  not found "),
            ("the session doesn't exist, it's 'gone'", "the session doesn't exist, it's  "),
            ("'quota' and \"quota\"", " and  "),
            ("\"chatSessionId\" or 'sessionId' is_odd", "chatsessionid or sessionid is odd "),
            ("an open \"quota", "an open  "),
            ("an open 'quota", "an open 'quota "),
            ("'the app's quota' is", " is "),
            ("\"ä\" 'ö' ü'ß", "  ü'ß "),
        ] {
            assert_eq!(words(text), kept, "{text}");
        }
    }
}
