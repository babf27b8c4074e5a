//! What is found in repositories of all shapes.

use super::*;
use crate::{
    domain::{
        label::BackupType,
        retention::ArchivePolicy,
        windows::Defect,
        xlog::writer::{Entry, Writer},
    },
    pgbackrest::failure::FailureKind,
};

#[tokio::test]
async fn a_window_ends_with_the_last_commit_in_the_last_segment() {
    let mut shelf = Shelf::new(3);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);
    assert_eq!(picture.recovery.latest_restorable_time, Some(minute(9)));
    assert_eq!(picture.oddities, []);
    assert!(!picture.is_broken());
    assert_eq!(picture.archives[0].segments, 9);
    assert_eq!(picture.archives[0].segment_size, size());
    // Its name was in the last part of the listing, so one segment was read and nothing looked for.
    assert_eq!(picture.requests.segments, 1);
    assert_eq!(picture.requests.listings, shelf.memory.listings());
}

#[tokio::test]
async fn a_gap_ends_a_window_and_is_as_old_as_the_file_behind_it() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, (1..=4).chain(7..=9));
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(4), 1)]);
    assert_eq!(gaps(&picture.recovery.gaps), [(5, 6)]);
    assert_eq!(picture.recovery.gaps[0].since, minute(7));
    assert!(picture.is_broken());
    // A young one may still be filled in.
    let picture = first_look(&shelf, 9).await;
    assert_eq!(gaps(&picture.recovery.gaps_in_grace), [(5, 6)]);
    assert!(!picture.is_broken());
}

#[tokio::test]
async fn windows_run_on_over_a_switch_of_timelines() {
    let mut shelf = Shelf::new(4);
    shelf.wal(1, 1..=5);
    shelf.wal(2, 6..=9);
    shelf.history(2, &[(1, 6)]);
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(9), 2)]);
    assert_eq!(picture.recovery.windows[0].timelines, [1, 2]);
    assert_eq!(picture.oddities, []);
}

#[tokio::test]
async fn a_history_file_that_is_missing_or_damaged_is_told() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=5);
    shelf.wal(2, 6..=9);
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(5), 1)]);
    let archive = "18-1".to_owned();
    assert_eq!(
        picture.oddities,
        [Oddity::HistoryMissing { archive, timeline: 2 }]
    );
    shelf
        .memory
        .put("r/archive/db/18-1/00000002.history", b"nonsense", None);
    let picture = first_look(&shelf, 60).await;
    assert!(
        matches!(
            &picture.oddities[..],
            [Oddity::HistoryUnreadable { timeline: 2, .. }]
        ),
        "{:?}",
        picture.oddities
    );
}

#[tokio::test]
async fn a_segment_without_content_is_a_gap() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    for (name, _) in shelf.memory.take(&segment(1, 5).to_string()) {
        shelf.memory.put(&name, b"", None);
    }
    let picture = first_look(&shelf, 60).await;
    assert_eq!(gaps(&picture.recovery.gaps), [(5, 5)]);
    assert_eq!(picture.recovery.unusable[0].defect, Defect::Empty);
}

#[tokio::test]
async fn a_damaged_segment_ends_a_window_until_it_is_put_right() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let good = shelf.memory.take(&segment(1, 9).to_string());
    shelf.memory.put(&good[0].0, &[7; 5000], None);
    let mut known = KnownRepository::default();
    let picture = look(&mut known, &shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(8), 1)]);
    assert_eq!(picture.recovery.unusable[0].defect, Defect::Unreadable);
    shelf.memory.put(&good[0].0, &good[0].1, None);
    let picture = look(&mut known, &shelf, 61).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);
    assert_eq!(picture.recovery.unusable, []);
}

#[tokio::test]
async fn a_commit_that_begins_in_the_segment_before_counts() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=3);
    shelf.backup(1, 2);
    let mut writer = Writer::new(segment(1, 4), size());
    // Up to a few bytes before the end of the segment.
    while writer.bytes.len() < (1 << 20) - 8192 {
        writer.write(&Entry::Other(4000));
    }
    let rest = (1 << 20) - writer.bytes.len();
    writer.write(&Entry::Other(rest - 24 - 40));
    let time = minute(44);
    let micros = time.timestamp_micros() - 946_684_800_000_000;
    writer.write(&Entry::Commit { micros, more: 3000 });
    assert!(writer.ends[0].lsn.0 < 5 << 20 && writer.ends[0].end.0 > 5 << 20);
    shelf.segments(writer);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(44), 1)]);
}

#[tokio::test]
async fn an_info_file_is_read_from_its_copy_where_it_is_cut_short() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let (name, content) = shelf.memory.take("backup.info").remove(0);
    shelf.memory.put(&name, &content[..content.len() / 2], None);
    let mut known = KnownRepository::default();
    let error = known.look(&shelf.repository(), &terms(60)).await.unwrap_err();
    assert_eq!(error.failure(), FailureKind::RepositoryDamaged);
    shelf.memory.put(&format!("{name}.copy"), &content, None);
    let picture = look(&mut known, &shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);
    assert!(matches!(&picture.oddities[..], [Oddity::InfoFromCopy { file, .. }] if file == "backup.info"));
}

