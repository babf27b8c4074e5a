//! The conditions of a cluster, each with its public reason.

use chrono::{DateTime, Utc};

use super::{Facts, volumes};
use crate::api::cluster::status::{ClusterState, PerconaPGClusterStatus};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason};
use crate::controllers::cluster::bootstrap;
use crate::controllers::cluster::repositories::Verdict;
use crate::controllers::cluster::validated::Stopped;

const FOLLOWS: &str = "it follows another cluster";

/// Sets every condition from the facts.
pub fn update(status: &mut PerconaPGClusterStatus, facts: &Facts<'_>, now: DateTime<Utc>) {
    let generation = facts.observed.cluster.metadata.generation;
    let state = status.state.clone();
    let ready = state == Some(ClusterState::Ready);
    let mut set = |kind: &str, holds: Status, reason: Reason, message: &str| {
        conditions::set(
            &mut status.conditions,
            kind,
            holds,
            reason.as_str(),
            message,
            generation,
            now,
        );
    };

    let unsupported = facts.unsupported;
    let (holds, reason, message) = if unsupported.is_empty() {
        (
            Status::False,
            Reason::AsSpecified,
            "every field that is set is acted on".to_owned(),
        )
    } else {
        (
            Status::True,
            Reason::UnsupportedFields,
            format!("not acted on: {}", unsupported.join(", ")),
        )
    };
    set(ConditionType::UnsupportedFields.as_str(), holds, reason, &message);

    match facts.validated {
        Err(refusal) => {
            for kind in [
                ConditionType::Valid,
                ConditionType::Progressing,
                ConditionType::Ready,
                ConditionType::ReadyForBackup,
            ] {
                set(kind.as_str(), Status::False, refusal.reason, &refusal.message);
            }
            return;
        }
        Ok(_) => {
            set(
                ConditionType::Valid.as_str(),
                Status::True,
                Reason::AsSpecified,
                "the specification is acted on",
            );
        }
    }
    let paused = facts.validated.is_ok_and(|cluster| cluster.paused);
    let pause = paused.then(|| (Reason::ClusterPaused, "the cluster is paused".to_owned()));
    let written = facts.observed.cluster.status.as_ref();
    let restore = written.and_then(|status| status.restore.as_ref()).map(|restore| {
        let what = format!("the cluster is stopped for PerconaPGRestore {}", restore.name);
        (Reason::RestoreUnderWay, what)
    });
    let awaits = facts
        .validated
        .is_ok_and(|cluster| cluster.stopped == Some(Stopped::AwaitsData));
    let restore = awaits.then(|| bootstrap::told(facts.observed)).or(restore);
    let stopped = restore.clone().or_else(|| pause.clone());
    progress(&mut set, facts, ready, stopped.as_ref());
    users(&mut set, facts);
    let backup = repositories(&mut set, facts);
    let (holds, reason, message) = super::archiving::judge(facts, now);
    set(ConditionType::ArchivingHealthy.as_str(), holds, reason, &message);
    // A repository's trouble outlasts a pause, but not every restore.
    let follows = facts.observed.cluster.is_standby();
    let (holds, reason, message) = match restore.or(backup).or(pause) {
        _ if follows => (false, Reason::ClusterIsStandby, FOLLOWS.to_owned()),
        Some((reason, message)) => (false, reason, message),
        None if !super::has_primary(facts) => (
            false,
            Reason::PrimaryUnreachable,
            "no instance reports that it takes writes".to_owned(),
        ),
        None => (
            true,
            Reason::AsSpecified,
            "a backup would be started now".to_owned(),
        ),
    };
    set(
        ConditionType::ReadyForBackup.as_str(),
        holds.into(),
        reason,
        &message,
    );
    conditions_of_gone_repositories(status, facts);
    volumes::update(status, facts, now);
}

fn counted(facts: &Facts<'_>) -> String {
    let Ok(cluster) = facts.validated else {
        return String::new();
    };
    let waiting: Vec<String> = cluster
        .instances
        .iter()
        .filter(|instance| !super::pod_of(facts.observed, &instance.name).is_some_and(super::is_ready))
        .map(|instance| instance.name.clone())
        .collect();
    if waiting.is_empty() {
        "waiting for the pooler, or for Pods that are being replaced".to_owned()
    } else {
        format!("not ready: {}", waiting.join(", "))
    }
}

