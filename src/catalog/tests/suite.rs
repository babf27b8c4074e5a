//! What holds for any database: run against `SQLite` here, and against PostgreSQL by `tests/storage`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::holdfast::{
    catalog::{
        Catalog, Credentials, CredentialsState, Failure, PastDrill, RepositoryPlace, RepositoryRecord, Sizes,
        growth,
    },
    domain::{
        label::BackupType,
        wal::{Lsn, Segment, SegmentSize},
        windows::{Cost, Gap, Recovery, Window},
    },
    pgbackrest::repository::{BackupEntry, DatabaseIdentity, RepositorySizes},
    survey::{ArchivePicture, KnownRepository, Oddity, Picture, Requests},
};

pub fn at(second: i64) -> DateTime<Utc> {
    // Far from 1970, with a fraction: microseconds must come back too.
    DateTime::from_timestamp(1_790_000_000 + second, 123_456_000).unwrap()
}

pub fn place(cluster: &str) -> RepositoryPlace {
    RepositoryPlace {
        namespace: "shop".into(),
        cluster: cluster.into(),
        repository: "repo1".into(),
        location: "s3://bucket/with a 'quote'".into(),
    }
}

fn segment(number: u64) -> Segment {
    Segment::at(1, number, SegmentSize::default()).unwrap()
}

pub fn backup(number: u32) -> BackupEntry {
    BackupEntry {
        label: format!("20261121-0800{number:02}F").parse().unwrap(),
        backup_type: BackupType::Full,
        prior: None,
        references: vec!["20261121-080000F".parse().unwrap()],
        started: at(i64::from(number)),
        stopped: at(i64::from(number) + 1),
        archive_start: Some(segment(1)),
        archive_stop: Some(segment(2)),
        lsn_start: Some(Lsn(0x0100_0028)),
        lsn_stop: None,
        size: 1 << 33,
        size_delta: 1 << 20,
        repository: RepositorySizes {
            size: 1 << 32,
            delta: u64::from(number),
        },
        page_errors: false,
        from_standby: false,
        annotation: BTreeMap::from([("percona.com/backup-job-name".into(), "'quoted'".into())]),
        database_id: 1,
    }
}

pub fn gap(first: u64, last: u64) -> Gap {
    Gap {
        timeline: 1,
        first: segment(first),
        last: segment(last),
        segments: last - first + 1,
        since: at(7),
        cost: Cost::default(),
    }
}

/// Something of everything but what the survey keeps, which only a look can make.
pub fn record() -> RepositoryRecord {
    let recovery = Recovery {
        earliest_restorable_time: Some(at(2)),
        latest_restorable_time: Some(at(5)),
        windows: vec![Window {
            from: at(2),
            to: Some(at(5)),
            timeline: 1,
            backup: backup(1).label,
            timelines: vec![1],
            to_lsn: Some(Lsn(0x0700_0128)),
            last_segment: segment(7),
            database_id: 1,
        }],
        gaps: vec![gap(4, 5)],
        ..Recovery::default()
    };
    let archive = ArchivePicture {
        id: "18-1".into(),
        database_id: 1,
        segment_size: SegmentSize::default(),
        segments: 5,
        files: 6,
        bytes: 1000,
        timelines: vec![1],
    };
    RepositoryRecord {
        known: KnownRepository::default(),
        picture: Some(Picture {
            looked_at: at(5),
            database: DatabaseIdentity {
                id: 1,
                system_id: u64::MAX - 1,
                version: "18".into(),
            },
            backups: vec![backup(1), backup(2)],
            recovery,
            archives: vec![archive],
            branches: std::collections::BTreeMap::default(),
            protections: std::collections::BTreeMap::default(),
            oddities: vec![Oddity::Foreign {
                place: "archive/db".into(),
                files: 3,
            }],
            requests: Requests::default(),
        }),
        failure: Some(Failure {
            since: at(6),
            category: "unreachable".into(),
            message: "connection refused".into(),
        }),
        credentials: Credentials {
            state: CredentialsState::Accepted,
            since: Some(at(1)),
        },
    }
}

/// The record with another picture.
fn with(change: impl FnOnce(&mut Picture)) -> RepositoryRecord {
    let mut record = record();
    change(record.picture.as_mut().unwrap());
    record
}

