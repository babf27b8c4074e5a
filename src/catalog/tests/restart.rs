//! A restart of the operator in the middle of its work.

use chrono::TimeDelta;

use super::{
    in_file,
    suite::{at, place},
};
use crate::{
    catalog::{CredentialsState, RepositoryRecord},
    survey::{
        Terms,
        tests::memory::{Shelf, minute},
    },
};

fn terms(now: i64) -> Terms {
    Terms {
        now: minute(now),
        grace: TimeDelta::minutes(5),
        retention: None,
        most_segments: 100,
    }
}

/// The first look lists an archive of 20,000 names, the one after a restart only what is new.
#[tokio::test]
async fn after_a_restart_only_what_is_new_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    let mut shelf = Shelf::new(1000);
    shelf.names(1, 1..20_000);
    shelf.wal(1, 20_000..=20_001);
    shelf.backup(1, 2);
    let repository = shelf.repository();

    let mut record = RepositoryRecord::default();
    let picture = record.known.look(&repository, &terms(30_000)).await.unwrap();
    assert!(picture.requests.listings > 20, "{:?}", picture.requests);
    let known = record.known.clone();
    record.looked(&known, &picture);
    let catalog = in_file(&path);
    catalog.save(&place("x"), &record, at(1)).await.unwrap();
    catalog.close().await;

    shelf.wal(1, 20_002..=20_011);
    let loaded = in_file(&path).load(&place("x")).await.unwrap().unwrap();
    let mut kept = loaded.picture.clone().unwrap();
    kept.requests = picture.requests;
    assert_eq!(kept, picture);
    assert_eq!(loaded.credentials.state, CredentialsState::Accepted);
    let mut known = loaded.known;
    let later = known.look(&repository, &terms(30_001)).await.unwrap();
    assert!(later.requests.listings <= 4, "{:?}", later.requests);
    assert_eq!(later.recovery.latest_restorable_time, Some(minute(20_011)));
}
