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
    /// not come to are looked at further. Says whether a file held something else than before.
    pub fn renew(&mut self, read: Self) -> bool {
        let before = std::mem::replace(self, read);
        let seen = |path: &PathBuf| before.0.iter().find(|(other, _)| other == path);
        let is_changed = self.0.iter().any(|(path, now)| seen(path).is_some_and(|(_, before)| before != now));
        let is_new = |path: &PathBuf| !self.0.iter().any(|(other, _)| other == path);
        let rest: Vec<_> = before.0.into_iter().filter(|(path, _)| is_new(path)).collect();
        self.0.extend(rest);
        is_changed
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_counts_is_what_the_files_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "one").unwrap();
        fs::write(&other, "one").unwrap();
        let mut sources = Sources::default();
        assert_eq!(sources.read(&file).unwrap(), "one");
        let touched = fs::File::options().append(true).open(&file).unwrap();
        touched.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
        assert!(!sources.look());
        fs::remove_file(&file).unwrap();
        assert!(sources.look());
        std::os::unix::fs::symlink(&other, &file).unwrap();
        assert!(sources.look() && !sources.look());
        fs::write(&other, "two").unwrap();
        assert!(sources.look() && !sources.look());
    }

    #[test]
    fn files_that_were_not_come_to_are_looked_at_further() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        let mut sources = Sources::default();
        for path in [&file, &other] {
            fs::write(path, "one").unwrap();
            sources.read(path).unwrap();
        }
        let mut again = Sources::default();
        again.read(&file).unwrap();
        assert!(!sources.renew(again));
        fs::write(&file, "two").unwrap();
        let mut again = Sources::default();
        again.read(&file).unwrap();
        assert!(sources.renew(again));
        fs::write(&other, "two").unwrap();
        assert!(sources.look());
    }
}
