//! What gaps and unusable segments cost.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    gaps::Break,
    input::SegmentCommits,
    output::{Cost, Restorable},
    survey::Resolver,
};
use crate::domain::label::Label;

impl Resolver<'_> {
    /// Backups, times and the first commit that follows. Notes segments whose commit times it lacks.
    pub(super) fn cost(&mut self, place: Break) -> Cost {
        let mut cost = Cost {
            unrestorable: self.unrestorable_by(place),
            ..Cost::default()
        };
        let mut shortened = BTreeSet::new();
        let mut targets = BTreeSet::new();
        let stopped: Vec<_> = self
            .walks
            .iter()
            .filter(|walk| self.ends_at(walk.target, walk.last, place))
            .cloned()
            .collect();
        for walk in &stopped {
            let Some(backup) = self.view.database.backups.get(walk.backup) else {
                continue;
            };
            shortened.insert(walk.backup);
            targets.insert(walk.target);
            let commit = self.reached(walk);
            let until = commit.map_or(backup.stopped, |commit| commit.time.max(backup.stopped));
            cost.lost_from = cost.lost_from.max(Some(until));
        }
        let labels = shortened
            .iter()
            .filter_map(|place| self.view.database.backups.get(*place));
        cost.shortened = labels.map(|backup| backup.label.clone()).collect();
        cost.lost_to = targets
            .iter()
            .filter_map(|target| self.next_backup(*target, place))
            .min();
        for target in &targets {
            let next = self.next_commit(*target, place);
            cost.next_commit = [cost.next_commit, next].into_iter().flatten().min();
        }
        cost
    }

    fn ends_at(&self, target: u32, last: u64, place: Break) -> bool {
        let Some(next) = last.checked_add(1) else {
            return false;
        };
        let leg = self.view.leg_at(target, next);
        leg.is_some_and(|leg| leg.timeline == place.timeline) && (place.first..=place.last).contains(&next)
    }

    fn unrestorable_by(&self, place: Break) -> Vec<Label> {
        let lacking = self.view.database.backups.iter().zip(&self.restorable);
        lacking
            .filter(|(_, restorable)| !matches!(restorable, Restorable::Yes))
            .filter(|(backup, _)| {
                let parts = backup.wal.map(|wal| self.view.needed(&wal)).unwrap_or_default();
                parts.iter().any(|(timeline, first, last)| {
                    *timeline == place.timeline && *first <= place.last && place.first <= *last
                })
            })
            .map(|(backup, _)| backup.label.clone())
            .collect()
    }

    /// The end of the first backup after it that leads to the same timeline.
    fn next_backup(&self, target: u32, place: Break) -> Option<DateTime<Utc>> {
        let after = self
            .walks
            .iter()
            .filter(|walk| walk.target == target && walk.stop > place.last);
        after
            .filter_map(|walk| self.view.database.backups.get(walk.backup))
            .map(|backup| backup.stopped)
            .min()
    }

    fn next_commit(&mut self, target: u32, place: Break) -> Option<DateTime<Utc>> {
        let next = place.last.checked_add(1)?;
        let timeline = self.view.leg_at(target, next)?.timeline;
        if !self.view.is_usable(timeline, next) {
            return None;
        }
        let segment = self.view.database.archive.segment(timeline, next)?;
        match self.commits.get(&segment) {
            Some(SegmentCommits::Some(times)) => Some(times.first),
            Some(SegmentCommits::None | SegmentCommits::Unreadable) => None,
            None => {
                self.needs.insert(segment);
                None
            }
        }
    }
}
