//! The first look at a file: is every key known, and is a section where a section belongs?
//!
//! It reads the YAML as a bare tree, so that all unknown keys are told at once and each with its path; a typed
//! reader would stop at the first.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::Problem;
use super::schema::{Shape, join};

/// A YAML document without its values.
#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Text,
    /// A number or a truth value: what YAML does not take for text.
    Scalar,
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// What the first look found.
#[derive(Default)]
pub(super) struct Findings {
    /// Unknown keys: the rest of the file can still be read.
    pub(super) unknown: Vec<Problem>,
    /// A list, a section or a value where another belongs: it cannot.
    pub(super) misshapen: Vec<Problem>,
}

impl Findings {
    /// Compares the document with the file format.
    pub(super) fn of(tree: &Tree, shape: &Shape) -> Self {
        let mut findings = Self::default();
        findings.compare(tree, shape, "");
        findings.suggest_other_places(shape);
        findings
    }

    fn compare(&mut self, tree: &Tree, shape: &Shape, path: &str) {
        match (shape, tree) {
            (_, Tree::Null) | (Shape::Value, Tree::Text | Tree::Scalar) | (Shape::ValueOr(_), Tree::Text) => {
            }
            (Shape::Value, Tree::List(_) | Tree::Map(_)) => self.misshapen(path, "must be one value"),
            (Shape::Section(keys), Tree::Map(entries)) => {
                for (key, value) in entries {
                    match keys.get(key) {
                        Some(shape) => self.compare(value, shape, &join(path, key)),
                        None => self.unknown(path, key, keys.keys().map(String::as_str)),
                    }
                }
            }
            (Shape::Section(keys), _) => {
                let keys: Vec<_> = keys.keys().map(String::as_str).collect();
                self.misshapen(path, &format!("must be a section with the keys {}", keys.join(", ")));
            }
            (Shape::Named(shape), Tree::Map(entries)) => {
                for (key, value) in entries {
                    self.compare_entry(value, shape, &join(path, key));
                }
            }
            (Shape::Named(_), _) => self.misshapen(path, "must be a section of `alias: app` lines"),
            (Shape::List(shape), Tree::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.compare_entry(item, shape, &format!("{path}[{index}]"));
                }
            }
            (Shape::List(_), _) => self.misshapen(path, "must be a list"),
            (Shape::ValueOr(_), Tree::Scalar) => {
                self.misshapen(path, "must be text: put quotes around it, else YAML reads a number");
            }
            (Shape::ValueOr(shape), _) => self.compare(tree, shape, path),
        }
    }

    fn compare_entry(&mut self, tree: &Tree, shape: &Shape, path: &str) {
        match tree {
            Tree::Null => self.misshapen(path, "has nothing behind it"),
            _ => self.compare(tree, shape, path),
        }
    }

    fn misshapen(&mut self, path: &str, message: &str) {
        self.misshapen.push(Problem::new(path, message));
    }

    fn unknown<'a>(&mut self, parent: &str, key: &str, known: impl Iterator<Item = &'a str> + Clone) {
        let message = match nearest(key, known.clone()) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None => format!("unknown key; known here: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.unknown.push(Problem::new(join(parent, key), message));
    }

    /// A key that is right, but in the wrong section, is told where it belongs.
    fn suggest_other_places(&mut self, shape: &Shape) {
        let keys = shape.keys();
        for problem in &mut self.unknown {
            let key = problem.path.rsplit('.').next().unwrap_or_default();
            let home =
                keys.iter().find(|(path, _)| path.rsplit('.').next() == Some(key) && path.contains('.'));
            if let Some((home, _)) = home {
                problem.message = format!("unknown key; did you mean `{home}`?");
            }
        }
    }
}

/// The known word that a mistyped one most likely stands for.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
                Ok(Tree::Text)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
        }

        deserializer.deserialize_any(TreeVisitor)
    }
}
