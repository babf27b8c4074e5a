//! Repositories that a real pgBackRest wrote, plain and encrypted, read by us; then every fault, one by one.

use std::time::Duration;

use holdfast::{
    api::reasons::Reason,
    pgbackrest::{
        access::{RepositoryAccess, StoreAccess, resolve},
        check::{Problem, RepositoryState, StanzaState, check},
        info::Info,
        repository::{Repository, Wanted},
    },
    storage::{
        azure::AzureCredentials,
        s3::{S3Credentials, S3Settings, Trust},
    },
};

use crate::{
    engine::Engine,
    lock::what_a_store_retains_is_known,
    places::{Kind, Place},
    stores::Stores,
};

fn access(engine: &Engine, repository: usize) -> RepositoryAccess {
    resolve(&engine.repositories[repository], &engine.user, &engine.files).unwrap()
}

fn with_store(access: &RepositoryAccess, change: impl FnOnce(&mut S3Settings)) -> RepositoryAccess {
    let mut changed = access.clone();
    let StoreAccess::S3(settings) = &mut changed.store else {
        panic!("another store");
    };
    change(settings);
    changed
}

async fn problem(access: &RepositoryAccess, system_id: u64) -> Problem {
    match tokio::time::timeout(Duration::from_secs(30), check(access, Some(system_id)))
        .await
        .unwrap()
    {
        RepositoryState::Problem(problem) => problem,
        ready @ RepositoryState::Ready { .. } => panic!("no problem seen: {ready:?}"),
    }
}

#[tokio::test]
async fn what_pgbackrest_wrote_is_read_and_every_fault_has_its_reason() {
    let stores = Stores::read();
    let engine = Engine::run(&stores);
    let (plain, encrypted) = (access(&engine, 0), access(&engine, 1));

    backups_are_seen_as_pgbackrest_sees_them(&engine, &plain).await;
    let (azure, gcs) = (access(&engine, 2), access(&engine, 3));
    // The server keeps the objects of the first as files.
    let root = engine.data().join("repo1");
    let directory = RepositoryAccess::directory(1, root.to_str().unwrap(), None);
    for (repository, jobs) in [
        (&plain, vec!["job-1", "job-2"]),
        (&encrypted, vec!["job-3"]),
        (&azure, vec!["job-4"]),
        (&gcs, vec!["job-5"]),
        (&directory, vec!["job-1", "job-2"]),
    ] {
        let state = check(repository, Some(engine.system_id)).await;
        let RepositoryState::Ready {
            stanza: StanzaState::Present(identity),
            backups,
        } = state
        else {
            panic!("{state:?}")
        };
        assert_eq!(
            (identity.system_id, backups.len()),
            (engine.system_id, jobs.len())
        );
        let reader = Repository::open(repository).await.unwrap();
        for job in jobs {
            let evidence = reader.verify_backup(Wanted::Job(job)).await.unwrap().unwrap();
            assert!(evidence.is_complete(), "{evidence:?}");
        }
        assert_eq!(reader.verify_backup(Wanted::Job("job-9")).await, Ok(None));
    }
    what_a_store_retains_is_known(&stores, &engine, &plain).await;
    every_fault_has_its_reason(&stores, &engine, &plain, &encrypted).await;
    a_segment_that_is_gone_is_noticed(&engine, &plain).await;
    a_damaged_catalogue_is_read_from_its_copy(&engine, &plain).await;
    another_kind_of_store_has_its_reasons_too(&engine, &azure, &gcs).await;
    for kind in [Kind::Azure, Kind::Gcs] {
        Place::of(kind).await.clear_all(engine.prefix()).await;
    }
}

/// What an operator would see of a wrong setting, by the whole way from the options on.
async fn another_kind_of_store_has_its_reasons_too(
    engine: &Engine,
    azure: &RepositoryAccess,
    gcs: &RepositoryAccess,
) {
    let mut missing = [azure.clone(), gcs.clone()];
    for access in &mut missing {
        match &mut access.store {
            StoreAccess::Azure(settings) => settings.container = "no-such-container".into(),
            StoreAccess::Gcs(settings) => settings.bucket = "no-such-bucket".into(),
            other => panic!("{other:?}"),
        }
        let problem = problem(access, engine.system_id).await;
        assert_eq!(problem.reason(), Reason::BucketMissing, "{problem}");
    }
    let mut refused = azure.clone();
    if let StoreAccess::Azure(settings) = &mut refused.store {
        settings.credentials = AzureCredentials::Shared("aHVudGVyMg==".into());
    }
    let problem = problem(&refused, engine.system_id).await;
    assert_eq!(problem.reason(), Reason::CredentialsRefused, "{problem}");
}

