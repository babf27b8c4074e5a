//! What the agent of a restore tells: how far it is, on its own Pod, and how it ended, in its termination message.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::agent::progress::Progress;
use crate::agent::termination::{self, Outcome};
use crate::api::cluster::drills::CheckResult;

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The backup is copied.
    #[default]
    Copying,
    /// WAL is replayed.
    Recovering,
    /// What was restored is checked.
    Checking,
}

/// How far a restore is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreProgress {
    /// What is being done.
    pub phase: Phase,
    /// Hundredths of a percent of the backup that are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<u32>,
    /// The last WAL segment that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// How far WAL is replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

impl Progress for RestoreProgress {
    fn is_as(&self, before: &Self) -> bool {
        self == before
    }

    fn is_last(&self) -> bool {
        false
    }
}

/// What the database is after the recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reached {
    /// The position at which the new timeline begins.
    pub lsn: String,
    /// The new timeline.
    pub timeline: u32,
    /// The last commit that is there, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<DateTime<Utc>>,
    /// Where it stopped, in PostgreSQL's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// `pg_control_system().system_identifier`.
    pub system_identifier: String,
}

/// Why it did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Category {
    /// The target was not reached.
    NotReached,
    /// pgBackRest failed: the repository, the backup, the options.
    Copy,
    /// WAL could not be fetched.
    Wal,
    /// PostgreSQL failed while it recovered.
    Recovery,
    /// It is another database than it should be.
    OtherDatabase,
    /// The claim is too small.
    NoRoom,
    /// The volume failed.
    Volume,
    /// It would have overwritten what it must not.
    Refused,
    /// There is nothing to bring back.
    Discarded,
    /// It was told to stop.
    Stopped,
}

/// How the agent ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreOutcome {
    /// One sentence.
    pub message: String,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What the database is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
    /// The previous data directory is kept.
    pub kept: bool,
    /// When this attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Bytes of the database that were restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What copying took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_seconds: Option<u64>,
    /// What the replay of WAL took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<u64>,
    /// What the checks came to, where some were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
}

impl Outcome for RestoreOutcome {
    fn shorten(&mut self) -> bool {
        let mut texts: Vec<&mut String> = self.checks.iter_mut().map(|check| &mut check.message).collect();
        texts.push(&mut self.message);
        // The longest goes first.
        texts.sort_by_key(|text| text.len());
        texts.pop().is_some_and(termination::halve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::TERMINATION_MESSAGE_BYTES;

    #[test]
    fn an_outcome_is_read_back_and_never_exceeds_what_kubernetes_keeps() {
        let outcome = RestoreOutcome {
            message: "ä\"".repeat(9000),
            category: Some(Category::NotReached),
            reached: Some(Reached {
                lsn: "0/5000028".to_owned(),
                timeline: 4,
                ..Reached::default()
            }),
            ..RestoreOutcome::default()
        };
        let json = termination::message(&outcome);
        assert!(json.len() <= TERMINATION_MESSAGE_BYTES);
        let read: RestoreOutcome = serde_json::from_str(&json).unwrap();
        assert_eq!((read.category, read.reached), (outcome.category, outcome.reached));
    }
}
