//! File, environment, check: the way from text to a [`Config`].

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Config;
use super::check;
use super::environment::Environment;
use super::overlay;
use super::problem::{Problem, Problems};
use super::raw::RawConfig;
use super::schema::Shape;
use super::shape::{Findings, Tree};
use super::sources::Sources;
use super::yaml;

/// Largest file that is read, in bytes: room for ten thousand keys.
const MAX_FILE_BYTES: u64 = 8 << 20;

impl Config {
    /// Reads and checks a file. All problems are found at once, except that text which is not YAML, or has the wrong
    /// shape, is not looked at further.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, Problems> {
        Self::load_noting(path, environment, &mut Sources::default())
    }

    /// The same, with all files that were read noted in `sources`.
    pub fn load_noting(
        path: &Path,
        environment: &Environment,
        sources: &mut Sources,
    ) -> Result<Self, Problems> {
        let text = sources
            .read(path)
            .map_err(|error| Problem::new("", format!("cannot read {}: {error}", path.display())))?;
        Self::parse_noting(&text, environment, sources)
    }

    /// The same for text at hand.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, Problems> {
        Self::parse_noting(text, environment, &mut Sources::default())
    }

    fn parse_noting(text: &str, environment: &Environment, sources: &mut Sources) -> Result<Self, Problems> {
        let shape = Shape::of_file();
        let tree: Tree = yaml::read(text)?;
        let findings = Findings::of(&tree, &shape);
        let mut problems = findings.unknown;
        if !findings.misshapen.is_empty() {
            problems.extend(findings.misshapen);
            return Err(Problems(problems));
        }
        let raw: Option<RawConfig> = yaml::read(text)?;
        let raw = overlay::apply(raw.unwrap_or_default(), environment, &shape, &mut problems)?;
        check::check(raw, environment, sources, problems)
    }
}

/// The text of a file that is not absurdly large.
pub(super) fn read_capped(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}
