use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::restore::{Stop, Target};

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_219_200, 0).unwrap() + TimeDelta::minutes(minute)
}

fn label(minute: i64) -> String {
    format!("{}F", at(minute).format("%Y%m%d-%H%M%S"))
}

/// A repository with one backup, that ended at a minute, and WAL up to another.
fn seen(name: &str, backup: i64, to: i64, bytes: u64) -> Seen {
    let (first, last) = ("000000010000000000000003", "000000010000000000000009");
    let picture: Value = json!({
        "lookedAt": at(100), "database": {"id": 1, "systemId": 7, "version": "18"},
        "backups": [{
            "label": label(backup), "backupType": "full", "references": [], "started": at(backup - 1), "stopped": at(backup),
            "archiveStart": first, "archiveStop": first, "lsnStart": "0/3000028", "lsnStop": "0/3000100",
            "size": 1000, "sizeDelta": 1000, "repository": {"size": bytes, "delta": bytes}, "pageErrors": false,
            "annotation": {}, "databaseId": 1,
        }],
        "recovery": {
            "windows": [{
                "from": at(backup), "to": at(to), "timeline": 1, "backup": label(backup), "timelines": [1],
                "lastSegment": last, "databaseId": 1,
            }],
            "gaps": [], "gapsInGrace": [], "gapsOfExpiry": [], "unusable": [],
            "backups": [{
                "label": label(backup), "databaseId": 1, "restorable": "yes", "latestRestorableTime": at(to),
                "reaches": [{"timeline": 1, "timelines": [1], "lastSegment": last, "to": at(to), "toLsn": "0/9000028"}],
                "pageErrors": false, "clocksDisagree": false,
            }],
        },
        "archives": [], "oddities": [], "requests": {"listings": 1, "segments": 1},
    });
    let picture: Picture = serde_json::from_value(picture).unwrap();
    Seen {
        name: name.to_owned(),
        news: News {
            picture: Some(Arc::new(picture)),
            ..News::default()
        },
    }
}

fn unreadable(name: &str) -> Seen {
    let mut seen = seen(name, 10, 90, 5);
    seen.news.trouble = Some(crate::controllers::archive::Trouble {
        reason: Reason::CredentialsRefused,
        message: "403 Forbidden".to_owned(),
    });
    seen
}

fn wanted(stop: Stop) -> Wanted {
    Wanted {
        repository_time: None,
        repository: None,
        target: Target::of(stop),
        arguments: Vec::new(),
        set: None,
    }
}

#[test]
fn what_a_restore_would_come_to_is_told() {
    let seen = [seen("repo1", 10, 60, 300), seen("repo2", 40, 80, 400)];
    let found = assess(&wanted(Stop::Time(at(50))), &seen, at(100));
    assert_eq!(found.verdict, Ok(()));
    let preflight = found.preflight;
    assert_eq!(preflight.repository.as_deref(), Some("repo2"));
    assert_eq!(preflight.backup, Some(label(40)));
    assert!(
        preflight.why.as_ref().unwrap().contains("nearest"),
        "{preflight:?}"
    );
    assert_eq!((preflight.timeline, preflight.certain), (Some(1), Some(true)));
    assert_eq!(preflight.target.as_deref(), Some("2026-11-21 00:50:00 UTC"));
    assert_eq!(
        (preflight.database_bytes, preflight.repository_bytes),
        (Some(1000), Some(400))
    );
    assert_eq!(preflight.newest_commit, Some(time::to_kubernetes(at(80))));
    assert_eq!(
        preflight.last_segment.as_deref(),
        Some("000000010000000000000009")
    );
    let answers: Vec<_> = preflight
        .repositories
        .iter()
        .map(|it| (it.name.as_str(), it.serves))
        .collect();
    assert_eq!(answers, [("repo1", true), ("repo2", true)]);
}

