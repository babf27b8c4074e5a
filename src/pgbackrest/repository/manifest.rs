//! `backup.manifest`: the files of a backup, where each is, and what its content must be.
//!
//! Format: pgBackRest's `info/manifest/serialize.c.inc`, 2.45 to 2.60. Optional keys came over time: `bni`/`bno`
//! (bundles), `rck` (SHA-1 of the bytes as stored), `bi`/`bim` (block incremental), `backup-bundle-raw`.

use serde::Deserialize;
use sha1::{Digest as _, Sha1};

use super::{BackupInfo, Read, Repository, RepositoryError, info};
use crate::{
    domain::{
        archive::Compression,
        label::{BackupType, Label},
        secret::Secret,
    },
    pgbackrest::{
        content::Coding,
        info_file::{InfoFile, InfoFileError},
    },
    storage::{Head, StorageError},
};

/// What is used of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The backup.
    pub label: Label,
    /// Its type.
    pub backup_type: BackupType,
    /// How its files are compressed, those in its references too.
    pub compression: Compression,
    /// Small files are together in bundles, and empty ones are nowhere.
    pub bundle: bool,
    /// Members of bundles come without the magic of the cipher, and as zlib in the place of gzip.
    pub bundle_raw: bool,
    /// What opens its files, those in its references too, where the repository is encrypted.
    pub cipher: Option<Secret>,
    /// All files.
    pub files: Vec<ManifestFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// `pg_data/base/5/1249`
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// As stored, in bytes.
    pub repository_size: u64,
    /// SHA-1 of its content. Absent in the manifest of a backup that is not finished; of an empty file it is known
    /// though it is not written there.
    pub checksum: Option<[u8; 20]>,
    /// SHA-1 of its bytes as stored.
    pub repository_checksum: Option<[u8; 20]>,
    /// The backup that holds it, if not this one.
    pub reference: Option<Label>,
    /// The bundle that it is in, and where.
    pub bundle: Option<BundlePlace>,
    /// It is stored as changed blocks with a map, not as a whole.
    pub block_incremental: bool,
}

/// A place in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BundlePlace {
    /// The bundle's number.
    pub id: u64,
    /// In bytes.
    pub offset: u64,
}

/// Sums over the files of a manifest, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ManifestSizes {
    /// The database.
    pub size: u64,
    /// What this backup copied of it.
    pub size_delta: u64,
    /// In the repository, with all references.
    pub repository: u64,
    /// In the repository, by this backup.
    pub repository_delta: u64,
}

#[derive(Deserialize)]
struct Line {
    bim: Option<u64>,
    bni: Option<u64>,
    bno: Option<u64>,
    checksum: Option<String>,
    rck: Option<String>,
    reference: Option<String>,
    #[serde(rename = "repo-size")]
    repository_size: Option<u64>,
    size: u64,
}

fn sha1(text: &str) -> Result<[u8; 20], hex::FromHexError> {
    let mut digest = [0; 20];
    hex::decode_to_slice(text, &mut digest)?;
    Ok(digest)
}

fn file(name: &str, value: &str) -> Option<ManifestFile> {
    let line: Line = serde_json::from_str(value).ok()?;
    Some(ManifestFile {
        name: name.to_owned(),
        size: line.size,
        repository_size: line.repository_size.unwrap_or(line.size),
        checksum: match line.checksum.as_deref() {
            None => (line.size == 0).then(|| Sha1::digest([]).into()),
            Some(text) => Some(sha1(text).ok()?),
        },
        repository_checksum: line.rck.as_deref().map(sha1).transpose().ok()?,
        reference: line.reference.map(|label| label.parse()).transpose().ok()?,
        bundle: line.bni.map(|id| BundlePlace {
            id,
            offset: line.bno.unwrap_or(0),
        }),
        block_incremental: line.bim.is_some(),
    })
}

