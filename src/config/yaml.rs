//! YAML text to values, with errors that point at the line and keep secrets.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options, UserMessageFormatter};

use super::problem::Problem;

/// Deepest nesting that is read; the file format needs six levels.
const MAX_DEPTH: usize = 32;

/// Reads one document. `${VAR}` stays as it is; a key that comes twice is an error.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let message = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        let Some(location) = error.location() else {
            return Problem::new("", message);
        };
        let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
        Problem::new("", format!("{message}\n{}", snippet(text, line)))
    })
}

/// Longest part of a line that is shown.
const MAX_SNIPPET_CHARS: usize = 120;

/// How documents are read.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        duplicate_keys: DuplicateKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// The line with its number; what may be a secret is left out, since this goes into logs when a file is reloaded.
fn snippet(text: &str, line: usize) -> String {
    let lines: Vec<_> = text.lines().take(line).collect();
    let shown = match lines.split_last() {
        Some((shown, before)) => match secret_in(shown) {
            Some(end) => format!("{} ***", shown.get(..end).unwrap_or_default()),
            None if continues_a_secret(shown, before) => "***".into(),
            None => shown.chars().take(MAX_SNIPPET_CHARS).collect(),
        },
        None => String::new(),
    };
    format!("  {line} | {shown}")
}

/// Whether a line without a key of its own belongs to a secret further up.
fn continues_a_secret(line: &str, before: &[&str]) -> bool {
    let last_key = before.iter().rev().find(|line| line.contains(':'));
    !line.contains(": ") && last_key.is_some_and(|line| secret_in(line).is_some())
}

/// The end of the first word that names a secret.
fn secret_in(line: &str) -> Option<usize> {
    let in_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut start = 0;
    for word in line.split(|char| !in_word(char)) {
        if matches!(word, "api_key" | "url") {
            return Some(start + word.len());
        }
        start += word.len() + line.get(start + word.len()..)?.chars().next()?.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_keep_secrets() {
        for (text, line, expected) in [
            ("server: [", 1, "  1 | server: ["),
            ("a: b\n  api_key: sk-1 [", 2, "  2 |   api_key ***"),
            ("ä: {app: x, api_key: sk-1, [", 1, "  1 | ä: {app: x, api_key ***"),
            ("api_key: |\n  sk-1\n sk-2", 3, "  3 | ***"),
            ("api_key: sk-1\nlisten: [", 2, "  2 | listen: ["),
            ("api_key_file: /x [", 1, "  1 | api_key_file: /x ["),
            ("base_url: http://x [", 1, "  1 | base_url: http://x ["),
            ("url: redis://:pw@x [", 1, "  1 | url ***"),
            ("", 1, "  1 | "),
        ] {
            assert_eq!(snippet(text, line), expected, "{text}");
        }
    }
}
