//! The JSON that a running pgBackRest keeps in its lock file: how far it is.
//!
//! Written when a file or a bundle is finished and at least 0.1 % more is done. Read while it is being written, so
//! anything that is not whole is simply no news.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Content of a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct LockFile {
    /// The process that holds it.
    pub pid: u32,
    /// Bytes in all; absent before the manifest is made and while the command expires backups.
    #[serde(default, rename = "sz")]
    pub total: Option<u64>,
    /// Bytes done.
    #[serde(default, rename = "szCplt")]
    pub done: Option<u64>,
}

impl LockFile {
    /// Reads the content; `None` for one that is not whole.
    #[must_use]
    pub fn parse(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

/// Path of the lock file of a backup: `<lock path>/<stanza>-backup-<repository key>.lock`.
#[must_use]
pub fn backup_lock(lock_path: &Path, stanza: &str, repository: u32) -> PathBuf {
    lock_path.join(format!("{stanza}-backup-{repository}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_content() {
        let content =
            br#"{"execId":"30-618bc25c","pctCplt":8436,"pid":30,"sz":1592018287,"szCplt":1342955520}"#;
        let lock = LockFile::parse(content).unwrap();
        assert_eq!(
            lock,
            LockFile {
                pid: 30,
                total: Some(1_592_018_287),
                done: Some(1_342_955_520)
            }
        );
    }

    #[test]
    fn sizes_may_be_missing_and_half_a_file_is_no_news() {
        let lock = LockFile::parse(br#"{"execId":"30-618bc25c","pid":30}"#).unwrap();
        assert_eq!((lock.total, lock.done), (None, None));
        assert_eq!(LockFile::parse(br#"{"execId":"30-618"#), None);
        assert_eq!(LockFile::parse(b""), None);
    }

    #[test]
    fn there_is_one_lock_for_each_repository() {
        let path = backup_lock(Path::new("/tmp/pgbackrest"), "db", 2);
        assert_eq!(path, Path::new("/tmp/pgbackrest/db-backup-2.lock"));
    }
}