async fn backups_are_seen_as_pgbackrest_sees_them(engine: &Engine, access: &RepositoryAccess) {
    let theirs = Info::parse(engine.info.to_string().as_bytes()).unwrap();
    let ours = Repository::open(access)
        .await
        .unwrap()
        .backup_info()
        .await
        .unwrap();
    let theirs: Vec<_> = theirs.stanzas[0]
        .backup
        .iter()
        .map(|backup| {
            let info = backup.info;
            (
                backup.label.clone(),
                backup.backup_type.clone(),
                info.size,
                info.delta,
                info.repository.delta,
            )
        })
        .collect();
    let ours: Vec<_> = ours
        .backups
        .iter()
        .map(|backup| {
            let (label, kind) = (backup.label.to_string(), backup.backup_type.to_string());
            (
                label,
                kind,
                backup.size,
                backup.size_delta,
                backup.repository.delta,
            )
        })
        .collect();
    assert_eq!(ours, theirs);
}

async fn every_fault_has_its_reason(
    stores: &Stores,
    engine: &Engine,
    plain: &RepositoryAccess,
    encrypted: &RepositoryAccess,
) {
    let secret = |settings: &mut S3Settings| {
        if let S3Credentials::Shared { secret, .. } = &mut settings.credentials {
            *secret = "hunter2".into();
        }
    };
    let cipher = |access: &RepositoryAccess, passphrase: Option<&str>| {
        let mut changed = access.clone();
        changed.cipher = passphrase.map(Into::into);
        changed
    };
    let faults = [
        (with_store(plain, secret), Reason::CredentialsRefused),
        (
            with_store(plain, |s| s.bucket = "no-such-bucket".into()),
            Reason::BucketMissing,
        ),
        (
            with_store(plain, |s| {
                s.port = stores.get("S3_UNTRUSTED_PORT").parse().unwrap();
            }),
            Reason::CertificateUntrusted,
        ),
        (
            with_store(plain, |s| s.trust = Trust::System),
            Reason::CertificateUntrusted,
        ),
        (with_store(plain, |s| s.port = 1), Reason::EndpointUnreachable),
        (
            with_store(plain, |s| s.host = "192.0.2.1".into()),
            Reason::EndpointUnreachable,
        ),
        (cipher(encrypted, Some("hunter2")), Reason::WrongCipherPassphrase),
        (cipher(encrypted, None), Reason::CipherMissing),
        (cipher(plain, Some("hunter2")), Reason::CipherMissing),
    ];
    for (access, reason) in faults {
        let problem = problem(&access, engine.system_id).await;
        assert_eq!(problem.reason(), reason, "{problem}");
        let told = format!("{problem} {problem:?} {access:?}");
        for secret in ["hunter2", stores.get("S3_SECRET_KEY"), crate::engine::PASSPHRASE] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(problem.to_string().contains(reason.remedy()), "{problem}");
    }
    let other = problem(plain, engine.system_id + 1).await;
    assert_eq!(other.reason(), Reason::SystemIdentifierMismatch);

    let mut nowhere = plain.clone();
    nowhere.path = "/no/such/path".into();
    let state = check(&nowhere, Some(engine.system_id)).await;
    assert_eq!(
        state,
        RepositoryState::Ready {
            stanza: StanzaState::Absent,
            backups: vec![]
        }
    );
}

async fn a_segment_that_is_gone_is_noticed(engine: &Engine, access: &RepositoryAccess) {
    let reader = Repository::open(access).await.unwrap();
    let evidence = reader.verify_backup(Wanted::Job("job-2")).await.unwrap().unwrap();
    let (_, last) = evidence.wal.range.unwrap();
    let directory = engine.data().join("repo1/archive/db/18-1").join(last.directory());
    let file = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(&format!("{last}-"))
        })
        .unwrap();
    std::fs::remove_file(file).unwrap();
    let evidence = reader.verify_backup(Wanted::Job("job-2")).await.unwrap().unwrap();
    assert_eq!(evidence.wal.first_missing, Some(last));
}

async fn a_damaged_catalogue_is_read_from_its_copy(engine: &Engine, access: &RepositoryAccess) {
    let file = engine.data().join("repo1/backup/db/backup.info");
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..content.len() / 2]).unwrap();
    let reader = Repository::open(access).await.unwrap();
    assert_eq!(reader.backup_info().await.unwrap().backups.len(), 2);
    std::fs::write(file.with_extension("info.copy"), b"[backrest]\n").unwrap();
    let problem = problem(access, engine.system_id).await;
    assert_eq!(problem.reason(), Reason::RepositoryDamaged, "{problem}");
}
