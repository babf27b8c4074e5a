//! `backup.history`: the manifests of all backups there ever were, expired ones too (`backup.history/<year>/`).

use super::{BackupInfo, Manifest, Repository, RepositoryError};
use crate::{
    domain::{archive::Compression, label::Label},
    storage::list_all,
};

/// A backup that was taken, whether it is still there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The label.
    pub label: Label,
    /// The full name of its manifest.
    pub name: String,
    /// As stored, in bytes.
    pub size: u64,
    /// How the manifest is compressed.
    pub compression: Compression,
}

fn entry(name: &str, size: u64) -> Option<HistoryEntry> {
    let (label, extension) = name.rsplit('/').next()?.split_once(".manifest")?;
    Some(HistoryEntry {
        label: label.parse().ok()?,
        name: name.to_owned(),
        size,
        compression: Compression::from_extension(extension.as_bytes())?,
    })
}

impl Repository {
    /// All backups that the history knows, by name of their files.
    pub async fn backup_history(&self) -> Result<Vec<HistoryEntry>, RepositoryError> {
        let prefix = format!("{}backup.history/", self.backup_root());
        let objects = list_all(self.store.as_ref(), &prefix).await?;
        Ok(objects
            .iter()
            .filter_map(|object| entry(&object.name, object.size))
            .collect())
    }

    /// Reads a manifest of the history. Its files need not be there any more.
    pub async fn history_manifest(
        &self,
        info: &BackupInfo,
        entry: &HistoryEntry,
    ) -> Result<Manifest, RepositoryError> {
        self.one_info_file(
            &entry.name,
            info.cipher.as_ref(),
            entry.compression,
            &Manifest::read,
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_the_history_are_known_by_their_names() {
        let name = "r/backup/db/backup.history/2026/20261121-013455F_20261122-013000I.manifest.zst";
        let entry = entry(name, 7).unwrap();
        assert_eq!(entry.label.as_str(), "20261121-013455F_20261122-013000I");
        assert_eq!((entry.compression, entry.size), (Compression::Zst, 7));
        assert!(super::entry("r/backup.history/2026/x.manifest.gz", 7).is_none());
        assert!(super::entry("r/backup.history/2026/20261121-013455F.manifest.tmp", 7).is_none());
    }
}
