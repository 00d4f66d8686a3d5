//! Reads values and takes down what is wrong with them.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::config::environment::Environment;
use crate::config::fill::fill;
use crate::config::problem::{Problem, Problems};
use crate::config::sources::Sources;
use crate::config::written::{FromText, List, Written};
use crate::secret::Secret;

/// Longest part of a value that a message quotes, in characters.
const MAX_QUOTED_CHARS: usize = 60;

/// What came of reading a value.
pub(super) enum Read<T> {
    /// The file does not have it.
    Absent,
    /// It is wrong, which has been taken down.
    Bad,
    /// It is right.
    Good(T),
}

impl<T> Read<T> {
    pub(super) fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(super) fn or(self, default: T) -> T {
        self.good().unwrap_or(default)
    }
}

/// Fills in variables, reads values, collects problems.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    sources: &'a mut Sources,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        sources: &'a mut Sources,
        problems: Vec<Problem>,
    ) -> Self {
        Self { environment, sources, problems }
    }

    /// Ends the reading: the problems, if there were any.
    pub(super) fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// Reads one value.
    pub(super) fn value<T: FromText>(&mut self, path: &str, written: Option<&Written<T>>) -> Read<T> {
        let Some(written) = written else {
            return Read::Absent;
        };
        match fill(written.as_str(), self.environment) {
            Ok(text) => match read_text(&text, written.as_str()) {
                Ok(value) => return Read::Good(value),
                Err(message) => self.problem(path, message),
            },
            Err(message) => self.problem(path, message),
        }
        Read::Bad
    }

    /// Reads one value and holds it to a range, which `bounds` describes: "from 1 to 1024".
    pub(super) fn within<T: FromText + PartialOrd>(
        &mut self,
        path: &str,
        written: Option<&Written<T>>,
        range: &RangeInclusive<T>,
        bounds: &str,
    ) -> Read<T> {
        match self.value(path, written) {
            Read::Good(value) if !range.contains(&value) => {
                self.problem(path, format!("must be {bounds}"));
                Read::Bad
            }
            read => read,
        }
    }

    /// Reads a list; each entry comes with its own path. Entries that are wrong are left out.
    pub(super) fn list<T: FromText>(&mut self, path: &str, list: Option<&List<T>>) -> Read<Vec<(String, T)>> {
        let read: Vec<(String, Read<T>)> = match list {
            None => return Read::Absent,
            Some(List::Items(items)) => {
                let numbered = items.iter().enumerate();
                numbered
                    .map(|(index, item)| (format!("{path}[{index}]"), item))
                    .map(|(path, item)| {
                        let value = self.value(&path, Some(item));
                        (path, value)
                    })
                    .collect()
            }
            Some(List::Joined(joined)) => match fill(joined.as_str(), self.environment) {
                Ok(text) => text
                    .split(',')
                    .enumerate()
                    .map(|(index, part)| self.part(format!("{path}[{index}]"), part.trim(), joined.as_str()))
                    .collect(),
                Err(message) => {
                    self.problem(path, message);
                    return Read::Bad;
                }
            },
        };
        let good = read.into_iter().filter_map(|(path, value)| Some((path, value.good()?)));
        Read::Good(good.collect())
    }

    fn part<T: FromText>(&mut self, path: String, part: &str, written: &str) -> (String, Read<T>) {
        match read_text(part, written) {
            Ok(value) => (path, Read::Good(value)),
            Err(message) => {
                self.problem(&path, message);
                (path, Read::Bad)
            }
        }
    }

    /// Reads the `api_key` of a section, or the file that its `api_key_file` names.
    pub(super) fn api_key(
        &mut self,
        section: &str,
        key: Option<&Written<Secret>>,
        file: Option<&Written<PathBuf>>,
    ) -> Read<Secret> {
        self.secret(section, "api_key", key, file)
    }

    /// Reads a secret of a section, or the file that the key of that name and `_file` names.
    pub(super) fn secret(
        &mut self,
        section: &str,
        name: &str,
        secret: Option<&Written<Secret>>,
        file: Option<&Written<PathBuf>>,
    ) -> Read<Secret> {
        let file_path = format!("{section}.{name}_file");
        if secret.is_some() && file.is_some() {
            self.problem(&file_path, format!("stands beside `{name}`: keep one of the two"));
            return Read::Bad;
        }
        match self.value(&file_path, file) {
            Read::Absent => self.value(&format!("{section}.{name}"), secret),
            Read::Bad => Read::Bad,
            Read::Good(path) => {
                let written = file.map(Written::as_str).unwrap_or_default();
                self.secret_file(&file_path, &path, written)
            }
        }
    }

    /// The path is told as it was `written`: a key in the place of its file's name is a likely mistake.
    fn secret_file(&mut self, at: &str, path: &Path, written: &str) -> Read<Secret> {
        let read = match self.sources.read(path) {
            Ok(text) => match text.trim_end_matches(['\r', '\n']) {
                "" => Err(format!("`{written}` is an empty file")),
                text => Secret::from_text(text).map_err(|error| format!("what is in `{written}` {error}")),
            },
            Err(error) => Err(format!("cannot read `{written}`: {error}")),
        };
        match read {
            Ok(secret) => Read::Good(secret),
            Err(message) => {
                self.problem(at, message);
                Read::Bad
            }
        }
    }
}

/// Reads `text`. The message quotes `written`, in which variables are not filled in.
fn read_text<T: FromText>(text: &str, written: &str) -> Result<T, String> {
    let read = if text.is_empty() { Err("is empty".into()) } else { T::from_text(text) };
    read.map_err(|error| {
        if !T::QUOTED {
            return error;
        }
        let shown: String = written.chars().take(MAX_QUOTED_CHARS).collect();
        let cut = if shown.len() < written.len() { "…" } else { "" };
        format!("`{}{cut}` {error}", shown.escape_debug())
    })
}