type Set<'a> = dyn FnMut(&str, Status, Reason, &str) + 'a;

fn progress(set: &mut Set<'_>, facts: &Facts<'_>, ready: bool, stopped: Option<&(Reason, String)>) {
    match (facts.write_problem, stopped) {
        (Some(problem), _) => {
            set(
                ConditionType::Progressing.as_str(),
                Status::False,
                Reason::ApiRefused,
                problem,
            );
        }
        (None, Some((reason, message))) => {
            set(
                ConditionType::Progressing.as_str(),
                Status::False,
                *reason,
                message,
            );
        }
        (None, None) => {
            let (reason, message) = if ready {
                (Reason::AsSpecified, "nothing is left to do")
            } else {
                (Reason::InProgress, "changes are being carried out")
            };
            set(ConditionType::Progressing.as_str(), Status::True, reason, message);
        }
    }
    let (reason, message) = if let Some(stopped) = stopped {
        stopped.clone()
    } else if ready {
        (Reason::AsSpecified, "every part is ready".to_owned())
    } else {
        (Reason::InstancesNotReady, counted(facts))
    };
    set(ConditionType::Ready.as_str(), ready.into(), reason, &message);
}

fn users(set: &mut Set<'_>, facts: &Facts<'_>) {
    let kind = ConditionType::UsersApplied.as_str();
    let writable = facts
        .reports
        .iter()
        .find(|(_, report)| report.in_recovery == Some(false));
    let Some((_, report)) = writable else {
        if facts.observed.cluster.is_standby() {
            let message = "users and databases are those of the cluster that it follows";
            return set(kind, Status::Unknown, Reason::ClusterIsStandby, message);
        }
        set(
            kind,
            Status::Unknown,
            Reason::PrimaryUnreachable,
            "no instance reports that it takes writes",
        );
        return;
    };
    if let Some(problem) = report.problems.first() {
        let message = format!("{} ({}): {}", problem.what, problem.code, problem.message);
        set(kind, Status::False, Reason::UsersNotApplied, &message);
    } else if report.revision.as_deref() == facts.revision {
        set(
            kind,
            Status::True,
            Reason::AsSpecified,
            "users, databases and settings are applied",
        );
    } else {
        set(
            kind,
            Status::False,
            Reason::InProgress,
            "the newest version is being applied",
        );
    }
}

/// Sets the conditions of repositories; returns why no backup can be taken, if none can.
fn repositories(set: &mut Set<'_>, facts: &Facts<'_>) -> Option<(Reason, String)> {
    let all = ConditionType::RepositoryReady;
    let backups = facts.validated.ok().and_then(|cluster| cluster.backups.as_ref());
    if backups.is_none() {
        let message = "backups are off: WAL is discarded, and the cluster cannot be restored to any time";
        set(all.as_str(), Status::False, Reason::BackupsDisabled, message);
        return Some((Reason::BackupsDisabled, message.to_owned()));
    }
    let usable = |verdict: &Verdict| verdict.cleared && verdict.stanza;
    for verdict in facts.repositories {
        set(
            &all.of_repository(&verdict.repo),
            usable(verdict).into(),
            verdict.reason,
            &verdict.message,
        );
    }
    let no_jobs = backups.and_then(|backups| Some((Reason::InvalidSpecification, backups.no_jobs.clone()?)));
    let bad: Vec<&Verdict> = facts
        .repositories
        .iter()
        .filter(|verdict| !usable(verdict))
        .collect();
    let Some(first) = bad.first() else {
        set(
            all.as_str(),
            Status::True,
            Reason::AsSpecified,
            "every repository can be reached and is this cluster's",
        );
        return no_jobs;
    };
    let message = bad
        .iter()
        .map(|verdict| verdict.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    set(all.as_str(), Status::False, first.reason, &message);
    // One good repository is enough for a backup to be possible.
    (bad.len() == facts.repositories.len())
        .then_some((first.reason, message))
        .or(no_jobs)
}

fn conditions_of_gone_repositories(status: &mut PerconaPGClusterStatus, facts: &Facts<'_>) {
    let prefix = format!("{}-", ConditionType::RepositoryReady.as_str());
    status.conditions.retain(|condition| {
        condition
            .type_
            .strip_prefix(&prefix)
            .is_none_or(|name| facts.repositories.iter().any(|verdict| verdict.repo == name))
    });
}
