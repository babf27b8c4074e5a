//! What is to go from one repository. Pure: what is in it, what the user asks for, and a clock that is passed in.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use crate::api::PerconaPGBackup;
use crate::api::backup::{DeletionPolicy, JobState};
use crate::api::names::FINALIZER_EXPIRE;
use crate::domain::label::Label;
use crate::domain::retention::{ArchivePolicy, Held, Policy, Spared, WalKept, deletable};
use crate::pgbackrest::repository::BackupEntry;

/// What the user wants to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of the backups.
    pub policy: Policy,
    /// Of the WAL.
    pub archive: ArchivePolicy,
    /// `expire-auto=n`: nothing goes by itself.
    pub by_hand: bool,
}

/// What is to be done about a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Backups that go, in the order of their labels.
    pub gone: Vec<Label>,
    /// Which WAL is kept afterwards; all of it when absent.
    pub wal: Option<WalKept>,
    /// Objects that are being deleted and whose backup stays, and why.
    pub spared: Vec<(String, Spared)>,
    /// Objects that are being deleted and whose backup is there no more.
    pub finished: Vec<String>,
    /// What is there only since it is held.
    pub held: HeldBeyond,
}

/// Backups that retention would let go if nobody held them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBeyond {
    /// How many.
    pub backups: usize,
    /// What they take in the repository, in bytes.
    pub bytes: u64,
}

/// Decides. `objects`: the backups of this repository.
#[must_use]
pub fn decide(
    wanted: &Wanted,
    entries: &[BackupEntry],
    objects: &[&PerconaPGBackup],
    now: DateTime<Utc>,
) -> Decision {
    let pinned = |label: &Label| {
        let holds =
            |object: &&&PerconaPGBackup| object.spec.pinned && label_of(object).as_ref() == Some(label);
        objects.iter().any(|object| holds(&object))
    };
    let backups: Vec<Held> = entries
        .iter()
        .map(|entry| entry.held(pinned(&entry.label)))
        .collect();
    let (asked, finished) = deletions(objects, &backups);
    let labels: Vec<Label> = asked.iter().map(|(_, label)| label.clone()).collect();
    let (mut gone, refused) = deletable(&labels, &backups);
    let spared = asked
        .iter()
        .filter_map(|(name, label)| {
            let (_, why) = refused.iter().find(|(refused, _)| refused == label)?;
            Some((name.clone(), why.clone()))
        })
        .collect();
    let mut left: Vec<Held> = backups.clone();
    left.retain(|backup| !gone.contains(&backup.label));
    let mut wal = None;
    if !wanted.by_hand {
        let expired = wanted.policy.expired(&left, now);
        left.retain(|backup| !expired.contains(&backup.label));
        gone.extend(expired);
        wal = wanted.archive.kept(&wanted.policy, &left, now);
    }
    gone.sort();
    Decision {
        wal,
        spared,
        finished,
        held: held_beyond(wanted, &left, entries, now),
        gone,
    }
}

/// Objects that are being deleted together with their backup: those whose backup is there, with its label, and the others.
fn deletions(objects: &[&PerconaPGBackup], backups: &[Held]) -> (Vec<(String, Label)>, Vec<String>) {
    let mut asked = Vec::new();
    let mut finished = Vec::new();
    for object in objects.iter().filter(|object| is_going(object)) {
        let label = label_of(object).filter(|label| backups.iter().any(|backup| backup.label == *label));
        match label {
            Some(label) => asked.push((object.name_any(), label)),
            None => finished.push(object.name_any()),
        }
    }
    (asked, finished)
}

/// It is being deleted, and waits for us.
pub fn is_going(object: &PerconaPGBackup) -> bool {
    object.metadata.deletion_timestamp.is_some()
        && object
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER_EXPIRE)
}

/// Its backup goes with it.
pub fn goes_with_data(object: &PerconaPGBackup) -> bool {
    let succeeded =
        |status: &crate::api::backup::PerconaPGBackupStatus| status.state == Some(JobState::Succeeded);
    object.spec.deletion_policy == DeletionPolicy::Delete && object.status.as_ref().is_some_and(succeeded)
}

/// pgBackRest's label of an object's backup.
pub fn label_of(object: &PerconaPGBackup) -> Option<Label> {
    object.status.as_ref()?.backup_name.as_ref()?.parse().ok()
}

/// What would go if nobody held anything.
fn held_beyond(wanted: &Wanted, left: &[Held], entries: &[BackupEntry], now: DateTime<Utc>) -> HeldBeyond {
    if wanted.by_hand {
        return HeldBeyond::default();
    }
    let mut free = left.to_vec();
    for backup in &mut free {
        backup.pinned = false;
    }
    let beyond = wanted.policy.expired(&free, now);
    let bytes = entries
        .iter()
        .filter(|entry| beyond.contains(&entry.label))
        .map(|entry| entry.repository.delta);
    HeldBeyond {
        backups: beyond.len(),
        bytes: bytes.sum(),
    }
}

/// What the backups of the last week take in the repository, in bytes.
#[must_use]
pub fn growth_of_a_week(entries: &[BackupEntry], now: DateTime<Utc>) -> u64 {
    entries
        .iter()
        .filter(|entry| entry.stopped > now - TimeDelta::days(7))
        .map(|entry| entry.repository.delta)
        .sum()
}
