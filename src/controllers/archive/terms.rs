//! What the cluster's specification says about its archives.

use chrono::TimeDelta;

use crate::api::PerconaPGCluster;
use crate::domain::label::BackupType;
use crate::pgbackrest::user_options::UserOptions;
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

/// `repoN-retention-archive`, where it is set: without it pgBackRest keeps all WAL from the oldest backup on.
#[must_use]
pub fn retention(user: &UserOptions, key: u8) -> Option<ArchiveRetention> {
    let backups = user
        .get(&format!("repo{key}-retention-archive"))?
        .trim()
        .parse()
        .ok()?;
    let counted = user
        .get(&format!("repo{key}-retention-archive-type"))
        .and_then(|word| word.trim().parse().ok())
        .unwrap_or(BackupType::Full);
    Some(ArchiveRetention { counted, backups })
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
    fn retention_of_the_archive_is_what_the_user_sets_and_counts_full_backups() {
        let mut user = UserOptions::default();
        assert_eq!(retention(&user, 1), None);
        user.global
            .insert("repo1-retention-archive".to_owned(), "2".to_owned());
        let counted = retention(&user, 1).unwrap();
        assert_eq!((counted.counted, counted.backups), (BackupType::Full, 2));
        user.global
            .insert("repo1-retention-archive-type".to_owned(), "incr".to_owned());
        assert_eq!(retention(&user, 1).unwrap().counted, BackupType::Incremental);
        assert_eq!(retention(&user, 2), None);
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
