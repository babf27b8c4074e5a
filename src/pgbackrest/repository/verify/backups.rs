//! Files of backups against the checksums in their manifests.
//!
//! A bundle holds up to thousands of small files. Neighbours in it are read by one request and decoded one by one.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::{Damage, Progress, Scope, Verification};
use crate::{
    domain::label::Label,
    pgbackrest::{
        content::{self, Checked, Coding, ContentError, Piece, Take as _},
        repository::{Manifest, ManifestFile, Repository, RepositoryError},
    },
};

/// Files of a bundle that are read by one request, in bytes.
const BATCH: u64 = 4 << 20;

/// What a file's bytes are compared with.
struct Check {
    file: String,
    /// In the object.
    offset: u64,
    /// As stored.
    length: u64,
    coding: Coding,
    checksum: [u8; 20],
    size: Option<u64>,
}

/// Files of one object that are read together.
struct Batch {
    object: String,
    checks: Vec<Check>,
}

impl Repository {
    pub(super) async fn verify_backups(
        &self,
        scope: &Scope,
        found: &mut Verification,
        progress: &mut (impl FnMut(&Progress) + Send),
    ) -> Result<(), RepositoryError> {
        let info = self.read_backup_info().await?;
        if let Some(error) = info.instead_of {
            found.add_catalogue(format!("{}backup.info", self.backup_root()), None, error);
        }
        let info = info.content;
        for backup in &info.backups {
            let label = &backup.label;
            if scope
                .backups
                .as_ref()
                .is_some_and(|wanted| !wanted.contains(label))
            {
                continue;
            }
            let name = format!("{}{label}/backup.manifest", self.backup_root());
            let manifest = match self.manifest(&info, label).await {
                Ok(read) => {
                    if let Some(error) = read.instead_of {
                        found.add_catalogue(name, Some(label.clone()), error);
                    }
                    read.content
                }
                Err(error) => {
                    found.add_catalogue(name, Some(label.clone()), error);
                    continue;
                }
            };
            self.verify_files(scope, &manifest, found, progress).await;
        }
        Ok(())
    }

    async fn verify_files(
        &self,
        scope: &Scope,
        manifest: &Manifest,
        found: &mut Verification,
        progress: &mut (impl FnMut(&Progress) + Send),
    ) {
        let (batches, without_checksum) = batches(manifest, &self.backup_root());
        found.without_checksum += without_checksum;
        let mut readings = stream::iter(batches)
            .map(|batch| self.verify_batch(batch))
            .buffer_unordered(scope.concurrency.max(1));
        while let Some((object, results)) = readings.next().await {
            for (check, result) in results {
                found.read.files += 1;
                found.read.bytes = found.read.bytes.saturating_add(check.length);
                if let Err(error) = result {
                    found.add(damage(&object, check.file, &manifest.label, error));
                }
            }
            progress(&found.read);
        }
    }

    async fn verify_batch(&self, batch: Batch) -> (String, Vec<(Check, Result<(), ContentError>)>) {
        let Batch { object, mut checks } = batch;
        let results = match checks.pop() {
            Some(only) if checks.is_empty() => vec![self.verify_alone(&object, only).await],
            Some(last) => {
                checks.push(last);
                self.verify_together(&object, checks).await
            }
            None => Vec::new(),
        };
        (object, results)
    }

    /// As a stream, however large it is.
    async fn verify_alone(&self, object: &str, check: Check) -> (Check, Result<(), ContentError>) {
        let piece = Piece {
            name: object.to_owned(),
            offset: check.offset,
            length: check.length,
        };
        let result = content::read(&self.store, &piece, &check.coding, Checked::new(()))
            .await
            .and_then(|content| content.expect(check.size, &check.checksum));
        (check, result)
    }

    /// Neighbours, in the order of their places.
    async fn verify_together(
        &self,
        object: &str,
        checks: Vec<Check>,
    ) -> Vec<(Check, Result<(), ContentError>)> {
        let begin = checks.first().map_or(0, |check| check.offset);
        let end = checks
            .last()
            .map_or(begin, |check| check.offset.saturating_add(check.length));
        let bytes = match self.store.get_range(object, begin..end).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let error = ContentError::from(error);
                return checks
                    .into_iter()
                    .map(|check| (check, Err(error.clone())))
                    .collect();
            }
        };
        let decoding = tokio::task::spawn_blocking(move || {
            checks
                .into_iter()
                .map(|check| {
                    let result = check.judge(&bytes, begin);
                    (check, result)
                })
                .collect()
        });
        // It can only be cancelled with the runtime.
        decoding.await.unwrap_or_default()
    }
}

impl Check {
    fn judge(&self, bytes: &[u8], begin: u64) -> Result<(), ContentError> {
        let place = |position: u64| usize::try_from(position.saturating_sub(begin)).unwrap_or(usize::MAX);
        let from = place(self.offset);
        let stored = bytes
            .get(from..place(self.offset.saturating_add(self.length)))
            .ok_or_else(|| ContentError::Short {
                expected: self.length,
                found: u64::try_from(bytes.len().saturating_sub(from)).unwrap_or(0),
            })?;
        let mut checked = Checked::new(());
        content::decode(stored, &self.coding, |part| checked.take(part))?;
        checked.expect(self.size, &self.checksum)
    }
}

fn damage(object: &str, file: String, label: &Label, error: ContentError) -> Damage {
    Damage {
        object: object.to_owned(),
        file: Some(file),
        backup: Some(label.clone()),
        problem: error.into(),
    }
}

/// What a file is compared with; `None` where nothing is known.
fn check(manifest: &Manifest, file: &ManifestFile) -> Option<Check> {
    let (coding, checksum, size) = if file.block_incremental {
        (Coding::STORED, file.repository_checksum?, None)
    } else {
        (manifest.coding(file), file.checksum?, Some(file.size))
    };
    Some(Check {
        file: file.name.clone(),
        offset: file.bundle.map_or(0, |place| place.offset),
        length: file.repository_size,
        coding,
        checksum,
        size,
    })
}

/// The files that this backup itself holds, those of a bundle together. Counts those without a checksum.
fn batches(manifest: &Manifest, root: &str) -> (Vec<Batch>, u64) {
    let mut batches = Vec::new();
    let mut bundles: BTreeMap<String, Vec<Check>> = BTreeMap::new();
    let mut without_checksum = 0;
    for file in &manifest.files {
        if file.reference.is_some() || !manifest.is_stored(file) {
            continue;
        }
        let object = format!("{root}{}", manifest.object(file));
        match check(manifest, file) {
            None => without_checksum += 1,
            Some(check) if file.bundle.is_some() => bundles.entry(object).or_default().push(check),
            Some(check) => batches.push(Batch {
                object,
                checks: vec![check],
            }),
        }
    }
    for (object, mut checks) in bundles {
        checks.sort_by_key(|check| check.offset);
        let mut batch: Vec<Check> = Vec::new();
        for check in checks {
            let begin = batch.first().map_or(check.offset, |first| first.offset);
            let end = check.offset.saturating_add(check.length);
            if end.saturating_sub(begin) > BATCH && !batch.is_empty() {
                batches.push(Batch {
                    object: object.clone(),
                    checks: std::mem::take(&mut batch),
                });
            }
            batch.push(check);
        }
        batches.push(Batch {
            object,
            checks: batch,
        });
    }
    (batches, without_checksum)
}
