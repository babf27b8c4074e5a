use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::api::cluster::recovery::RepositoryRecovery;
use crate::api::{Reason, conditions as all};
use crate::domain::wal::SegmentSize;
use crate::domain::windows::{Cost, Gap, Recovery, Window};
use crate::pgbackrest::repository::DatabaseIdentity;
use crate::survey::{ArchivePicture, Oddity, Requests};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn window(from: i64, to: Option<i64>, last: &str) -> Window {
    Window {
        from: at(from),
        to: to.map(at),
        timeline: 1,
        backup: "20261121-013455F".parse().unwrap(),
        timelines: vec![1],
        to_lsn: None,
        last_segment: last.parse().unwrap(),
        database_id: 1,
    }
}

fn gap(lost_to: Option<i64>) -> Gap {
    Gap {
        timeline: 1,
        first: "000000010000000000000005".parse().unwrap(),
        last: "000000010000000000000007".parse().unwrap(),
        segments: 3,
        since: at(50),
        cost: Cost {
            shortened: vec!["20261121-013455F".parse().unwrap()],
            lost_from: Some(at(40)),
            lost_to: lost_to.map(at),
            ..Cost::default()
        },
    }
}

fn picture(windows: Vec<Window>, gaps: Vec<Gap>) -> Picture {
    Picture {
        looked_at: at(100),
        database: DatabaseIdentity {
            id: 1,
            version: "18".to_owned(),
            system_id: 7,
        },
        backups: vec![],
        recovery: Recovery {
            earliest_restorable_time: windows.first().map(|window| window.from),
            latest_restorable_time: windows.iter().filter_map(|window| window.to).max(),
            windows,
            gaps,
            ..Recovery::default()
        },
        archives: vec![ArchivePicture {
            id: "18-1".to_owned(),
            database_id: 1,
            segment_size: SegmentSize::default(),
            segments: 9,
            files: 9,
            bytes: 900,
            timelines: vec![1],
        }],
        branches: std::collections::BTreeMap::default(),
        protections: std::collections::BTreeMap::default(),
        oddities: vec![],
        requests: Requests::default(),
    }
}

/// Of a repository that nothing can be restored from.
pub fn nothing() -> Picture {
    picture(vec![], vec![])
}

fn found(picture: &Picture) -> Found<'_> {
    Found {
        name: "repo1",
        picture: Some(picture),
        ..Found::default()
    }
}

