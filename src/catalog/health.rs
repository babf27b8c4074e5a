//! How the catalog itself is.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::CatalogError;

/// Whether it can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// It was not needed yet.
    #[default]
    Unused,
    /// The last thing asked of it was done.
    InOrder,
    /// It cannot be used, for this reason. What is asked of it is skipped.
    Failing {
        /// Since when.
        since: DateTime<Utc>,
        /// The last error.
        error: CatalogError,
    },
}

/// A file that could not be used and was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// When.
    pub at: DateTime<Utc>,
    /// Where it is now; history is in it, as far as it can be read.
    pub moved_to: PathBuf,
    /// What was wrong with it.
    pub error: CatalogError,
}

/// What was seen of the catalog since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether it can be used.
    pub standing: Standing,
    /// How often something was skipped.
    pub skipped: u64,
    /// The last damaged file that was moved aside.
    pub replacement: Option<Replacement>,
}

impl Health {
    /// After something worked. True where it did not before.
    pub(super) fn worked(&mut self) -> bool {
        let before = std::mem::replace(&mut self.standing, Standing::InOrder);
        matches!(before, Standing::Failing { .. })
    }

    /// After something was skipped. True where it worked before: the first of a row is worth a line in the log.
    pub(super) fn failed(&mut self, error: &CatalogError, now: DateTime<Utc>) -> bool {
        self.skipped += 1;
        let since = match &self.standing {
            Standing::Failing { since, .. } => Some(*since),
            _ => None,
        };
        self.standing = Standing::Failing {
            since: since.unwrap_or(now),
            error: error.clone(),
        };
        since.is_none()
    }
}
