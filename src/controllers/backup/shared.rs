//! What all reconciles of backups share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Budget;
use crate::controllers::context::Context;
use crate::controllers::fleet::Fleet;
use crate::domain::progress::Tracker;

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    /// How many of the fleet run at once.
    pub(super) budget: Budget,
    /// Progress of running backups by uid; derived again after a restart.
    trackers: Mutex<HashMap<String, Tracker>>,
}

impl Shared {
    /// With nothing tracked yet.
    #[must_use]
    pub fn new(context: Context, fleets: &[Arc<Fleet>]) -> Self {
        let budget = Budget::new(context.settings.backups_at_once);
        for fleet in fleets {
            budget.watch(fleet.backups().clone());
        }
        Self {
            budget,
            context,
            trackers: Mutex::default(),
        }
    }

    /// Looks at the progress of a backup that runs.
    pub(super) fn tracked<T>(&self, uid: String, look: impl FnOnce(&mut Tracker) -> T) -> T {
        let mut trackers = self.trackers.lock().unwrap_or_else(PoisonError::into_inner);
        look(trackers.entry(uid).or_default())
    }

    /// Forgets one that does not run any more.
    pub(super) fn forget(&self, uid: &str) {
        let mut trackers = self.trackers.lock().unwrap_or_else(PoisonError::into_inner);
        trackers.remove(uid);
        self.budget.leave(uid);
    }
}
