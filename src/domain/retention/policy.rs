//! The rules.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::label::{BackupType, Label};

/// A backup, as far as retention looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The label.
    pub label: Label,
    /// Its type.
    pub kind: BackupType,
    /// When it ended.
    pub stopped: DateTime<Utc>,
    /// All backups that a restore of it needs besides itself.
    pub references: Vec<Label>,
    /// The user holds it.
    pub pinned: bool,
}

/// `repoN-retention-full`, by `repoN-retention-full-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullRetention {
    /// `count`: so many full backups.
    Count(usize),
    /// `time`: full backups of so many days, and the one before them, from which the first of those days can be restored.
    Days(u32),
}

/// What is kept. Without a rule everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Full backups.
    pub full: Option<FullRetention>,
    /// `repoN-retention-diff`: so many differential backups, full ones counted among them.
    pub differential: Option<usize>,
}

impl Policy {
    /// The labels that go, of backups in any order. A backup goes with all that depend on it; one that is held keeps its place
    /// and not its followers, once it would have gone itself.
    #[must_use]
    pub fn expired(&self, backups: &[Held], now: DateTime<Utc>) -> BTreeSet<Label> {
        if *self == Self::default() {
            return BTreeSet::new();
        }
        let kept = held(backups);
        let (stuck, mut free): (Vec<&Held>, Vec<&Held>) =
            backups.iter().partition(|backup| kept.contains(&backup.label));
        free.sort_by(|one, other| one.label.cmp(&other.label));
        let mut gone = BTreeSet::new();
        for kind in [BackupType::Full, BackupType::Differential] {
            let counted = match kind {
                BackupType::Full => self.full_ones(&free, now),
                _ => self.differential_ones(&free),
            };
            let first_kept = counted.kept.first();
            let outlived = stuck
                .iter()
                .filter(|backup| backup.kind == kind)
                .filter(|backup| first_kept.is_some_and(|first| backup.label < first.label));
            let beyond = counted
                .beyond
                .iter()
                .filter(|backup| backup.kind == kind)
                .chain(outlived);
            for backup in beyond {
                expire(&free, &backup.label, &mut gone);
            }
            free.retain(|backup| !gone.contains(&backup.label));
        }
        gone
    }

    fn full_ones<'a>(&self, free: &[&'a Held], now: DateTime<Utc>) -> Counted<'a> {
        let full: Vec<&Held> = free
            .iter()
            .filter(|backup| backup.kind == BackupType::Full)
            .copied()
            .collect();
        let beyond = match self.full {
            None => return Counted::default(),
            Some(FullRetention::Count(count)) => full.len().saturating_sub(count.max(1)),
            Some(FullRetention::Days(days)) => {
                let since = now - TimeDelta::days(i64::from(days));
                // The newest one that is old enough is the last that is needed.
                full.iter()
                    .rposition(|backup| backup.stopped < since)
                    .unwrap_or(0)
            }
        };
        Counted::split(full, beyond)
    }

    fn differential_ones<'a>(&self, free: &[&'a Held]) -> Counted<'a> {
        let Some(count) = self.differential else {
            return Counted::default();
        };
        let counted: Vec<&Held> = free
            .iter()
            .filter(|backup| backup.kind != BackupType::Incremental)
            .copied()
            .collect();
        let beyond = counted.len().saturating_sub(count.max(1));
        Counted::split(counted, beyond)
    }
}

/// Backups that a rule counts, oldest first.
#[derive(Default)]
struct Counted<'a> {
    /// More than are to be kept.
    beyond: Vec<&'a Held>,
    /// The others.
    kept: Vec<&'a Held>,
}

impl<'a> Counted<'a> {
    fn split(mut counted: Vec<&'a Held>, beyond: usize) -> Self {
        let kept = counted.split_off(beyond.min(counted.len()));
        Self {
            beyond: counted,
            kept,
        }
    }
}

/// Pinned backups and all that they need.
pub(super) fn held(backups: &[Held]) -> BTreeSet<Label> {
    backups
        .iter()
        .filter(|backup| backup.pinned)
        .flat_map(|backup| backup.references.iter().chain(std::iter::once(&backup.label)))
        .cloned()
        .collect()
}

/// Lets one go, and all that depend on it.
fn expire(backups: &[&Held], label: &Label, gone: &mut BTreeSet<Label>) {
    let depends = |backup: &&&Held| backup.label == *label || backup.references.contains(label);
    gone.extend(backups.iter().filter(depends).map(|backup| backup.label.clone()));
}
