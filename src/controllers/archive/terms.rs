//! What the cluster's specification says about its archives.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::domain::label::Label;
use crate::pgbackrest::user_options::UserOptions;
use crate::policy;
use crate::survey::ArchiveRetention;

/// `archive_timeout` where the user sets none: our own default.
const ARCHIVE_TIMEOUT: TimeDelta = TimeDelta::seconds(60);
/// A gap is given at least this long to heal: several segments are on their way at once.
const SHORTEST_GRACE: TimeDelta = TimeDelta::seconds(15);
/// A gap is told after this, however rarely segments are switched.
const LONGEST_GRACE: TimeDelta = TimeDelta::minutes(10);

/// How long a gap may be visible before it counts: half of `archive_timeout`. An archiver that catches up out of order
/// needs seconds.
#[must_use]
pub fn grace(cluster: &PerconaPGCluster) -> TimeDelta {
    let timeout = parameter(cluster).unwrap_or(ARCHIVE_TIMEOUT);
    (timeout / 2).clamp(SHORTEST_GRACE, LONGEST_GRACE)
}

/// PostgreSQL's `archive_timeout`; nothing when it is not set, or is off.
fn parameter(cluster: &PerconaPGCluster) -> Option<TimeDelta> {
    let dynamic = &cluster.spec.patroni.as_ref()?.dynamic_configuration;
    let parameters = dynamic.as_ref()?.get("postgresql")?.get("parameters")?;
    match parameters.get("archive_timeout")? {
        serde_json::Value::Number(seconds) => TimeDelta::try_seconds(seconds.as_i64()?),
        serde_json::Value::String(text) => duration(text),
        _ => None,
    }
    .filter(|timeout| *timeout > TimeDelta::zero())
}

/// A time as PostgreSQL writes it in its settings; without a unit it is seconds here.
fn duration(text: &str) -> Option<TimeDelta> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    match unit.trim() {
        "" | "s" => TimeDelta::try_seconds(number),
        "ms" => TimeDelta::try_milliseconds(number),
        "min" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    }
}

/// What the user keeps of a repository; nothing where that cannot be understood, which the retention controller tells.
#[must_use]
pub fn retention(user: &UserOptions, repo: &str, backups: &[PerconaPGBackup]) -> Option<ArchiveRetention> {
    let (policy, archive) = policy::retention(repo, |option| user.get(option)).ok()?;
    Some(ArchiveRetention {
        policy,
        archive,
        pinned: pinned(repo, backups),
    })
}

/// Labels of the backups of a repository that are held.
#[must_use]
pub fn pinned(repo: &str, backups: &[PerconaPGBackup]) -> BTreeSet<Label> {
    backups
        .iter()
        .filter(|backup| backup.spec.pinned && backup.spec.repo_name.as_deref() == Some(repo))
        .filter_map(|backup| backup.status.as_ref()?.backup_name.as_deref()?.parse().ok())
        .collect()
}

/// Whether old backups are let go: without `repoN-retention-full` pgBackRest keeps every full backup for ever.
#[must_use]
pub fn lets_go(user: &UserOptions, key: u8) -> bool {
    user.get(&format!("repo{key}-retention-full")).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::label::BackupType;

    fn cluster(timeout: &serde_json::Value) -> PerconaPGCluster {
        serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": "c"},
            "spec": {"postgresVersion": 18, "instances": [{"name": "a", "dataVolumeClaimSpec": {}}], "backups": {},
                "patroni": {"dynamicConfiguration": {"postgresql": {"parameters": {"archive_timeout": timeout}}}}},
        }))
        .unwrap()
    }

    #[test]
    fn the_grace_of_a_gap_follows_archive_timeout_within_bounds() {
        for (timeout, seconds) in [
            (json!("60s"), 30),
            (json!(120), 60),
            (json!("5min"), 150),
            (json!("10"), 15),
            (json!("2h"), 600),
            (json!(0), 30),
            (json!("off"), 30),
        ] {
            assert_eq!(
                grace(&cluster(&timeout)),
                TimeDelta::seconds(seconds),
                "{timeout}"
            );
        }
    }

    #[test]
    fn retention_is_what_the_user_sets_but_for_what_is_pinned() {
        let mut user = UserOptions::default();
        assert_eq!(retention(&user, "repo1", &[]), Some(ArchiveRetention::default()));
        let mut set = |option: &str, value: &str| user.global.insert(option.to_owned(), value.to_owned());
        set("repo1-retention-archive", "2");
        set("repo1-retention-archive-type", "incr");
        set("repo2-retention-archive", "many");
        let backup: PerconaPGBackup = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": {"name": "b"},
            "spec": {"pgCluster": "c", "repoName": "repo1", "pinned": true},
            "status": {"backupName": "20261121-000000F"},
        }))
        .unwrap();
        let kept = retention(&user, "repo1", &[backup]).unwrap();
        assert_eq!(kept.archive.counted, BackupType::Incremental);
        assert_eq!(kept.archive.backups, Some(2));
        assert_eq!(kept.pinned, BTreeSet::from(["20261121-000000F".parse().unwrap()]));
        assert_eq!(retention(&user, "repo2", &[]), None);
    }

    #[test]
    fn old_backups_are_let_go_only_when_full_ones_are() {
        let mut user = UserOptions::default();
        let mut set = |option: &str| {
            user.global.insert(option.to_owned(), "2".to_owned());
            (lets_go(&user, 1), lets_go(&user, 2))
        };
        assert_eq!(set("repo1-retention-diff"), (false, false));
        assert_eq!(set("repo2-retention-full"), (false, true));
    }
}
