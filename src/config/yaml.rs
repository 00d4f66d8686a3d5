//! YAML text to values, with errors that point at the line and keep secrets.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options};

use super::problem::Problem;

/// Deepest nesting that is read; the file format needs six levels.
const MAX_DEPTH: usize = 32;

/// Reads one document. `${VAR}` stays as it is; a key that comes twice is an error.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let message = error.without_snippet().to_string();
        let Some(location) = error.location() else {
            return Problem::new("", message);
        };
        let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
        Problem::new("", format!("{message}\n{}", snippet(text, line)))
    })
}

/// How documents are read.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        duplicate_keys: DuplicateKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// The line with its number; what may be a key is left out, since this goes into logs when a file is reloaded.
fn snippet(text: &str, line: usize) -> String {
    let mut lines = text.lines().skip(line.saturating_sub(2));
    let before = if line > 1 { lines.next() } else { None };
    let shown = lines.next().unwrap_or_default();
    let shown = match (secret_at(shown), before.and_then(secret_at)) {
        (Some(end), _) => format!("{} ***", shown.get(..end).unwrap_or_default()),
        (None, Some(_)) => "***".to_owned(),
        (None, None) => shown.chars().take(MAX_SNIPPET_CHARS).collect(),
    };
    format!("  {line} | {shown}")
}

/// Longest part of a line that is shown.
const MAX_SNIPPET_CHARS: usize = 120;

/// Where the value of a secret begins in this line: behind the first `api_key` or `url`.
fn secret_at(line: &str) -> Option<usize> {
    ["api_key", "url"]
        .iter()
        .filter_map(|name| line.find(name).map(|start| start + name.len()))
        .min()
}
