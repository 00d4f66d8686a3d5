//! `${VAR}` and `${VAR:-default}` in a value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use serde_saphyr::Error;

use super::environment::Environment;
use super::yaml;

/// Fills variables from an environment.
pub(super) struct Filler(Rc<HashMap<String, String>>);

impl Filler {
    pub(super) fn new(environment: &Environment) -> Self {
        Self(Rc::new(environment.to_map()))
    }

    /// The text with its variables filled in; the error names the variable, never a value.
    ///
    /// The YAML reader owns the syntax: the text is handed to it as a document of one quoted value.
    pub(super) fn fill<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, String> {
        if !text.contains('$') {
            return Ok(Cow::Borrowed(text));
        }
        let document = serde_json::Value::from(text).to_string();
        let mut options = yaml::options();
        options.property_map = Some(Rc::clone(&self.0));
        let filled = serde_saphyr::from_str_with_options(&document, options);
        filled.map(Cow::Owned).map_err(|error| match error {
            Error::UnresolvedProperty { name, .. } => {
                format!("the environment variable `{name}` is not set")
            }
            Error::PropertyRequiredButUnset { name, .. } | Error::PropertyRequiredButEmpty { name, .. } => {
                format!("the environment variable `{name}` is not set, or empty")
            }
            _ => "has a `${…}` that cannot be read: write `${NAME}` or `${NAME:-default}`".into(),
        })
    }
}
