//! A page of a list of items: what a query asks for, and the answer.

use url::form_urlencoded;

use crate::openai::json::Listing;
use crate::openai::{Error, ErrorType, error::Excerpt};

/// Items on a page, if nobody says how many (OpenAI's).
const DEFAULT_LIMIT: usize = 20;

/// Most items on a page (OpenAI's).
const MAX_LIMIT: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    limit: usize,
    /// The youngest first.
    descends: bool,
    /// Only what comes behind this item.
    after: Option<String>,
}

impl Page {
    /// Reads a query: `limit`, `order` and `after`. What else is in it is left alone.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn of(query: &str) -> Result<Self, Error> {
        let mut page = Self { limit: DEFAULT_LIMIT, descends: true, after: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => page.limit = limit(&value)?,
                "order" => page.descends = descends(&value)?,
                "after" => page.after = Some(value.into_owned()).filter(|after| !after.is_empty()),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The page as JSON. `items`: each one's id and JSON, the oldest first.
    ///
    /// # Errors
    /// 400: none of them is the one that the page should come behind.
    pub fn list_json(&self, mut items: Vec<(&str, &str)>) -> Result<Vec<u8>, Error> {
        if self.descends {
            items.reverse();
        }
        let rest = match &self.after {
            None => items.as_slice(),
            Some(after) => {
                let at = items.iter().position(|(id, _)| id == after);
                let rest = at.and_then(|at| items.get(at + 1..));
                rest.ok_or_else(|| unknown_after(after))?
            }
        };
        let page = rest.get(..self.limit).unwrap_or(rest);
        Ok(list_json(page, page.len() < rest.len()))
    }
}

/// A list of items as JSON, each given as its id and its JSON.
pub fn list_json(items: &[(&str, &str)], has_more: bool) -> Vec<u8> {
    let id = |item: Option<&(&str, &str)>| {
        let id = item.map_or("", |(id, _)| id);
        serde_json::to_string(id).unwrap_or_default()
    };
    let (first, last) = (id(items.first()), id(items.last()));
    let mut out = br#"{"object":"list","data":["#.to_vec();
    for (index, (_, json)) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(json.as_bytes());
    }
    let end = format!(r#"],"first_id":{first},"last_id":{last},"has_more":{has_more}}}"#);
    out.extend_from_slice(end.as_bytes());
    out
}

fn limit(text: &str) -> Result<usize, Error> {
    let number = text.parse::<i128>().map_err(|_| Error::invalid_type("limit", "an integer", "a string"))?;
    match usize::try_from(number) {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Ok(0) | Err(_) if number < 1 => Err(Error::integer_below_min("limit", 1, &number)),
        _ => Err(Error::integer_above_max("limit", 100, &number)),
    }
}

fn descends(text: &str) -> Result<bool, Error> {
    match text {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Error::invalid_value("order", text, &Listing::and(["asc", "desc"].into_iter()))),
    }
}

fn unknown_after(id: &str) -> Error {
    let message = format!("Invalid 'after': there is no item with id '{}'.", Excerpt(id));
    Error::new(400, ErrorType::InvalidRequest, Some("invalid_value"), message).at("after")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: [(&str, &str); 3] = [("a", r#"{"id":"a"}"#), ("b", r#"{"id":"b"}"#), ("c", r#"{"id":"c"}"#)];

    fn list(query: &str) -> Result<String, Error> {
        Page::of(query)?.list_json(ITEMS.to_vec()).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn pages_of_a_list() {
        for (query, ids, has_more) in [
            ("", "cba", false),
            ("order=asc", "abc", false),
            ("order=asc&limit=2", "ab", true),
            ("limit=2&order=desc", "cb", true),
            ("order=asc&after=a", "bc", false),
            ("after=b", "a", false),
            ("after=a", "", false),
            ("after=", "cba", false),
            ("limit=3&include[]=x&include=y&foo", "cba", false),
            ("order=asc&limit=1&after=a", "b", true),
            ("limit=100", "cba", false),
            ("limit=1&limit=2", "cb", true),
        ] {
            let told: serde_json::Value = serde_json::from_str(&list(query).unwrap()).unwrap();
            let data: String =
                told["data"].as_array().unwrap().iter().filter_map(|item| item["id"].as_str()).collect();
            assert_eq!((data.as_str(), &told["has_more"]), (ids, &has_more.into()), "{query}");
            let ends = [ids.get(..1), ids.len().checked_sub(1).and_then(|at| ids.get(at..))];
            assert_eq!([&told["first_id"], &told["last_id"]], ends.map(Option::unwrap_or_default), "{query}");
            assert_eq!(told["object"], "list");
        }
    }

    #[test]
    fn queries_that_mean_nothing_are_refused_by_name() {
        for (query, param, code) in [
            ("limit=0", "limit", "integer_below_min_value"),
            ("limit=-1", "limit", "integer_below_min_value"),
            ("limit=101", "limit", "integer_above_max_value"),
            ("limit=99999999999999999999", "limit", "integer_above_max_value"),
            ("limit=", "limit", "invalid_type"),
            ("limit=1.5", "limit", "invalid_type"),
            ("limit=many", "limit", "invalid_type"),
            ("order=", "order", "invalid_value"),
            ("order=ASC", "order", "invalid_value"),
            ("after=d", "after", "invalid_value"),
        ] {
            let error = list(query).unwrap_err();
            assert_eq!(
                (error.status, error.param.as_deref(), error.code),
                (400, Some(param), Some(code)),
                "{query}"
            );
        }
    }
}
