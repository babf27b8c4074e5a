//! Against files that a real pgBackRest wrote, in a store that is a map: what is tested is reading, not the store.

use std::{collections::BTreeMap, ops::Range};

use futures::{FutureExt as _, future::BoxFuture};

use super::*;
use crate::{
    domain::label::BackupType,
    pgbackrest::failure::FailureKind,
    storage::{Head, ObjectInfo, Page, StorageErrorKind},
};

const BACKUP: &[u8] = include_bytes!("../../../tests/fixtures/pgbackrest/plain/backup.info");
const ARCHIVE: &[u8] = include_bytes!("../../../tests/fixtures/pgbackrest/plain/archive.info");
const CIPHER_BACKUP: &[u8] = include_bytes!("../../../tests/fixtures/pgbackrest/cipher/backup.info");
const WAL: &str = "r/archive/db/18-1/0000000100000000/00000001000000000000000";

#[derive(Clone, Default)]
struct Objects(BTreeMap<String, Vec<u8>>);

impl Objects {
    fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.0.insert(name.to_owned(), content.to_vec());
        self
    }

    fn repository(self, cipher: Option<&str>) -> Repository {
        Repository::with_store(Arc::new(self), "/r", cipher.map(Secret::from))
    }
}

impl ObjectStore for Objects {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        // Two a page, so that paging is part of every test.
        let mut names = self.0.keys().filter(|name| name.starts_with(prefix));
        let mut rest = names
            .by_ref()
            .filter(|name| after.is_none_or(|after| name.as_str() > after));
        let objects: Vec<_> = rest
            .by_ref()
            .take(2)
            .map(|name| ObjectInfo {
                name: name.clone(),
                size: 0,
                modified: None,
            })
            .collect();
        let next = rest
            .next()
            .and_then(|_| objects.last().map(|last| last.name.clone()));
        async { Ok(Page { objects, next }) }.boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        let not_found = StorageError::new(StorageErrorKind::NotFound, format!("get {name}"), "HTTP 404");
        let found = self.0.get(name).cloned().ok_or(not_found);
        async { found }.boxed()
    }

    fn get_range<'a>(&'a self, _: &'a str, _: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        unreachable!("info files are read whole")
    }

    fn head<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        unreachable!("nothing asks for a head")
    }

    fn location(&self) -> String {
        "memory".into()
    }
}

fn plain() -> Objects {
    let name = |digit: u8| format!("{WAL}{digit}-9207ffa76273016e9eabbf82634172edd5c8ae97.zst");
    let mut objects = Objects::default()
        .with("r/backup/db/backup.info", BACKUP)
        .with("r/archive/db/archive.info", ARCHIVE)
        .with(&format!("{WAL}2.00000028.backup"), b"");
    for digit in 1..=6 {
        objects = objects.with(&name(digit), b"");
    }
    objects
}

#[tokio::test]
async fn backups_and_identity_are_read() {
    let info = plain().repository(None).backup_info().await.unwrap();
    assert_eq!(info.database.system_id, 7_710_444_307_258_826_731);
    assert_eq!(info.database.archive_id(), "18-1");
    let [full, incremental] = info.backups.as_slice() else {
        panic!("{info:?}")
    };
    assert_eq!((full.backup_type, full.size), (BackupType::Full, 23_702_177));
    assert_eq!(incremental.prior.as_ref(), Some(&full.label));
    assert_eq!(incremental.annotation["percona.com/backup-name"], "second");
    let archive = plain().repository(None).archive_info().await.unwrap();
    assert_eq!(archive.history, info.history);
}

#[tokio::test]
async fn what_windows_need_of_a_backup_is_in_its_entry() {
    let info = plain().repository(None).backup_info().await.unwrap();
    let entry = &info.backups[1];
    let backup = crate::domain::windows::Backup::from(entry);
    assert_eq!(backup.references, [info.backups[0].label.clone()]);
    assert_eq!(
        (backup.label, backup.stopped),
        (entry.label.clone(), entry.stopped)
    );
    let wal = backup.wal.unwrap();
    assert_eq!(Some(wal.first), entry.archive_start);
    assert_eq!(Some(wal.last), entry.archive_stop);
    assert_eq!(wal.stop, entry.lsn_stop);
}