#[tokio::test]
async fn files_that_are_not_pgbackrests_are_counted() {
    let mut shelf = Shelf::new(2);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    for name in [
        "18-1/0000000100000000/notes.txt",
        "18-1/x",
        "old/a",
        "18-7/0000000100000000/y",
    ] {
        shelf.memory.put(&format!("r/archive/db/{name}"), b"x", None);
    }
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);
    let foreign = |place: &str| Oddity::Foreign {
        place: place.to_owned(),
        files: 2,
    };
    assert_eq!(picture.oddities, [foreign("r/archive/db/"), foreign("18-1")]);
}

#[tokio::test]
async fn databases_before_and_after_an_upgrade_are_apart() {
    let mut shelf = Shelf::new(3).databases(&[(1, "17")]);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let mut shelf = shelf.databases(&[(1, "17"), (2, "18")]);
    shelf.wal(1, 21..=29);
    shelf.backup(1, 22);
    let picture = first_look(&shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1), (22, Some(29), 1)]);
    let ids: Vec<_> = picture
        .recovery
        .windows
        .iter()
        .map(|window| window.database_id)
        .collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(picture.database.id, 2);
}

#[tokio::test]
async fn wal_that_cannot_be_read_leaves_windows_without_an_end() {
    let mut shelf = Shelf::new(1000).databases(&[(1, "12")]);
    shelf.names(1, 1..=3000);
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 6000).await;
    assert_eq!(windows(&picture), [(2, None, 1)]);
    assert_eq!(picture.requests.segments, 0);
    let version = "12".to_owned();
    assert_eq!(picture.oddities, [Oddity::CommitTimesUnknown { version }]);
}

#[tokio::test]
async fn holes_below_archive_retention_are_no_gaps() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, [2].into_iter().chain(6..=9));
    shelf.backup(1, 2);
    shelf.backup(1, 6);
    assert_eq!(gaps(&first_look(&shelf, 60).await.recovery.gaps), [(3, 5)]);
    let retention = |backups| ArchiveRetention {
        archive: ArchivePolicy {
            counted: BackupType::Full,
            backups: Some(backups),
        },
        ..ArchiveRetention::default()
    };
    let kept = Terms {
        retention: Some(retention(1)),
        ..terms(60)
    };
    let picture = KnownRepository::default()
        .look(&shelf.repository(), &kept)
        .await
        .unwrap();
    assert_eq!(picture.recovery.gaps, []);
    assert_eq!(gaps(&picture.recovery.gaps_of_expiry), [(3, 5)]);
    let kept = Terms {
        retention: Some(retention(2)),
        ..terms(60)
    };
    let picture = KnownRepository::default()
        .look(&shelf.repository(), &kept)
        .await
        .unwrap();
    assert_eq!(gaps(&picture.recovery.gaps), [(3, 5)]);
}

#[tokio::test]
async fn a_repository_with_nothing_to_restore_is_broken() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=3);
    assert!(first_look(&shelf, 60).await.is_broken());
    shelf.backup(1, 7);
    let picture = first_look(&shelf, 60).await;
    assert!(picture.is_broken());
    assert_eq!(
        picture.recovery.backups[0].restorable,
        Restorable::AwaitingWal(segment(1, 7))
    );
}

#[tokio::test]
async fn a_stanza_that_is_not_there_is_an_error() {
    let shelf = Shelf::new(1000);
    let other = shelf.repository().of_stanza("other");
    let error = KnownRepository::default()
        .look(&other, &terms(60))
        .await
        .unwrap_err();
    assert!(matches!(error, RepositoryError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn when_a_timeline_began_is_read_once_from_the_segment_of_its_switch() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    shelf.history(2, &[(1, 6)]);
    let mut writer = Writer::new(segment(2, 6), size());
    // The switch is in the middle of the segment.
    while writer.at() < (6 << 20) + (1 << 19) {
        writer.write(&Entry::Other(4000));
    }
    writer.write(&Entry::EndOfRecovery {
        micros: minute(15).timestamp_micros() - 946_684_800_000_000,
        timelines: (2, 1),
    });
    shelf.segments(writer);
    let mut known = KnownRepository::default();
    let picture = look(&mut known, &shelf, 20).await;
    let branch = |timeline, began| crate::domain::restore::Branch { timeline, began };
    assert_eq!(
        picture.branches[&1],
        [branch(1, None), branch(2, Some(minute(15)))]
    );
    let again = look(&mut known, &shelf, 21).await;
    assert_eq!(again.branches, picture.branches);
    assert_eq!(again.requests.segments, 0);
}
