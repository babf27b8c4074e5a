//! What people and programs read.

use super::*;
use crate::survey::tests::memory::{Shelf, minute, segment};

async fn report_of(shelf: &Shelf) -> Report {
    let terms = Terms {
        now: minute(200),
        grace: TimeDelta::minutes(1),
        retention: None,
        most_segments: 100,
    };
    let picture = KnownRepository::default()
        .look(&shelf.repository(), &terms)
        .await
        .unwrap();
    Report::new("s3://bucket/path".into(), "db", picture, None)
}

/// A failover, a branch, a gap, and a backup that the gap has spoilt.
async fn troubled() -> Report {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=40);
    shelf.wal(2, 30..=100);
    shelf.history(2, &[(1, 30)]);
    for (timeline, index) in [(1, 2), (1, 20), (2, 50), (2, 62), (2, 90)] {
        shelf.backup(timeline, index);
    }
    for index in 60..=69 {
        shelf.memory.take(&segment(2, index).to_string());
    }
    report_of(&shelf).await
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[tokio::test]
async fn a_report_reads_as_follows() {
    let text = troubled().await.text(Paper {
        width: 100,
        ascii: false,
    });
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn tables_and_picture_fit_any_width() {
    let report = troubled().await;
    for width in 30..150 {
        for ascii in [false, true] {
            let text = report.text(Paper { width, ascii });
            // A word that is longer than the terminal stands alone on its line.
            let long = lines(&text)
                .into_iter()
                .find(|line| line.chars().count() > width && line.trim().contains(' '));
            assert_eq!(long, None, "{width}");
            assert!(!ascii || text.is_ascii(), "{width}");
        }
    }
}

#[tokio::test]
async fn json_has_the_public_names() {
    let report = troubled().await;
    assert!(report.is_broken());
    let json = serde_json::to_value(&report).unwrap();
    let keys =
        |value: &serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for key in ["from", "to", "timeline", "backup"] {
        assert!(
            keys(&json["windows"][0]).iter().any(|found| found == key),
            "{key}"
        );
    }
    let gap = &json["gaps"][0];
    assert_eq!(gap["timeline"], 2);
    assert_eq!(gap["first"], segment(2, 60).to_string());
    assert_eq!(gap["last"], segment(2, 69).to_string());
    assert_eq!(gap["segments"], 10);
    assert_eq!(gap["since"], "2026-11-21T01:10:00Z");
    assert_eq!(json["earliestRestorableTime"], "2026-11-21T00:02:00Z");
    assert_eq!(json["latestRestorableTime"], "2026-11-21T01:40:00Z");
    assert_eq!(
        json["backups"][3]["restorable"]["missingWal"],
        segment(2, 62).to_string()
    );
    assert_eq!(json["backups"][0]["restorable"], "yes");
    assert_eq!(json["backups"][0]["type"], "full");
    assert_eq!(json["database"]["systemId"], "7710444307258826731");
}

#[tokio::test]
async fn a_whole_repository_is_not_broken_and_an_empty_one_is() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    let report = report_of(&shelf).await;
    assert!(report.is_broken());
    assert!(
        report
            .text(Paper {
                width: 80,
                ascii: true
            })
            .contains("Nothing can be restored.")
    );
    shelf.backup(1, 2);
    let report = report_of(&shelf).await;
    assert!(!report.is_broken());
    let text = report.text(Paper {
        width: 80,
        ascii: true,
    });
    assert!(
        text.contains("from 2026-11-21 00:02:00 to 2026-11-21 00:09:00."),
        "{text}"
    );
    assert!(!text.contains("Gaps"), "{text}");
}

#[tokio::test]
async fn every_kind_of_failure_has_its_exit_code() {
    use crate::{
        pgbackrest::repository::RepositoryError,
        storage::{StorageError, StorageErrorKind},
    };
    let file = || "f".to_owned();
    let denied = StorageError::new(StorageErrorKind::CredentialsRefused, "list s3://b", "HTTP 403");
    for (error, code) in [
        (InspectError::from(denied), 3),
        (RepositoryError::Missing { file: file() }.into(), 4),
        (RepositoryError::WrongPassphrase { file: file() }.into(), 4),
        (
            RepositoryError::Damaged {
                file: file(),
                what: file(),
            }
            .into(),
            4,
        ),
        (InspectError::Usage("u".into()), 2),
    ] {
        assert_eq!(error.exit_code(), code, "{error}");
    }
}
