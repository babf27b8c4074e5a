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
    /// The labels that go, of backups in any order. A backup goes with all that depend on it.
    #[must_use]
    pub fn expired(&self, backups: &[Held], now: DateTime<Utc>) -> BTreeSet<Label> {
        if *self == Self::default() {
            return BTreeSet::new();
        }
        let kept = held(backups);
        let mut sorted: Vec<&Held> = backups
            .iter()
            .filter(|backup| !kept.contains(&backup.label))
            .collect();
        sorted.sort_by(|one, other| one.label.cmp(&other.label));
        let mut gone = BTreeSet::new();
        for label in self.full_ones(&sorted, now) {
            expire(&sorted, &label, &mut gone);
        }
        sorted.retain(|backup| !gone.contains(&backup.label));
        for label in self.differential_ones(&sorted) {
            expire(&sorted, &label, &mut gone);
        }
        gone
    }

    fn full_ones(&self, sorted: &[&Held], now: DateTime<Utc>) -> Vec<Label> {
        let full: Vec<&&Held> = sorted
            .iter()
            .filter(|backup| backup.kind == BackupType::Full)
            .collect();
        let beyond = match self.full {
            None => 0,
            Some(FullRetention::Count(count)) => full.len().saturating_sub(count.max(1)),
            Some(FullRetention::Days(days)) => {
                let since = now - TimeDelta::days(i64::from(days));
                // The newest one that is old enough is the last that is needed.
                full.iter()
                    .rposition(|backup| backup.stopped < since)
                    .unwrap_or(0)
            }
        };
        full.iter()
            .take(beyond)
            .map(|backup| backup.label.clone())
            .collect()
    }

    fn differential_ones(&self, sorted: &[&Held]) -> Vec<Label> {
        let Some(count) = self.differential else {
            return Vec::new();
        };
        let counted: Vec<&&Held> = sorted
            .iter()
            .filter(|backup| backup.kind != BackupType::Incremental)
            .collect();
        let beyond = counted.len().saturating_sub(count.max(1));
        counted
            .iter()
            .take(beyond)
            .filter(|backup| backup.kind == BackupType::Differential)
            .map(|backup| backup.label.clone())
            .collect()
    }
}

/// Pinned backups and all that they need.
fn held(backups: &[Held]) -> BTreeSet<Label> {
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