#[tokio::test]
async fn a_backup_counts_with_its_wal() {
    let repository = plain().repository(None);
    let evidence = repository
        .verify_backup(Wanted::Job("job-2"))
        .await
        .unwrap()
        .unwrap();
    assert!(evidence.is_complete());
    assert_eq!(
        evidence.backup.label.as_str(),
        "20261121-022154F_20261121-022155I"
    );
    let by_label = repository
        .verify_backup(Wanted::Label(&evidence.backup.label))
        .await
        .unwrap();
    assert_eq!(by_label, Some(evidence));
    assert_eq!(repository.verify_backup(Wanted::Job("job-9")).await, Ok(None));
}

#[tokio::test]
async fn a_backup_without_its_last_segment_is_not_complete() {
    let mut objects = plain();
    objects
        .0
        .retain(|name, _| !name.contains("000000010000000000000004-"));
    let evidence = objects
        .repository(None)
        .verify_backup(Wanted::Job("job-2"))
        .await
        .unwrap()
        .unwrap();
    assert!(!evidence.is_complete());
    assert_eq!(
        evidence.wal.first_missing.unwrap().to_string(),
        "000000010000000000000004"
    );
}

#[tokio::test]
async fn segments_are_listed_within_their_bounds() {
    let at = |digit: u8| {
        format!("00000001000000000000000{digit}")
            .parse::<crate::domain::wal::Segment>()
            .unwrap()
    };
    let repository = plain().repository(None);
    let found = repository.segments("18-1", at(2), at(5)).await.unwrap();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [at(2), at(3), at(4), at(5)]
    );
    assert_eq!(repository.has_segment("18-1", at(6)).await, Ok(true));
    assert_eq!(repository.has_segment("18-1", at(7)).await, Ok(false));
    assert_eq!(repository.has_segment("18-2", at(6)).await, Ok(false));
}

#[tokio::test]
async fn a_damaged_or_missing_file_is_read_from_its_copy() {
    let copy = plain().with("r/backup/db/backup.info.copy", BACKUP);
    let damaged = copy.clone().with("r/backup/db/backup.info", &BACKUP[..900]);
    assert_eq!(
        damaged
            .repository(None)
            .backup_info()
            .await
            .unwrap()
            .backups
            .len(),
        2
    );
    let mut gone = copy;
    gone.0.remove("r/backup/db/backup.info");
    assert_eq!(
        gone.repository(None).backup_info().await.unwrap().backups.len(),
        2
    );
}

#[tokio::test]
async fn two_damaged_files_are_told_as_damage_and_none_as_missing() {
    let damaged = plain()
        .with("r/backup/db/backup.info", b"x")
        .with("r/backup/db/backup.info.copy", b"y");
    let error = damaged.repository(None).backup_info().await.unwrap_err();
    assert_eq!(error.failure(), FailureKind::RepositoryDamaged);
    let error = Objects::default()
        .repository(None)
        .backup_info()
        .await
        .unwrap_err();
    assert_eq!(
        error,
        RepositoryError::Missing {
            file: "r/backup/db/backup.info".into()
        }
    );
}

#[tokio::test]
async fn encryption_that_does_not_fit_is_told_apart() {
    let encrypted = || Objects::default().with("r/backup/db/backup.info", CIPHER_BACKUP);
    let info = encrypted()
        .repository(Some("lab passphrase"))
        .backup_info()
        .await
        .unwrap();
    assert_eq!(info.backups.len(), 1);
    let failure = async |objects: Objects, cipher| {
        objects
            .repository(cipher)
            .backup_info()
            .await
            .unwrap_err()
            .failure()
    };
    assert_eq!(
        failure(encrypted(), Some("other")).await,
        FailureKind::WrongCipherPassphrase
    );
    assert_eq!(failure(encrypted(), None).await, FailureKind::CipherMissing);
    assert_eq!(
        failure(plain(), Some("other")).await,
        FailureKind::RepositoryNotEncrypted
    );
}
