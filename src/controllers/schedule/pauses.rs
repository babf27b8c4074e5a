//! How long there may be no backup by each schedule: whoever watches over backups finds out from it when one is overdue.
//!
//! A schedule that is not acted on, by the user's wish, has none. Expressions are looked at once, since that is dear; what is
//! kept here can be had again at any time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{Entry, Plan};
use crate::api::PerconaPGClusterSpec;
use crate::telemetry::schedules::Pause;

/// Expressions that are kept; then it begins anew.
const MOST: usize = 50_000;

/// What is known of expressions.
#[derive(Debug, Default)]
pub struct Pauses(Mutex<HashMap<String, TimeDelta>>);

impl Pauses {
    /// Of the schedules of a cluster.
    #[must_use]
    pub fn of(&self, spec: &PerconaPGClusterSpec, plan: &Plan, now: DateTime<Utc>) -> Vec<Pause> {
        if spec.pause.unwrap_or(false) {
            return Vec::new();
        }
        let blackouts = plan.blackouts.iter().map(|blackout| blackout.lasts);
        let put_off = blackouts.max().unwrap_or_default();
        plan.entries
            .iter()
            .filter(|entry| !entry.suspended && !entry.archiving_suspended)
            .filter_map(|entry| {
                Some(Pause {
                    repo: entry.repo.clone(),
                    kind: entry.scheduled.field,
                    longest: self.longest(entry, now)? + put_off + entry.terms.jitter,
                })
            })
            .collect()
    }

    fn longest(&self, entry: &Entry, now: DateTime<Utc>) -> Option<TimeDelta> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expression = entry.scheduled.shown();
        if let Some(longest) = known.get(&expression) {
            return Some(*longest);
        }
        let longest = entry.scheduled.schedule.longest_pause(now)?;
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(expression, longest);
        Some(longest)
    }
}
