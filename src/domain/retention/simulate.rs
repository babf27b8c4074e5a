//! What schedules and a policy come to: the backups that there will be.

use chrono::{DateTime, TimeDelta, Utc};

use super::policy::{Held, Policy};
use crate::domain::label::{BackupType, Label};
use crate::domain::schedule::Schedule;

/// Backups of one type.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The type that is asked for.
    pub kind: BackupType,
    /// When.
    pub schedule: Schedule,
}

/// What there is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Backups, oldest first.
    pub backups: Vec<Held>,
    /// How far back one can go: WAL is kept from the oldest backup on.
    pub reaches_back_to: Option<DateTime<Utc>>,
    /// Backups that were taken until then.
    pub taken: usize,
}

/// Plays schedules from `from` to `until`, each backup well and at once. Where several are due together, the fullest is taken
/// first, and all are: none makes another needless.
#[must_use]
pub fn simulate(plan: &[Planned], policy: &Policy, from: DateTime<Utc>, until: DateTime<Utc>) -> Kept {
    let mut taken = 0;
    let mut clock = from;
    let mut due: Vec<Option<DateTime<Utc>>> = plan
        .iter()
        .map(|planned| planned.schedule.next_after(from))
        .collect();
    let planned = std::iter::from_fn(|| {
        let (index, time) = first(&due, plan).filter(|(_, time)| *time <= until)?;
        let planned = plan.get(index)?;
        if let Some(next) = due.get_mut(index) {
            *next = planned.schedule.next_after(time);
        }
        // Labels are of a second, and one second has one.
        clock = time.max(clock + TimeDelta::seconds(1));
        taken += 1;
        Some((clock, planned.kind))
    });
    let backups = play(planned, policy);
    Kept {
        reaches_back_to: backups.iter().map(|backup| backup.stopped).min(),
        backups,
        taken,
    }
}

/// What is there after these backups, in their order, and after retention has let go what it lets go behind each.
#[must_use]
pub fn play(taken: impl IntoIterator<Item = (DateTime<Utc>, BackupType)>, policy: &Policy) -> Vec<Held> {
    let mut backups: Vec<Held> = Vec::new();
    for (time, kind) in taken {
        backups.push(backup(&backups, kind, time));
        let gone = policy.expired(&backups, time);
        backups.retain(|backup| !gone.contains(&backup.label));
    }
    backups
}

fn first(due: &[Option<DateTime<Utc>>], plan: &[Planned]) -> Option<(usize, DateTime<Utc>)> {
    due.iter()
        .zip(plan)
        .enumerate()
        .filter_map(|(index, (time, planned))| Some(((*time)?, planned.kind, index)))
        .min()
        .map(|(time, _, index)| (index, time))
}

/// As pgBackRest takes it: what has nothing to be based on becomes a full one.
fn backup(before: &[Held], kind: BackupType, time: DateTime<Utc>) -> Held {
    let full = before.iter().rev().find(|backup| backup.kind == BackupType::Full);
    let prior = match kind {
        BackupType::Full => None,
        BackupType::Differential => full,
        BackupType::Incremental => before.last(),
    };
    let stamp = time.format("%Y%m%d-%H%M%S");
    let Some((prior, full)) = prior.zip(full) else {
        return Held {
            label: label(&format!("{stamp}F")),
            kind: BackupType::Full,
            stopped: time,
            references: Vec::new(),
            pinned: false,
        };
    };
    let letter = if kind == BackupType::Differential {
        'D'
    } else {
        'I'
    };
    let mut references = prior.references.clone();
    references.push(prior.label.clone());
    Held {
        label: label(&format!("{}_{stamp}{letter}", full.label.as_str())),
        kind,
        stopped: time,
        references,
        pinned: false,
    }
}

/// Labels made here have the form of labels.
#[expect(
    clippy::expect_used,
    reason = "the text is made by the two formats above, and a test makes each"
)]
fn label(text: &str) -> Label {
    text.parse().expect("a label")
}
