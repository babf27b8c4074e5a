//! Whether a backup that somebody wants to be deleted may go.

use std::fmt;

use super::policy::{Held, held};
use crate::domain::label::{BackupType, Label};

/// Why it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spared {
    /// It is held, itself or for others that are.
    Pinned(Vec<Label>),
    /// Others cannot be restored without it.
    Needed(Vec<Label>),
    /// Nothing could be restored any more.
    Last,
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, labels) = match self {
            Self::Pinned(by) => ("it is held, or needed by backups that are", by),
            Self::Needed(by) => ("other backups cannot be restored without it", by),
            Self::Last => {
                return f
                    .write_str("it is the last one of its repository from which anything can be restored");
            }
        };
        let labels: Vec<&str> = labels.iter().map(Label::as_str).collect();
        write!(f, "{words}: {}", labels.join(", "))
    }
}

/// Labels that may go of those that somebody wants deleted, and why the others stay. Several go together where each of them is
/// wanted gone.
#[must_use]
pub fn deletable(wanted: &[Label], backups: &[Held]) -> (Vec<Label>, Vec<(Label, Spared)>) {
    let pinned = held(backups);
    let mut refused: Vec<(Label, Spared)> = Vec::new();
    // One that stays may need another one that is wanted gone, so it is asked again until nothing changes.
    loop {
        let stays =
            |label: &Label| !wanted.contains(label) || refused.iter().any(|(refused, _)| refused == label);
        let found = wanted.iter().filter(|label| !stays(label)).find_map(|label| {
            let dependants = |filter: &dyn Fn(&Held) -> bool| -> Vec<Label> {
                let depends = |backup: &&Held| backup.references.contains(label) && filter(backup);
                backups
                    .iter()
                    .filter(depends)
                    .map(|backup| backup.label.clone())
                    .collect()
            };
            if pinned.contains(label) {
                let mut by = dependants(&|backup| backup.pinned);
                if backups
                    .iter()
                    .any(|backup| backup.label == *label && backup.pinned)
                {
                    by.insert(0, label.clone());
                }
                return Some((label.clone(), Spared::Pinned(by)));
            }
            let needed = dependants(&|backup| stays(&backup.label));
            (!needed.is_empty()).then(|| (label.clone(), Spared::Needed(needed)))
        });
        match found {
            Some(refusal) => refused.push(refusal),
            None => break,
        }
    }
    let goes = |label: &&Label| !refused.iter().any(|(refused, _)| refused == *label);
    let mut gone: Vec<Label> = wanted.iter().filter(goes).cloned().collect();
    let is_there = |label: &Label| backups.iter().any(|backup| backup.label == *label);
    gone.retain(is_there);
    if backups.iter().all(|backup| gone.contains(&backup.label)) {
        // The newest chain stays.
        let newest = backups
            .iter()
            .filter(|backup| backup.kind == BackupType::Full)
            .max_by(|one, other| one.label.cmp(&other.label));
        if let Some(newest) = newest {
            refused.push((newest.label.clone(), Spared::Last));
            gone.retain(|label| *label != newest.label);
        }
    }
    (gone, refused)
}
