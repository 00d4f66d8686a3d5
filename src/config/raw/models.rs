//! `models`: aliases in the file's order, each in the short form (`alias: app`) or the long one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserializer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};

use super::{Deserialize, JsonSchema, List, PathBuf, RawRule, Secret, Written, fmt};
use crate::catalog::{Images, Tools};
use crate::config::written::FromText;
use crate::ids::AppId;

/// The long form of an alias.
#[derive(Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawModel {
    /// The app's name id, `myapp-123`.
    pub app: Option<Written<AppId>>,
    /// The app's key (Chipp's keys are per app). Default: `upstream.api_key`.
    pub api_key: Option<Written<Secret>>,
    /// A file that holds the key, instead of `api_key`.
    pub api_key_file: Option<Written<PathBuf>>,
    /// Other aliases of this section that answer in its place when it fails before the first byte, in this order, at
    /// most 8. Their own fallbacks, limits and `auth.keys[].models` do not count then.
    pub fallbacks: Option<List<String>>,
    /// Left out of the list of models. Default: false.
    pub hidden: Option<Written<bool>>,
    /// Tools that a client offers: `emulate` (the app is told of them), `reject` (400) or `ignore` (named in a header).
    /// Default: reject.
    pub tools: Option<Written<Tools>>,
    /// Images: `text` (the URL is put into the text) or `reject` (400); `parts` is not supported yet. Default: text.
    pub images: Option<Written<Images>>,
    /// Limits of this alias, over all callers.
    pub limits: Option<RawRule>,
}

/// One alias.
pub(crate) enum RawEntry {
    /// `alias: app`
    Short(Written<AppId>),
    /// `alias: {app: …}`
    Long(Box<RawModel>),
}

/// `models`, in the file's order.
#[derive(Default)]
pub(crate) struct RawModels(pub Vec<(String, RawEntry)>);

impl<'de> Deserialize<'de> for RawEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = RawEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an app's name id, or a section with `app` in it")
            }

            fn visit_str<E>(self, app: &str) -> Result<RawEntry, E> {
                Ok(RawEntry::Short(Written::new(app)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawEntry, A::Error> {
                RawModel::deserialize(MapAccessDeserializer::new(map))
                    .map(|model| RawEntry::Long(Box::new(model)))
            }
        }

        deserializer.deserialize_any(EntryVisitor)
    }
}

impl<'de> Deserialize<'de> for RawModels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ModelsVisitor;

        impl<'de> Visitor<'de> for ModelsVisitor {
            type Value = RawModels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("aliases and their apps")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawModels, A::Error> {
                let mut models = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    models.push(entry);
                }
                Ok(RawModels(models))
            }
        }

        deserializer.deserialize_map(ModelsVisitor)
    }
}

impl JsonSchema for RawEntry {
    fn schema_name() -> Cow<'static, str> {
        "RawEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<RawModel>();
        json_schema!({"anyOf": [AppId::schema(), long]})
    }
}

impl JsonSchema for RawModels {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawModels".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, RawEntry>::json_schema(generator)
    }
}
