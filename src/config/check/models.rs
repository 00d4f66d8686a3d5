//! `models`, and the key that aliases without one of their own use.

use std::sync::Arc;

use super::limits::allowance;
use super::reader::{Read, Reader};
use crate::catalog::{Catalog, Images, Route, Tools};
use crate::config::choice::Mode;
use crate::config::raw::{RawEntry, RawModel, RawModels, RawUpstream};
use crate::config::schema::join;
use crate::ids::MAX_ID_BYTES;
use crate::secret::Secret;

/// Most aliases that stand in for one.
const MAX_FALLBACKS: usize = 8;

/// `upstream.api_key`. In passthrough mode it is not even read: the shipped file has it, and the mode may come from
/// the environment, where a key cannot be taken away.
pub(super) fn default_key(reader: &mut Reader<'_>, raw: &RawUpstream, mode: Option<Mode>) -> Read<Secret> {
    if mode == Some(Mode::Passthrough) {
        return Read::Absent;
    }
    reader.api_key("upstream", raw.api_key.as_ref(), raw.api_key_file.as_ref())
}

/// `mode` is `None` where it was wrong itself.
pub(super) fn check(
    reader: &mut Reader<'_>,
    raw: &RawModels,
    mode: Option<Mode>,
    default: &Read<Secret>,
) -> Catalog {
    if raw.0.is_empty() {
        reader.problem("models", "is empty: name at least one alias, `my-model: myapp-123`");
    }
    let mut routes = Vec::new();
    for (alias, entry) in &raw.0 {
        let path = join("models", alias);
        if let Some(mistake) = mistake_in_alias(alias) {
            reader.problem(&path, mistake);
        }
        let short;
        let (model, app) = match entry {
            RawEntry::Short(app) => {
                short = RawModel::default();
                (&short, reader.value(&path, Some(app)))
            }
            RawEntry::Long(model) => {
                let path = format!("{path}.app");
                let app = reader.value(&path, model.app.as_ref());
                if matches!(app, Read::Absent) {
                    reader.problem(&path, "is missing: the app's name id, like `myapp-123`");
                }
                (model.as_ref(), app)
            }
        };
        let fallbacks = fallbacks(reader, &path, alias, model, raw);
        let key = key(reader, &path, model, mode, default);
        let hidden = reader.value(&format!("{path}.hidden"), model.hidden.as_ref());
        let images = reader.value(&format!("{path}.images"), model.images.as_ref());
        let tools = reader.value(&format!("{path}.tools"), model.tools.as_ref());
        let limits = allowance(reader, &format!("{path}.limits"), model.limits.as_ref());
        if let Read::Good(app) = app {
            routes.push(Route {
                alias: alias.as_str().into(),
                app,
                key,
                hidden: hidden.or(false),
                images: images.or(Images::default()),
                tools: tools.or(Tools::default()),
                fallbacks,
                limits,
            });
        }
    }
    Catalog::new(routes)
}

/// The key of an alias: its own, else the default. A default that was wrong has been told once, for all.
fn key(
    reader: &mut Reader<'_>,
    path: &str,
    model: &RawModel,
    mode: Option<Mode>,
    default: &Read<Secret>,
) -> Option<Secret> {
    if mode == Some(Mode::Passthrough) {
        let own = [("api_key", model.api_key.is_some()), ("api_key_file", model.api_key_file.is_some())];
        for (name, _) in own.iter().filter(|(_, given)| *given) {
            let message =
                "has no use with `auth.mode: passthrough`, where clients send their own; leave it out";
            reader.problem(&format!("{path}.{name}"), message);
        }
        return None;
    }
    match reader.api_key(path, model.api_key.as_ref(), model.api_key_file.as_ref()) {
        Read::Good(key) => Some(key),
        Read::Bad => None,
        Read::Absent => match default {
            Read::Good(key) => Some(key.clone()),
            Read::Absent if mode.is_some() => {
                let message = "is missing: set it, or `upstream.api_key` for all aliases";
                reader.problem(&format!("{path}.api_key"), message);
                None
            }
            Read::Absent | Read::Bad => None,
        },
    }
}

/// The aliases that stand in for one. Each must be an alias of its own: a pattern has no one app to name, and since
/// fallbacks of fallbacks are not asked, two aliases may well stand in for each other.
fn fallbacks(
    reader: &mut Reader<'_>,
    path: &str,
    alias: &str,
    model: &RawModel,
    all: &RawModels,
) -> Vec<Arc<str>> {
    let path = format!("{path}.fallbacks");
    let list = reader.list(&path, model.fallbacks.as_ref()).or(Vec::new());
    if list.len() > MAX_FALLBACKS {
        reader.problem(&path, "has more than 8 entries");
    }
    let mut names: Vec<Arc<str>> = Vec::new();
    for (path, name) in list {
        if name == alias {
            reader.problem(&path, "is the alias itself");
        } else if names.iter().any(|other| **other == *name) {
            reader.problem(&path, "is there twice");
        } else if name.ends_with('*') {
            reader.problem(&path, "is a pattern: name one alias");
        } else if !all.0.iter().any(|(known, _)| *known == name) {
            reader.problem(&path, "is not an alias of `models`");
        }
        names.push(name.into());
    }
    names
}

fn mistake_in_alias(alias: &str) -> Option<&'static str> {
    if alias.is_empty() {
        return Some("an alias must not be empty");
    }
    if alias.len() > MAX_ID_BYTES {
        return Some("an alias must not be longer than 255 bytes");
    }
    if alias.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Some("an alias must not have spaces or control characters in it");
    }
    if alias.contains("${") {
        return Some("variables are filled into values, not into aliases");
    }
    let stars = alias.bytes().filter(|byte| *byte == b'*').count();
    if stars > 1 || (stars == 1 && !alias.ends_with('*')) {
        return Some("a pattern has one `*`, at its end");
    }
    None
}
