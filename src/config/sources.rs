//! The files that a configuration was read from, and whether they hold something else by now.

use std::io;
use std::path::{Path, PathBuf};

use blake3::Hash;

use super::load::read_capped;

/// Each file with what it held when it was read. What counts is the content: a link that is swapped is a change, a
/// file that is written again as it was is none.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<(PathBuf, Hash)>);

impl Sources {
    /// Reads a file, and remembers it.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<String> {
        let read = read_capped(path);
        self.0.push((path.to_owned(), hash(&read)));
        read
    }

    /// Takes what was read now in the place of what was read before. If the reading ended early, the files that it did
    /// not come to are looked at further.
    pub fn renew(&mut self, read: Self) {
        let before = std::mem::replace(self, read);
        let is_new = |path: &PathBuf| !self.0.iter().any(|(other, _)| other == path);
        let rest: Vec<_> = before.0.into_iter().filter(|(path, _)| is_new(path)).collect();
        self.0.extend(rest);
    }

    /// Reads all files again; those that hold something else now are remembered so.
    pub fn look(&mut self) -> bool {
        let mut is_changed = false;
        for (path, seen) in &mut self.0 {
            let now = hash(&read_capped(path));
            is_changed |= std::mem::replace(seen, now) != now;
        }
        is_changed
    }
}

fn hash(read: &io::Result<String>) -> Hash {
    match read {
        Ok(text) => blake3::hash(text.as_bytes()),
        Err(error) => blake3::hash(error.to_string().as_bytes()),
    }
}