/// What it cost to look is not kept.
pub async fn what_is_known_comes_back(open: impl Fn() -> Catalog) {
    let (place, record) = (place("comes-back"), record());
    let first = open();
    assert_eq!(first.load(&place).await, Ok(None));
    let mut costly = record.clone();
    costly.picture.as_mut().unwrap().requests.listings = 7;
    first.save(&place, &costly, at(10)).await.unwrap();
    assert_eq!(first.load(&place).await.unwrap().as_ref(), Some(&record));
    first.close().await;

    let second = open();
    assert_eq!(second.load(&place).await.unwrap().as_ref(), Some(&record));
    // The first to be written after a restart, then one that differs in little, then one that differs in much.
    let mut newer = record;
    for second_of_look in 20..23 {
        let picture = newer.picture.as_mut().unwrap();
        picture.looked_at = at(second_of_look);
        if second_of_look == 22 {
            picture.backups.pop();
        }
        newer.credentials.since = Some(at(second_of_look));
        second.save(&place, &newer, at(30)).await.unwrap();
        assert_eq!(second.load(&place).await.unwrap().as_ref(), Some(&newer));
    }
    second.forget(&place).await.unwrap();
    second.save(&place, &newer, at(31)).await.unwrap();
    assert_eq!(second.load(&place).await, Ok(Some(newer)));
}

/// As after a restart with a store that does not answer.
pub async fn the_last_picture_stays_until_there_is_a_newer_one(open: impl Fn() -> Catalog) {
    let (catalog, place) = (open(), place("stays"));
    catalog.save(&place, &record(), at(10)).await.unwrap();
    let without = RepositoryRecord {
        picture: None,
        failure: None,
        ..record()
    };
    catalog.save(&place, &without, at(11)).await.unwrap();
    let kept = catalog.load(&place).await.unwrap().unwrap();
    assert_eq!((kept.picture, kept.failure), (record().picture, None));
    assert_eq!(catalog.history(&place).await.unwrap().backups.len(), 2);
}

/// The same repository of another cluster, or another place, is another one.
pub async fn places_are_kept_apart(open: impl Fn() -> Catalog) {
    let catalog = open();
    let here = place("apart");
    let elsewhere = RepositoryPlace {
        location: "s3://other/".into(),
        ..here.clone()
    };
    catalog.save(&here, &record(), at(10)).await.unwrap();
    assert_eq!(catalog.load(&elsewhere).await, Ok(None));
    catalog
        .save(&elsewhere, &RepositoryRecord::default(), at(11))
        .await
        .unwrap();
    assert_eq!(catalog.load(&here).await, Ok(Some(record())));
    let mut kept = catalog.repositories().await.unwrap();
    kept.retain(|place| place.cluster == "apart");
    assert_eq!(kept, [here.clone(), elsewhere.clone()]);

    catalog.forget(&here).await.unwrap();
    assert_eq!(catalog.load(&here).await, Ok(None));
    let history = catalog.history(&here).await.unwrap();
    assert_eq!(
        (history.backups.len(), history.gaps.len(), history.sizes.len()),
        (0, 0, 0)
    );
    assert_eq!(
        catalog.load(&elsewhere).await,
        Ok(Some(RepositoryRecord::default()))
    );
}

/// And one that is there again is not gone.
pub async fn backups_that_went_are_remembered(open: impl Fn() -> Catalog) {
    let (catalog, place) = (open(), place("went"));
    let with = |backups: &[u32]| {
        let backups = backups.iter().map(|number| backup(*number)).collect();
        with(|picture| picture.backups = backups)
    };
    catalog.save(&place, &with(&[1, 2]), at(10)).await.unwrap();
    catalog.save(&place, &with(&[2, 3]), at(20)).await.unwrap();
    catalog.save(&place, &with(&[2, 3]), at(30)).await.unwrap();
    let history = catalog.history(&place).await.unwrap();
    let seen: Vec<_> = history
        .backups
        .iter()
        .map(|past| (past.backup.clone(), past.seen, past.gone))
        .collect();
    assert_eq!(
        seen,
        [
            (backup(1), at(10), Some(at(20))),
            (backup(2), at(10), None),
            (backup(3), at(20), None)
        ]
    );
    catalog.save(&place, &with(&[1, 3]), at(40)).await.unwrap();
    let history = catalog.history(&place).await.unwrap();
    let gone: Vec<_> = history.backups.iter().map(|past| past.gone).collect();
    assert_eq!(gone, [None, Some(at(40)), None]);

    let much_later = at(40) + TimeDelta::days(401);
    catalog.save(&place, &with(&[3]), much_later).await.unwrap();
    let history = catalog.history(&place).await.unwrap();
    let left: Vec<_> = history.backups.iter().map(|past| past.backup.clone()).collect();
    assert_eq!(left, [backup(1), backup(3)]);
}

