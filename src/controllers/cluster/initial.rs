//! The first full backup of a repository, which a cluster takes by itself. Pure: what exists decides.
//!
//! It is an ordinary object with a name of its own, so it waits its turn and blocks nobody. One that failed is followed
//! by another after a growing pause; the failed ones stay, to be read.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use super::names::LABEL_INITIAL;
use super::repositories::Verdict;
use super::validated::ValidatedCluster;
use crate::api::backup::{JobState, PerconaPGBackup};
use crate::api::time;
use crate::controllers::backup::request::Author;
use crate::domain::label::BackupType;

/// Pause after the first failure; doubled with each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// It grows no further.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(6);

/// What to do about the first backup now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing: one is under way, has succeeded, is not needed or not possible.
    Nothing,
    /// Wait until then: the last one failed.
    Wait(DateTime<Utc>),
    /// Create this one.
    Create(Box<PerconaPGBackup>),
}

/// Decides about one repository.
#[must_use]
pub fn next(
    cluster: &ValidatedCluster,
    verdict: &Verdict,
    backups: &[PerconaPGBackup],
    now: DateTime<Utc>,
) -> Step {
    let backups_to = cluster.backups.as_ref();
    let suspended = backups_to.is_some_and(|to| to.suspended().any(|repo| repo.name == verdict.repo));
    if !verdict.stanza
        || !verdict.empty
        || cluster.standby.is_some()
        || cluster.paused
        || cluster.stopped.is_some()
        || suspended
    {
        return Step::Nothing;
    }
    // Any backup of that repository which runs or has succeeded will do.
    let of_repository = || {
        backups
            .iter()
            .filter(|backup| backup.spec.repo_name.as_deref() == Some(verdict.repo.as_str()))
    };
    let failed = |backup: &PerconaPGBackup| state(backup) == Some(&JobState::Failed);
    if of_repository().any(|backup| !failed(backup)) {
        return Step::Nothing;
    }
    let tries: Vec<&PerconaPGBackup> = of_repository()
        .filter(|backup| backup.labels().contains_key(LABEL_INITIAL))
        .collect();
    let last_end = tries
        .iter()
        .filter_map(|backup| {
            let ended = backup
                .status
                .as_ref()
                .and_then(|status| status.completed.as_ref());
            ended
                .or(backup.metadata.creation_timestamp.as_ref())
                .map(time::from_kubernetes)
        })
        .max();
    if let Some(last_end) = last_end {
        let doublings = u32::try_from(tries.len().saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(16);
        let pause = (FIRST_PAUSE * 2_i32.saturating_pow(doublings)).min(LONGEST_PAUSE);
        if now < last_end + pause {
            return Step::Wait(last_end + pause);
        }
    }
    let taken = |name: &str| backups.iter().any(|backup| backup.name_any() == name);
    let base = format!("{}-{}-initial", cluster.names.cluster, verdict.repo);
    let name = std::iter::once(base.clone())
        .chain((2..=u32::MAX).map(|number| format!("{base}-{number}")))
        .find(|name| !taken(name))
        .unwrap_or(base);
    Step::Create(Box::new(object(cluster, name, &verdict.repo)))
}

fn state(backup: &PerconaPGBackup) -> Option<&JobState> {
    backup.status.as_ref().and_then(|status| status.state.as_ref())
}

fn object(cluster: &ValidatedCluster, name: String, repo: &str) -> PerconaPGBackup {
    let author = Author {
        namespace: &cluster.names.namespace,
        cluster: &cluster.names.cluster,
        owner: cluster.owner.clone(),
        labels: &cluster.metadata.labels,
    };
    author.request(name, repo, BackupType::Full, (LABEL_INITIAL, "true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use crate::api::backup::PerconaPGBackupStatus;
    use crate::controllers::cluster::build::tests::{SMALL, cluster};

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap()
    }

    fn ready() -> Verdict {
        Verdict {
            repo: "repo1".to_owned(),
            cleared: true,
            stanza: true,
            empty: true,
            database: None,
            reason: Reason::AsSpecified,
            message: String::new(),
        }
    }

    fn ended(name: &str, state: JobState, minutes: i64) -> PerconaPGBackup {
        let mut backup = object(&cluster(SMALL), name.to_owned(), "repo1");
        backup.status = Some(PerconaPGBackupStatus {
            state: Some(state),
            completed: Some(time::to_kubernetes(at(minutes))),
            ..PerconaPGBackupStatus::default()
        });
        backup
    }

    fn created(step: Step) -> Option<String> {
        match step {
            Step::Create(backup) => Some(backup.name_any()),
            _ => None,
        }
    }

    #[test]
    fn an_empty_repository_with_a_stanza_gets_a_first_backup_once() {
        let cluster = cluster(SMALL);
        assert_eq!(
            created(next(&cluster, &ready(), &[], at(0))).unwrap(),
            "app-repo1-initial"
        );
        for state in [JobState::Starting, JobState::Running, JobState::Succeeded] {
            let backups = [ended("app-repo1-initial", state, 0)];
            assert_eq!(next(&cluster, &ready(), &backups, at(999)), Step::Nothing);
        }
        let just_created = object(&cluster, "any".to_owned(), "repo1");
        assert_eq!(next(&cluster, &ready(), &[just_created], at(0)), Step::Nothing);
    }

    #[test]
    fn none_is_taken_before_there_is_a_stanza_or_when_there_are_backups() {
        let cluster = cluster(SMALL);
        let without = Verdict {
            stanza: false,
            ..ready()
        };
        let full = Verdict {
            empty: false,
            ..ready()
        };
        for verdict in [without, full] {
            assert_eq!(next(&cluster, &verdict, &[], at(0)), Step::Nothing);
        }
    }

    #[test]
    fn none_is_taken_into_a_repository_that_gets_no_wal() {
        let mut cluster = cluster(SMALL);
        for repo in &mut cluster.backups.as_mut().unwrap().repos {
            repo.suspended = true;
        }
        assert_eq!(next(&cluster, &ready(), &[], at(0)), Step::Nothing);
    }

    #[test]
    fn after_a_failure_there_is_another_after_a_growing_pause() {
        let cluster = cluster(SMALL);
        let mut backups = vec![ended("app-repo1-initial", JobState::Failed, 0)];
        assert_eq!(next(&cluster, &ready(), &backups, at(0)), Step::Wait(at(1)));
        assert_eq!(
            created(next(&cluster, &ready(), &backups, at(1))).unwrap(),
            "app-repo1-initial-2"
        );
        backups.push(ended("app-repo1-initial-2", JobState::Failed, 5));
        assert_eq!(next(&cluster, &ready(), &backups, at(5)), Step::Wait(at(7)));
        assert_eq!(
            created(next(&cluster, &ready(), &backups, at(7))).unwrap(),
            "app-repo1-initial-3"
        );
    }
}
