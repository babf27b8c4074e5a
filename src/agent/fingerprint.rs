//! Notices that mounted files have changed, by looking at them now and then.
//!
//! Kubernetes replaces a mounted `ConfigMap` or Secret by swinging the symlink `..data`; inotify does not see that
//! reliably, a look every few seconds does. Contents are not read: names, link targets, lengths and times suffice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Directories deeper than this below a watched path are not looked into.
const DEPTH: usize = 3;

/// What a set of files looked like at one moment. Missing files are part of the picture.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fingerprint {
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    link: Option<PathBuf>,
    length: u64,
    modified: Option<SystemTime>,
}

impl Fingerprint {
    /// Looks at files and directories.
    #[must_use]
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut fingerprint = Self::default();
        for path in paths {
            fingerprint.add(path, DEPTH);
        }
        fingerprint
    }

    fn add(&mut self, path: &Path, depth: usize) {
        // The link's target counts, and what is behind it: a projected file is a link to a link.
        let link = fs::read_link(path).ok();
        let Ok(metadata) = fs::metadata(path) else { return };
        if metadata.is_dir() {
            self.entries.insert(
                path.to_owned(),
                Entry {
                    link,
                    length: 0,
                    modified: None,
                },
            );
            if depth > 0 {
                for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                    self.add(&entry.path(), depth - 1);
                }
            }
        } else {
            let entry = Entry {
                link,
                length: metadata.len(),
                modified: metadata.modified().ok(),
            };
            self.entries.insert(path.to_owned(), entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_swung_data_link_changes_it_and_a_second_look_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for version in ["..1", "..2"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("tls.crt"), b"same length").unwrap();
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/tls.crt", root.join("tls.crt")).unwrap();
        let watched = [root.to_owned(), PathBuf::from("/nowhere")];
        let before = Fingerprint::of(&watched);
        assert_eq!(before, Fingerprint::of(&watched));
        fs::remove_file(root.join("..data")).unwrap();
        symlink("..2", root.join("..data")).unwrap();
        assert_ne!(before, Fingerprint::of(&watched));
    }

    #[test]
    fn a_file_that_comes_or_grows_changes_it() {
        let directory = tempfile::tempdir().unwrap();
        let watched = [directory.path().to_owned()];
        let empty = Fingerprint::of(&watched);
        fs::write(directory.path().join("a.conf"), b"1").unwrap();
        let one = Fingerprint::of(&watched);
        fs::write(directory.path().join("a.conf"), b"12").unwrap();
        assert!(empty != one && one != Fingerprint::of(&watched));
    }
}
