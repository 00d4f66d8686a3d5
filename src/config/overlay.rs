//! `CHIPP_PROXY__SECTION__KEY=value` over the file.
//!
//! What is laid over is not a variable's value but a reference to it, `${CHIPP_PROXY__…}`: it is filled in later with
//! all others, so that a value is never taken for a reference itself and no message on the way can show it.

use std::collections::HashMap;
use std::fmt;

use config::{ConfigError, Map, Source, Value};

use super::environment::Environment;
use super::problem::Problem;
use super::raw::RawConfig;
use super::schema::Shape;
use super::shape::nearest;

/// What the variables begin with.
const PREFIX: &str = "CHIPP_PROXY";
/// What stands between the parts of a key.
const SEPARATOR: &str = "__";
/// Keys that come in pairs: setting one from the environment replaces the other.
const PAIR: [&str; 2] = ["upstream.api_key", "upstream.api_key_file"];

/// Lays the variables over the file. An empty one counts as not set; one that names no key is a problem.
pub(super) fn apply(
    mut raw: RawConfig,
    environment: &Environment,
    shape: &Shape,
    problems: &mut Vec<Problem>,
) -> Result<RawConfig, Problem> {
    let start = format!("{PREFIX}{SEPARATOR}");
    let mut names: Vec<_> = environment
        .iter()
        .filter(|(name, value)| name.starts_with(&start) && !value.is_empty())
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    let mut references = HashMap::new();
    for name in names {
        let key = name.strip_prefix(&start).unwrap_or_default().to_lowercase();
        let key = key.replace(SEPARATOR, ".");
        let verdict = settable(&key, shape).and_then(|()| {
            // Two spellings of one name would compete.
            let capitals = variable(&key);
            (capitals == name).then_some(()).ok_or_else(|| format!("write it in capitals: `{capitals}`"))
        });
        match verdict {
            Ok(()) => {
                references.insert(name.to_owned(), format!("${{{name}}}"));
                drop_other_of_pair(&mut raw, &key);
            }
            Err(message) => problems.push(Problem::new(name.escape_debug().to_string(), message)),
        }
    }
    if references.is_empty() {
        return Ok(raw);
    }
    merge(raw, references).map_err(|error| Problem::new("", format!("{start}…: {error}")))
}

/// Whether a variable may set this key.
fn settable(key: &str, shape: &Shape) -> Result<(), String> {
    for owner in ["models", "auth.keys"] {
        if key == owner || key.strip_prefix(owner).is_some_and(|rest| rest.starts_with('.')) {
            return Err(format!("`{owner}` can only be set in the file; use `${{NAME}}` in a value there"));
        }
    }
    let keys = shape.keys();
    match keys.iter().find(|(known, _)| known == key) {
        Some((_, Shape::Value | Shape::ValueOr(_))) => Ok(()),
        Some((_, Shape::Section(_) | Shape::List(_) | Shape::Named(_))) => {
            Err("names a section; set one of its keys".into())
        }
        None => Err(match nearest(key, keys.iter().map(|(known, _)| known.as_str())) {
            Some(near) => format!("unknown key; did you mean `{}`?", variable(near)),
            None => "unknown key".into(),
        }),
    }
}

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.to_uppercase().replace('.', SEPARATOR))
}

fn drop_other_of_pair(raw: &mut RawConfig, key: &str) {
    let Some(upstream) = raw.upstream.as_mut() else {
        return;
    };
    match PAIR.iter().position(|one| *one == key) {
        Some(0) => upstream.api_key_file = None,
        Some(_) => upstream.api_key = None,
        None => {}
    }
}

fn merge(mut raw: RawConfig, references: HashMap<String, String>) -> Result<RawConfig, ConfigError> {
    // Aliases keep their order and their spelling only if the merge does not see them.
    let models = raw.models.take();
    let variables = config::Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        .source(Some(references));
    let merged = config::Config::builder().add_source(File::of(&raw)?).add_source(variables).build()?;
    let raw: RawConfig = merged.try_deserialize()?;
    Ok(RawConfig { models, ..raw })
}

/// The file as a layer. Unlike `config::Config::try_from` it keeps empty lists, which mean something: a key with
/// `models: []` may use none.
#[derive(Clone)]
struct File(Map<String, Value>);

impl File {
    fn of(raw: &RawConfig) -> Result<Self, ConfigError> {
        let json = serde_json::to_value(raw);
        json.and_then(serde_json::from_value).map(Self).map_err(|error| ConfigError::Foreign(Box::new(error)))
    }
}

impl Source for File {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File(***)")
    }
}
