//! What is told: the repository's entry in the cluster's status, the cluster's condition, and the conditions of backups.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;

use super::decide::{Decision, Wanted, label_of};
use crate::api::cluster::retention::RepositoryRetention;
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, PerconaPGBackup, PerconaPGCluster, Reason, time};
use crate::domain::label::Label;
use crate::domain::retention::Spared;
use crate::domain::size::Bytes;
use crate::pgbackrest::repository::BackupEntry;
use crate::policy;

/// Backups that were let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Their labels.
    pub labels: Vec<String>,
    /// WAL is kept from this backup on.
    pub wal_from: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is told of one repository.
#[must_use]
pub fn entry(
    name: &str,
    wanted: &Wanted,
    decision: &Decision,
    known: Option<&RepositoryRetention>,
    done: Option<Done>,
) -> RepositoryRetention {
    let mut entry = RepositoryRetention {
        name: name.to_owned(),
        policy: in_words(wanted),
        ..known.cloned().unwrap_or_default()
    };
    if decision.wal.is_none() {
        entry.wal_from = None;
    }
    if let Some(done) = done {
        entry.wal_from = done.wal_from.or(entry.wal_from);
        if !done.labels.is_empty() {
            entry.last_expired = Some(time::to_kubernetes(done.at));
            entry.expired = done.labels;
        }
    }
    let held = decision.held;
    let some = |number: Option<i64>| number.filter(|_| held.backups > 0);
    entry.pinned = some(i64::try_from(held.backups).ok());
    entry.pinned_bytes = some(i64::try_from(held.bytes).ok());
    entry
}

fn in_words(wanted: &Wanted) -> String {
    let kept = policy::in_words(wanted.policy);
    if wanted.by_hand {
        format!("all, since expire-auto is off; else {kept}")
    } else {
        kept
    }
}

/// Why retention of a repository is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason.
    pub reason: Reason,
    /// What happened.
    pub what: String,
}

/// The condition of the cluster; none without repositories.
#[must_use]
pub fn cluster_conditions(
    cluster: &PerconaPGCluster,
    entries: &[RepositoryRetention],
    problems: &[Problem],
    now: DateTime<Utc>,
) -> Vec<Condition> {
    if entries.is_empty() && problems.is_empty() {
        return Vec::new();
    }
    let kind = ConditionType::RetentionHealthy.as_str();
    let before = cluster.status.clone().unwrap_or_default().conditions;
    let mut own: Vec<Condition> = conditions::find(&before, kind).cloned().into_iter().collect();
    // What stands in the way of an option that was set comes before what was not set.
    let worst = [
        Reason::RetentionInvalid,
        Reason::ExpireFailed,
        Reason::RetentionUnset,
    ];
    let found = worst
        .iter()
        .find(|reason| problems.iter().any(|problem| problem.reason == **reason));
    let (status, reason, texts): (Status, Reason, Vec<String>) = if let Some(reason) = found {
        let of_it = problems.iter().filter(|problem| problem.reason == *reason);
        (
            Status::False,
            *reason,
            of_it.map(|problem| problem.what.clone()).collect(),
        )
    } else {
        let kept = entries.iter();
        let kept = kept.map(|entry| format!("{} keeps {}", entry.name, entry.policy));
        (Status::True, Reason::AsSpecified, kept.collect())
    };
    let message = texts.join("; ");
    let generation = cluster.metadata.generation;
    conditions::set(&mut own, kind, status, reason.as_str(), &message, generation, now);
    own
}

/// The conditions of a backup: that it is held and what that costs, and why it is not removed though it is being deleted.
#[must_use]
pub fn backup_conditions(
    backup: &PerconaPGBackup,
    entries: &[BackupEntry],
    decision: &Decision,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let before = backup.status.clone().unwrap_or_default().conditions;
    let mut own = Vec::new();
    let mut say = |kind: ConditionType, status: Status, reason: Reason, message: &str| {
        own.extend(conditions::find(&before, kind.as_str()).cloned());
        let generation = backup.metadata.generation;
        conditions::set(
            &mut own,
            kind.as_str(),
            status,
            reason.as_str(),
            message,
            generation,
            now,
        );
    };
    let entry = label_of(backup).and_then(|label| entries.iter().find(|entry| entry.label == label));
    if let Some(entry) = entry.filter(|_| backup.spec.pinned) {
        let needed = entries
            .iter()
            .filter(|other| entry.references.contains(&other.label));
        let bytes: u64 = needed
            .clone()
            .chain([entry])
            .map(|entry| entry.repository.delta)
            .sum();
        let message = match needed.count() {
            0 => format!("it takes {} in the repository", Bytes(bytes)),
            count => format!(
                "it and the {count} that it needs take {} in the repository",
                Bytes(bytes)
            ),
        };
        say(
            ConditionType::Pinned,
            Status::True,
            Reason::BackupPinned,
            &message,
        );
    }
    let name = backup.name_any();
    if let Some((_, why)) = decision.spared.iter().find(|(spared, _)| *spared == name) {
        say(
            ConditionType::Deletable,
            Status::False,
            reason_of(why),
            &sentence(why),
        );
    } else if super::decide::is_going(backup) && entry.is_some() {
        let message = "it is being removed from the repository";
        say(
            ConditionType::Deletable,
            Status::True,
            Reason::InProgress,
            message,
        );
    }
    own
}

fn reason_of(why: &Spared) -> Reason {
    match why {
        Spared::Pinned(_) => Reason::BackupPinned,
        Spared::Needed(_) => Reason::BackupNeeded,
        Spared::Last => Reason::LastBackup,
    }
}

fn sentence(why: &Spared) -> String {
    format!("it stays in the repository: {why}")
}

/// In one line, bounded.
#[must_use]
pub fn labels(all: &[Label]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<&str> = all.iter().take(SHOWN).map(Label::as_str).collect();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