impl Manifest {
    pub(super) fn read(text: &InfoFile) -> Result<Self, InfoFileError> {
        let wrong = |section: &str, key: &str| InfoFileError::Value {
            section: section.to_owned(),
            key: key.to_owned(),
        };
        let label: String = text.value("backup", "backup-label")?;
        let backup_type: String = text.value("backup", "backup-type")?;
        // Before `compress-type` there was only gzip or nothing.
        let option = "option-compress-type";
        let compression = match text.value::<String>("backup:option", option) {
            Ok(word) => Compression::from_option(&word).ok_or_else(|| wrong("backup:option", option))?,
            Err(_) if text.value("backup:option", "option-compress")? => Compression::Gz,
            Err(_) => Compression::None,
        };
        Ok(Self {
            label: label.parse().map_err(|_| wrong("backup", "backup-label"))?,
            backup_type: backup_type.parse().map_err(|_| wrong("backup", "backup-type"))?,
            compression,
            bundle: text.value("backup", "backup-bundle").unwrap_or(false),
            bundle_raw: text.value("backup", "backup-bundle-raw").unwrap_or(false),
            cipher: info::cipher(text)?,
            files: text
                .section("target:file")
                .map(|(name, value)| file(name, value).ok_or_else(|| wrong("target:file", name)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// How a file is stored.
    #[must_use]
    pub fn coding(&self, file: &ManifestFile) -> Coding {
        Coding {
            cipher: self.cipher.clone(),
            compression: self.compression,
            raw: self.bundle_raw && file.bundle.is_some(),
        }
    }

    /// The name of the object that a file is in, below `backup/<stanza>/`.
    #[must_use]
    pub fn object(&self, file: &ManifestFile) -> String {
        let label = file.reference.as_ref().unwrap_or(&self.label);
        match file.bundle {
            Some(place) => format!("{label}/bundle/{}", place.id),
            None if file.block_incremental => format!("{label}/{}.pgbi", file.name),
            None => format!("{label}/{}{}", file.name, self.compression.extension()),
        }
    }

    /// True for a file that is stored: where there are bundles, empty files are not.
    #[must_use]
    pub fn is_stored(&self, file: &ManifestFile) -> bool {
        file.size > 0 || !self.bundle
    }

    /// Sums.
    #[must_use]
    pub fn sizes(&self) -> ManifestSizes {
        let mut sizes = ManifestSizes::default();
        for file in &self.files {
            sizes.size = sizes.size.saturating_add(file.size);
            sizes.repository = sizes.repository.saturating_add(file.repository_size);
            if file.reference.is_none() {
                sizes.size_delta = sizes.size_delta.saturating_add(file.size);
                sizes.repository_delta = sizes.repository_delta.saturating_add(file.repository_size);
            }
        }
        sizes
    }
}

impl Repository {
    /// What the store says of the manifest of a backup: the last file that pgBackRest writes of it.
    pub async fn manifest_head(&self, label: &Label) -> Result<Head, StorageError> {
        let name = format!("{}{label}/backup.manifest", self.backup_root());
        self.store.head(&name).await
    }

    /// Reads the manifest of a backup that is in `backup.info`, or its copy where that is damaged or gone.
    pub async fn manifest(
        &self,
        info: &BackupInfo,
        label: &Label,
    ) -> Result<Read<Manifest>, RepositoryError> {
        let name = format!("{}{label}/backup.manifest", self.backup_root());
        let read = self
            .info_or_copy(&name, info.cipher.as_ref(), Compression::None, Manifest::read)
            .await?;
        if read.content.label == *label {
            Ok(read)
        } else {
            Err(RepositoryError::Damaged {
                file: name,
                what: format!("it is the manifest of {}", read.content.label),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgbackrest::info_file::sealed;

    const SUM: &str = "1829bf1476d36bd82d9a4a3a3ab9d4d4e1a0a4b5";

    fn read(backup: &str, option: &str, files: &str) -> Result<Manifest, InfoFileError> {
        let text = format!(
            "[backup]\nbackup-label=\"20261121-083035F_20261121-090000I\"\nbackup-type=\"incr\"\n{backup}\n\n\
             [backup:option]\n{option}\n\n[target:file]\n{files}\n"
        );
        Manifest::read(&InfoFile::parse(&sealed(&text)).unwrap())
    }

    #[test]
    fn each_file_is_found_where_it_is_stored() {
        let manifest = read(
            "backup-bundle=true\nbackup-bundle-raw=true",
            "option-compress-type=\"zst\"",
            &format!(
                "pg_data/a=b={{\"checksum\":\"{SUM}\",\"repo-size\":7,\"size\":10}}\n\
                 pg_data/blocks={{\"bi\":1,\"bim\":9,\"checksum\":\"{SUM}\",\"rck\":\"{SUM}\",\"repo-size\":6,\"size\":20}}\n\
                 pg_data/empty={{\"size\":0}}\n\
                 pg_data/member={{\"bni\":3,\"bno\":40,\"checksum\":\"{SUM}\",\"reference\":\"20261121-083035F\",\"repo-size\":5,\"size\":30}}"
            ),
        )
        .unwrap();
        let objects: Vec<_> = manifest.files.iter().map(|file| manifest.object(file)).collect();
        assert_eq!(
            objects,
            [
                "20261121-083035F_20261121-090000I/pg_data/a=b.zst",
                "20261121-083035F_20261121-090000I/pg_data/blocks.pgbi",
                "20261121-083035F_20261121-090000I/pg_data/empty.zst",
                "20261121-083035F/bundle/3",
            ]
        );
        let stored: Vec<_> = manifest
            .files
            .iter()
            .map(|file| manifest.is_stored(file))
            .collect();
        assert_eq!(stored, [true, true, false, true]);
        let raw: Vec<_> = manifest
            .files
            .iter()
            .map(|file| manifest.coding(file).raw)
            .collect();
        assert_eq!(raw, [false, false, false, true]);
        assert_eq!(
            manifest.files[2].checksum.map(hex::encode).unwrap(),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert_eq!(
            manifest.sizes(),
            ManifestSizes {
                size: 60,
                size_delta: 30,
                repository: 18,
                repository_delta: 13
            }
        );
    }

    #[test]
    fn the_compression_of_older_versions_is_known() {
        let compression = |option: &str| read("", option, "").map(|manifest| manifest.compression);
        assert_eq!(compression("option-compress=true"), Ok(Compression::Gz));
        assert_eq!(compression("option-compress=false"), Ok(Compression::None));
        assert!(compression("option-compress-type=\"other\"").is_err());
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_not_left_out() {
        for line in [
            "pg_data/x={\"size\":-1}",
            "pg_data/x={\"checksum\":\"12\",\"size\":1}",
            "pg_data/x={}",
        ] {
            let wrong = InfoFileError::Value {
                section: "target:file".into(),
                key: "pg_data/x".into(),
            };
            assert_eq!(
                read("", "option-compress-type=\"none\"", line),
                Err(wrong),
                "{line}"
            );
        }
    }
}