#[test]
fn a_target_that_cannot_be_reached_is_refused_with_what_each_repository_says() {
    let seen = [unreadable("repo1"), seen("repo2", 40, 80, 400)];
    let found = assess(&wanted(Stop::Time(at(90))), &seen, at(100));
    let refused = found.verdict.unwrap_err();
    assert_eq!(refused.reason, Reason::TargetUnreachable);
    for part in [
        "repo1: 403 Forbidden",
        "repo2: the latest time that can be reached is 2026-11-21 01:20:00 UTC",
    ] {
        assert!(refused.what.contains(part), "{}", refused.what);
    }
    assert_eq!(found.preflight.backup, None);
}

#[test]
fn a_time_that_has_passed_may_still_come_within_reach_where_no_wal_is_missing() {
    let may = |stop: Stop, seen: &[Seen]| assess(&wanted(stop), seen, at(100)).may_arrive;
    assert!(may(Stop::Time(at(90)), &[seen("repo1", 40, 80, 400)]));
    assert!(may(
        Stop::Lsn("0/9000029".parse().unwrap()),
        &[seen("repo1", 40, 80, 400)]
    ));
    // It is yet to come, or lies before all there is.
    assert!(!may(Stop::Time(at(101)), &[seen("repo1", 40, 80, 400)]));
    assert!(!may(Stop::Time(at(30)), &[seen("repo1", 40, 80, 400)]));
    assert!(!may(Stop::Time(at(90)), &[unreadable("repo1")]));
}

#[test]
fn what_has_no_room_beside_the_data_that_are_there_is_refused_before_anything_is_stopped() {
    let mut found = assess(&wanted(Stop::Latest), &[seen("repo1", 40, 80, 400)], at(100));
    found.has_room_beside(None);
    found.has_room_beside(Some(1 << 30));
    assert_eq!(found.verdict, Ok(()));
    found.has_room_beside(Some(1 << 20));
    assert_eq!(found.verdict.unwrap_err().reason, Reason::NoRoomForPrevious);
}

#[test]
fn a_repository_that_cannot_be_read_now_is_not_chosen_for_what_it_held_before() {
    let found = assess(&wanted(Stop::Latest), &[unreadable("repo1")], at(100));
    assert_eq!(found.verdict.unwrap_err().reason, Reason::CredentialsRefused);
    let both = [unreadable("repo1"), seen("repo2", 40, 80, 400)];
    let found = assess(&wanted(Stop::Latest), &both, at(100));
    assert_eq!(found.preflight.repository.as_deref(), Some("repo2"));
    assert_eq!(
        found.preflight.why.as_deref(),
        Some("no other repository serves the target")
    );
}

#[test]
fn of_a_restore_point_it_is_told_that_it_is_not_certain() {
    let stop = Stop::Name("before".to_owned());
    let found = assess(&wanted(stop), &[seen("repo1", 10, 60, 300)], at(100));
    assert_eq!(found.verdict, Ok(()));
    assert_eq!(found.preflight.certain, Some(false));
}

#[test]
fn a_new_cluster_begins_neither_from_where_it_writes_nor_from_another_version() {
    let source = [seen("repo1", 10, 60, 300)];
    let named = |name: &str, place: &str| (name.to_owned(), place.to_owned());
    let theirs = [
        named("repo1", "s3://bucket/other"),
        named("repo2", "s3://bucket/old"),
    ];
    let own = |place: &str| [named("repo2", place)];
    let mut apart = assess(&wanted(Stop::Latest), &source, at(100));
    apart.must_be_apart(&theirs, &own("s3://bucket/new"));
    apart.must_be_of_version(&source, 18);
    assert_eq!(apart.verdict, Ok(()));
    apart.must_be_of_version(&source, 17);
    assert_eq!(apart.verdict.unwrap_err().reason, Reason::InvalidSpecification);
    let mut same = assess(&wanted(Stop::Latest), &source, at(100));
    same.must_be_apart(&theirs, &own("s3://bucket/old"));
    assert_eq!(same.verdict.unwrap_err().reason, Reason::SourceIsTarget);
}