fn condition(found: &[Found<'_>], objective: Option<TimeDelta>, kind: &str) -> Option<Condition> {
    all::find(&conditions(found, objective, &[], Some(1), at(100)), kind).cloned()
}

#[test]
fn a_gap_is_named_with_its_segments_and_the_time_that_it_costs() {
    let broken = picture(
        vec![window(0, Some(40), "000000010000000000000004")],
        vec![gap(None)],
    );
    let said = condition(&[found(&broken)], None, "WALContinuous").unwrap();
    assert_eq!((said.status.as_str(), said.reason.as_str()), ("False", "WalGap"));
    for part in [
        "repo1: 3 segments are missing, 000000010000000000000005 to 000000010000000000000007",
        "no time after 2027-01-15T08:00:40.000000Z can be restored until the next backup has ended",
    ] {
        assert!(said.message.contains(part), "{}", said.message);
    }
    let entry = repository(&found(&broken), None);
    let gap = entry.gaps.first().unwrap();
    assert_eq!(
        (gap.segments, gap.lost_from.as_deref()),
        (3, Some("2027-01-15T08:00:40.000000Z"))
    );
    assert_eq!(
        entry.latest_restorable_time.as_deref(),
        Some("2027-01-15T08:00:40.000000Z")
    );
}

#[test]
fn a_gap_that_a_later_backup_has_ended_costs_the_time_in_between() {
    let healed = picture(
        vec![window(0, Some(40), "000000010000000000000004")],
        vec![gap(Some(90))],
    );
    let said = condition(&[found(&healed)], None, "WALContinuous").unwrap();
    assert!(
        said.message
            .contains("no time between 2027-01-15T08:00:40.000000Z and 2027-01-15T08:01:30")
    );
}

#[test]
fn a_store_that_cannot_be_read_keeps_what_was_known_with_its_age() {
    let known = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let before = repository(&found(&known), None);
    let trouble = Trouble {
        reason: Reason::EndpointUnreachable,
        message: "no route".to_owned(),
    };
    let unreachable = Found {
        trouble: Some(&trouble),
        ..found(&known)
    };
    let said = condition(std::slice::from_ref(&unreachable), None, "WALContinuous").unwrap();
    assert_eq!(
        (said.status.as_str(), said.reason.as_str()),
        ("Unknown", "EndpointUnreachable")
    );
    assert!(
        said.message.contains("last read at 2027-01-15T08:01:40"),
        "{}",
        said.message
    );
    // A controller that was restarted meanwhile has no picture; what the status says stays.
    for unreachable in [
        unreachable,
        Found {
            picture: None,
            trouble: Some(&trouble),
            ..found(&known)
        },
    ] {
        let after = repository(&unreachable, Some(&before));
        assert_eq!(after.state.as_deref(), Some("EndpointUnreachable"));
        assert_eq!(after.windows, before.windows);
        assert_eq!(after.listed_at, before.listed_at);
    }
}

#[test]
fn what_is_wrong_with_a_repository_is_told_with_its_reason_and_small_things_are_only_listed() {
    let intact = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let with = |oddity: Oddity| Picture {
        branches: std::collections::BTreeMap::default(),
        protections: std::collections::BTreeMap::default(),
        oddities: vec![oddity],
        ..intact.clone()
    };
    let said = |picture: &Picture| {
        let said = condition(&[found(picture)], None, "RepositoriesIntact").unwrap();
        (said.status, said.reason)
    };
    assert_eq!(said(&intact).0, "True");
    let foreign = with(Oddity::Foreign {
        place: "18-1".to_owned(),
        files: 2,
    });
    assert_eq!(said(&foreign).0, "True");
    assert_eq!(
        repository(&found(&foreign), None).oddities,
        ["2 files in 18-1 are not pgBackRest's"]
    );
    let copy = Oddity::InfoFromCopy {
        file: "backup.info".to_owned(),
        what: "it is cut short".to_owned(),
    };
    let mixed = Oddity::IdentitiesDiffer {
        archive: 1,
        backup: 2,
    };
    let back = Oddity::RolledBack {
        backup: "20261121-013455F".parse().unwrap(),
    };
    let clock = Oddity::ClockAhead {
        what: "the last commit was made".to_owned(),
        time: at(3600),
    };
    for (oddity, reason) in [
        (copy, "RepositoryDamaged"),
        (mixed, "RepositoryMixed"),
        (back, "RepositoryRolledBack"),
        (clock, "ClocksDisagree"),
    ] {
        assert_eq!(said(&with(oddity)), ("False".to_owned(), reason.to_owned()));
    }
}

#[test]
fn a_repository_that_gets_no_wal_by_the_users_wish_says_so() {
    let known = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let suspended = Found {
        suspended: true,
        ..found(&known)
    };
    let entry = repository(&suspended, None);
    assert_eq!(entry.state.as_deref(), Some("ArchivingSuspended"));
    assert_eq!(entry.archive_lag_seconds, None);
    assert_eq!(entry.windows.len(), 1, "what is there can be restored");
}

#[test]
fn a_look_that_found_nothing_new_is_no_news_for_some_minutes() {
    let first = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let before = repository(&found(&first), None);
    let look = |seconds: i64| {
        let again = Picture {
            looked_at: at(100 + seconds),
            ..first.clone()
        };
        repository(&found(&again), Some(&before))
    };
    assert_eq!(look(299), before);
    assert_ne!(look(300).listed_at, before.listed_at);
    let newer = Picture {
        looked_at: at(101),
        ..picture(vec![window(0, Some(60), "000000010000000000000005")], vec![])
    };
    assert_eq!(
        repository(&found(&newer), Some(&before)).listed_at,
        Some(written(at(101)))
    );
}

#[test]
fn there_is_no_lag_once_the_last_write_has_arrived_and_none_that_is_not_known() {
    let known = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let lag = |segment| {
        lag(
            &known,
            LastWrite {
                segment,
                commit: None,
            },
            at(100),
        )
    };
    assert_eq!(lag(Some("000000010000000000000004")), Some(TimeDelta::zero()));
    assert_eq!(
        lag(Some("000000010000000000000005")),
        Some(TimeDelta::seconds(60))
    );
    assert_eq!(lag(None), None);
    assert_eq!(lag(Some("nonsense")), None);
    // Nothing is written any more: the segment that was begun may never be archived.
    let quiet = |commit: DateTime<Utc>| {
        let last = LastWrite {
            segment: Some("000000010000000000000005"),
            commit: Some(commit),
        };
        super::lag(&known, last, at(100)).is_some_and(|lag| lag.is_zero())
    };
    let newest = known
        .recovery
        .windows
        .iter()
        .filter_map(|window| window.to)
        .max()
        .unwrap();
    assert!(quiet(newest) && !quiet(newest + TimeDelta::microseconds(1)));
}

#[test]
fn the_objective_is_met_when_one_repository_is_near_enough() {
    let known = picture(vec![window(0, Some(40), "000000010000000000000004")], vec![]);
    let lagging = |lag| Found {
        lag: Some(TimeDelta::seconds(lag)),
        ..found(&known)
    };
    let said = |found: &[Found<'_>]| {
        let said = condition(found, Some(TimeDelta::seconds(90)), "RecoveryPointObjectiveMet").unwrap();
        (said.status, said.reason)
    };
    assert_eq!(said(&[lagging(600), lagging(90)]).0, "True");
    let (status, reason) = said(&[lagging(600), lagging(91)]);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "RecoveryPointExceeded")
    );
    let nothing = picture(vec![], vec![]);
    assert_eq!(said(&[found(&nothing)]).1, "NothingRestorable");
    assert_eq!(
        condition(&[lagging(600)], None, "RecoveryPointObjectiveMet"),
        None
    );
}

#[test]
fn lists_are_cut_to_the_newest_and_say_how_many_more_there_are() {
    let many = (0..25)
        .map(|n| window(n, Some(n), "000000010000000000000004"))
        .collect();
    let entry: RepositoryRecovery = repository(&found(&picture(many, vec![])), None);
    assert_eq!((entry.windows.len(), entry.more_windows), (20, Some(5)));
    assert_eq!(entry.windows.first().unwrap().from, written(at(24)));
}
