//! `${VAR}` and `${VAR:-default}` in a value.
//!
//! The YAML reader could do this too, but only in values without quotes, and it would stop at the first variable that
//! is not set, without a key path.

use std::borrow::Cow;

use super::environment::Environment;

/// The text with its variables filled in; `$$` is a dollar sign, and any other `$` stands for itself. The default
/// takes the place of a variable that is not set, or empty. An error names the variable, never a value.
pub(super) fn fill<'a>(text: &'a str, environment: &Environment) -> Result<Cow<'a, str>, String> {
    let Some(mut at) = text.find('$') else {
        return Ok(Cow::Borrowed(text));
    };
    let mut filled = String::new();
    let mut rest = text;
    loop {
        let (before, dollar) = rest.split_at(at);
        filled.push_str(before);
        if let Some(behind) = dollar.strip_prefix("$$") {
            filled.push('$');
            rest = behind;
        } else if let Some(behind) = dollar.strip_prefix("${") {
            let (reference, behind) = behind
                .split_once('}')
                .ok_or("has a `${` without its `}` (write `$$` for a plain dollar sign)")?;
            filled.push_str(value_of(reference, environment)?);
            rest = behind;
        } else {
            filled.push('$');
            rest = dollar.strip_prefix('$').unwrap_or_default();
        }
        match rest.find('$') {
            Some(next) => at = next,
            None => break,
        }
    }
    filled.push_str(rest);
    Ok(Cow::Owned(filled))
}

/// The value of `NAME` or `NAME:-default`.
fn value_of<'a>(reference: &'a str, environment: &'a Environment) -> Result<&'a str, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.starts_with(|char: char| char.is_ascii_digit()) || !name.bytes().all(inner) {
        return Err("has a `${…}` that cannot be read: write `${NAME}` or `${NAME:-default}`".into());
    }
    match (environment.value(name), default) {
        (Some("") | None, Some(default)) => Ok(default),
        (Some(value), _) => Ok(value),
        (None, None) => Err(format!("the environment variable `{name}` is not set")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let environment = [("A", "one"), ("B_2", "${A} $$"), ("EMPTY", "")].into_iter().collect();
        fill(text, &environment).map(Cow::into_owned)
    }

    #[test]
    fn variables_are_filled_in_once() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${A}", "one"),
            ("a ${A} b${A}", "a one bone"),
            ("${B_2}", "${A} $$"),
            ("${NO:-two}", "two"),
            ("${NO:-}", ""),
            ("${NO:-a:-b}", "a:-b"),
            ("${EMPTY:-two}", "two"),
            ("${A:-two}", "one"),
            ("[${EMPTY}]", "[]"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$$${A}", "$one"),
            ("$A $1 $", "$A $1 $"),
            ("ä${A}ä", "äoneä"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_told_without_values() {
        for (text, expected) in [
            ("${NO}", "the environment variable `NO` is not set"),
            ("${A} ${a}", "the environment variable `a` is not set"),
            ("${A", "has a `${` without its `}`"),
            ("${}", "cannot be read"),
            ("${ A }", "cannot be read"),
            ("${1A}", "cannot be read"),
            ("${A:?no}", "cannot be read"),
            ("${A-b}", "cannot be read"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("one"), "{text}: {error}");
        }
    }
}
