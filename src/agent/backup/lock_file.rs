//! The JSON that a running pgBackRest keeps in its lock file. Undocumented, so every field may be missing.

use std::path::Path;

use serde::Deserialize;

/// What it says of progress.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct LockFile {
    /// Process id, in the container.
    pub pid: Option<u32>,
    /// Bytes to copy; absent before the manifest is built and during the final expiry.
    #[serde(rename = "sz")]
    pub size: Option<u64>,
    /// Bytes copied; grows by finished files.
    #[serde(rename = "szCplt")]
    pub complete: Option<u64>,
}

/// Reads it; nothing while there is none, or half of one.
#[must_use]
pub fn read(path: &Path) -> Option<LockFile> {
    parse(&std::fs::read_to_string(path).ok()?)
}

fn parse(text: &str) -> Option<LockFile> {
    serde_json::from_str(text.lines().next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_lock_file_is_read() {
        let text = r#"{"execId":"30-618bc25c","pctCplt":8436,"pid":30,"sz":1592018287,"szCplt":1342955520}"#;
        let expected = LockFile {
            pid: Some(30),
            size: Some(1_592_018_287),
            complete: Some(1_342_955_520),
        };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn one_without_sizes_has_only_a_process_and_half_of_one_has_nothing() {
        assert_eq!(parse(r#"{"execId":"30-618bc25c","pid":30}"#).unwrap().size, None);
        assert_eq!(parse(r#"{"execId":"30-6"#), None);
        assert_eq!(parse(""), None);
    }
}
