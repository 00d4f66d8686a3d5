//! Answers in JSON: what they have to be, and the JSON in what an app says.

use serde_json::Value;

use crate::translate::schema::Checker;

/// Most places of one text that are tried as the beginning of JSON.
const MAX_TRIES: usize = 64;

/// What an answer has to be.
#[derive(Debug)]
pub enum Shape {
    /// Any object.
    Object,
    /// Any JSON that this finds no fault with.
    Schema(Checker),
    /// Any JSON.
    Any,
}

impl Shape {
    /// The JSON in a text that is what it has to be, as it stands there: alone, in a fence, or between words.
    ///
    /// # Errors
    /// What is wrong, in words for who said it.
    pub fn take<'t>(&self, text: &'t str) -> Result<&'t str, Vec<String>> {
        let mut problems = None;
        for (json, value) in candidates(text) {
            match self.problems(&value) {
                found if found.is_empty() => return Ok(json),
                found => problems = problems.or(Some(found)),
            }
        }
        Err(problems.unwrap_or_else(|| vec!["it is not valid JSON".to_owned()]))
    }

    fn problems(&self, value: &Value) -> Vec<String> {
        match self {
            Self::Object if value.is_object() => Vec::new(),
            Self::Object => vec!["it is not a JSON object".to_owned()],
            Self::Schema(checker) => checker.problems(value),
            Self::Any => Vec::new(),
        }
    }
}

/// All JSON in a text, the whole first.
fn candidates(text: &str) -> impl Iterator<Item = (&str, Value)> {
    let whole = text.trim();
    let whole = serde_json::from_str(whole).ok().map(|value| (whole, value));
    let mut at = 0;
    let mut tries = if whole.is_some() { 0 } else { MAX_TRIES };
    let within = std::iter::from_fn(move || {
        loop {
            tries = tries.checked_sub(1)?;
            let start = at + text.get(at..)?.find(['{', '['])?;
            let from = text.get(start..)?;
            let mut values = serde_json::Deserializer::from_str(from).into_iter();
            if let Some(Ok(value)) = values.next() {
                let end = values.byte_offset();
                at = start + end;
                return Some((from.get(..end)?, value));
            }
            at = start + 1;
        }
    });
    whole.into_iter().chain(within)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_taken_out_of_fences_and_chatter() {
        for (before, after) in [
            ("", ""),
            (" \n", "\n"),
            ("```json\n", "\n```"),
            ("Here {it} is:\n\n```\n", "\n```\nAnything else?"),
            ("See [1] for ", "."),
            ("{ \"a\": } no: ", ""),
        ] {
            let json = r#"{ "b":1, "a": "}{" }"#;
            assert_eq!(Shape::Object.take(&format!("{before}{json}{after}")), Ok(json), "{before}");
        }
    }

    #[test]
    fn the_first_that_is_right_counts() {
        let schema = json!({"type": "object", "required": ["x"]});
        let shape = Shape::Schema(Checker::new(schema).unwrap());
        assert_eq!(shape.take(r#"Not {"y":1} but {"x":2} or {"x":3}"#), Ok(r#"{"x":2}"#));
        assert_eq!(shape.take(r#"{"y":1}"#), Err(vec!["\"x\" is a required property".to_owned()]));
        assert_eq!(shape.take("{\"x\":"), Err(vec!["it is not valid JSON".to_owned()]));
    }

    #[test]
    fn an_object_is_no_list_and_any_json_is_any() {
        assert_eq!(Shape::Object.take("[1]"), Err(vec!["it is not a JSON object".to_owned()]));
        assert_eq!(Shape::Object.take("\"x\""), Err(vec!["it is not a JSON object".to_owned()]));
        assert_eq!(Shape::Any.take(" 5 "), Ok("5"));
        let list = Shape::Schema(Checker::new(json!({"type": "array"})).unwrap());
        assert_eq!(list.take("[{\"a\":1}]"), Ok("[{\"a\":1}]"));
    }

    #[test]
    fn hostile_texts_do_not_take_long() {
        for text in
            ["{".repeat(1 << 20), "[".repeat(1 << 20), "{\"a\":".repeat(1 << 18), "{\"a\":\"".repeat(1 << 16)]
        {
            assert!(Shape::Object.take(&text).is_err());
        }
    }
}
