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