pub async fn gaps_that_closed_are_remembered(open: impl Fn() -> Catalog) {
    let (catalog, place) = (open(), place("gaps"));
    let with = |gaps: &[Gap]| with(|picture| picture.recovery.gaps = gaps.to_vec());
    catalog
        .save(&place, &with(&[gap(4, 9), gap(20, 20)]), at(10))
        .await
        .unwrap();
    // One is filled in part, and keeps its age.
    catalog
        .save(&place, &with(&[gap(4, 6), gap(20, 20)]), at(20))
        .await
        .unwrap();
    catalog.save(&place, &with(&[gap(20, 20)]), at(30)).await.unwrap();
    let history = catalog.history(&place).await.unwrap();
    let found: Vec<_> = history
        .gaps
        .iter()
        .map(|past| (past.first, past.last, past.segments, past.closed))
        .collect();
    assert_eq!(history.gaps.iter().filter(|past| past.since == at(7)).count(), 3);
    let mut expected = vec![
        (segment(4), segment(9), 6, Some(at(20))),
        (segment(4), segment(6), 3, Some(at(30))),
        (segment(20), segment(20), 1, None),
    ];
    for gap in found {
        let place = expected.iter().position(|other| *other == gap);
        expected.remove(place.unwrap_or_else(|| panic!("{gap:?}")));
    }
    assert_eq!(expected, []);
    // The segment went again.
    catalog
        .save(&place, &with(&[gap(4, 6), gap(20, 20)]), at(40))
        .await
        .unwrap();
    let history = catalog.history(&place).await.unwrap();
    assert_eq!(
        history.gaps.iter().filter(|past| past.closed.is_none()).count(),
        2
    );
}

pub async fn drills_are_remembered(open: impl Fn() -> Catalog) {
    let drill = |restore: &str, cluster: &str, second: i64| PastDrill {
        restore: restore.to_owned(),
        namespace: "shop".to_owned(),
        cluster: cluster.to_owned(),
        drill: "weekly".to_owned(),
        ended: at(second),
        proven: second != 2,
        result: r#"{"state":"it's"}"#.to_owned(),
    };
    let catalog = open();
    for noted in [drill("b", "app", 2), drill("a", "app", 1), drill("c", "other", 3)] {
        catalog.drilled(&noted).await.unwrap();
    }
    // Told again after a restart, with a later time.
    open().drilled(&drill("a", "app", 9)).await.unwrap();
    let expected = [drill("a", "app", 1), drill("b", "app", 2)];
    assert_eq!(open().drills("shop", "app").await.unwrap(), expected);
    let years = 500 * 24 * 3600;
    catalog.drilled(&drill("d", "app", years)).await.unwrap();
    assert_eq!(
        open().drills("shop", "app").await.unwrap(),
        [drill("d", "app", years)]
    );
}

pub async fn sizes_are_sampled_and_thinned(open: impl Fn() -> Catalog) {
    let (catalog, place) = (open(), place("sizes"));
    let with = |backups: u64| with(|picture| picture.backups[1].repository.delta = backups - 1);
    let sizes = async || catalog.history(&place).await.unwrap().sizes;
    catalog.save(&place, &with(1), at(0)).await.unwrap();
    catalog.save(&place, &with(2), at(3599)).await.unwrap();
    let expected = Sizes {
        backups: 1,
        wal: 1000,
        segments: 5,
        database: 1 << 33,
    };
    let first = sizes().await;
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].at, first[0].sizes), (at(0), expected));
    // Now and then nothing has changed.
    for hour in 1..=48 {
        let now = at(0) + TimeDelta::hours(i64::try_from(hour).unwrap());
        catalog
            .save(&place, &with(20 * (hour / 2) + 1), now)
            .await
            .unwrap();
    }
    let all = sizes().await;
    assert_eq!(all.len(), 49);
    let grown = growth(&all, TimeDelta::days(1)).unwrap();
    assert_eq!((grown.bytes, grown.per_day()), (240, 240));

    // Two weeks later the last of each day is left, and after more than a year none.
    let later = at(0) + TimeDelta::days(17);
    catalog.save(&place, &with(5), later).await.unwrap();
    let thin = sizes().await;
    let mut days: Vec<_> = thin.iter().map(|sample| sample.at.date_naive()).collect();
    days.dedup();
    assert_eq!((days.len(), thin.len()), (4, 4));
    let last_of_a_day = thin.iter().all(|sample| {
        !all.iter()
            .any(|other| other.at > sample.at && other.at.date_naive() == sample.at.date_naive())
    });
    assert!(last_of_a_day, "{thin:?}");
    catalog
        .save(&place, &with(6), later + TimeDelta::days(399))
        .await
        .unwrap();
    let left: Vec<_> = sizes().await.iter().map(|sample| sample.sizes.backups).collect();
    assert_eq!(left, [5, 6]);
}
