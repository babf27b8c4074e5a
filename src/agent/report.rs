//! What agents tell the controller: annotations on their own Pod, and a termination message.
//!
//! The only annotations that one part of Holdfast writes for another. They are facts, never intent, and carry no
//! secret. Serialised with stable field order, so that equal reports are equal strings.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::termination::{self, Outcome};
use crate::pgbackrest::failure::Permanence;

/// Annotation of an instance pod with an [`InstanceReport`] as JSON.
pub const INSTANCE_ANNOTATION: &str = "holdfast.dev/agent";

/// Annotation of a backup Job's pod with a [`BackupProgress`] as JSON.
pub const PROGRESS_ANNOTATION: &str = "holdfast.dev/progress";

/// Kubernetes cuts a termination message off beyond this many bytes.
pub const TERMINATION_MESSAGE_BYTES: usize = 4096;

/// What one instance agent knows of its PostgreSQL.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceReport {
    /// Revision of the desired document that is fully applied; absent on replicas and while something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `pg_control_system().system_identifier`; absent while PostgreSQL does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// `pg_is_in_recovery()`; absent while PostgreSQL does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_recovery: Option<bool>,
    /// Timeline of the last checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// `server_version`, such as `18.6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_version: Option<String>,
    /// One entry for each repository of the desired stanza; empty on replicas.
    pub stanzas: Vec<StanzaReport>,
    /// Absent on replicas and while PostgreSQL does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archiver: Option<ArchiverReport>,
    /// Present on the leader of a standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbyReport>,
    /// What could not be applied, in the order of application.
    pub problems: Vec<Problem>,
}

/// What the leader of a standby has applied of what it follows.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StandbyReport {
    /// When this was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// A primary sends WAL to it.
    pub streaming: bool,
    /// Up to where WAL is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<String>,
    /// Time of the last commit that is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_until: Option<DateTime<Utc>>,
    /// Up to where the primary says that it has written WAL; absent where none sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
}

/// Whether the stanza exists in one repository.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StanzaReport {
    /// `repo1` … `repo4`.
    pub repo: String,
    /// The stanza is there and belongs to this PostgreSQL's system identifier.
    pub ready: bool,
    /// Exit code of the last pgBackRest command about it; absent when it was ended by a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// pgBackRest's error type name (`CryptoError`), or [`StanzaReport::SYSTEM_ID_MISMATCH`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// HTTP status of the store's answer, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Since when this has been so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

impl StanzaReport {
    /// [`StanzaReport::error`] of a stanza that belongs to another PostgreSQL.
    pub const SYSTEM_ID_MISMATCH: &'static str = "SystemIdMismatch";
    /// [`StanzaReport::error`] while another command holds the repository's lease.
    pub const BUSY: &'static str = "Busy";
}

/// `pg_stat_archiver` and what waits to be archived. With several repositories these are minima over all of them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArchiverReport {
    /// Last WAL file archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_archived_wal: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_archived_at: Option<DateTime<Utc>>,
    /// WAL file of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failed_wal: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failed_at: Option<DateTime<Utc>>,
    /// Failures since the statistics were reset.
    pub failed_count: i64,
    /// WAL files that wait to be archived.
    pub ready_files: i64,
    /// Their size in bytes.
    pub ready_bytes: u64,
    /// The volume that they wait on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<WalVolume>,
    /// The segment that was written to when a transaction id was last given out: what was committed up to then is
    /// restorable once it has arrived. Absent until the agent has seen one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_written_wal: Option<String>,
    /// The last commit, once nothing has been written for a while: the segment above may then be one that was only begun, and is
    /// never archived. Absent while something is written, and where PostgreSQL does not keep times of commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_commit_at: Option<DateTime<Utc>>,
    /// What pgBackRest said about the last failure, while archiving fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<ArchiveFailure>,
}

/// What a database wrote last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LastWrite<'a> {
    /// The segment that it was in, or one behind it.
    pub segment: Option<&'a str>,
    /// When, where that is known.
    pub commit: Option<DateTime<Utc>>,
}

impl ArchiverReport {
    /// What was written last.
    #[must_use]
    pub fn last_write(&self) -> LastWrite<'_> {
        LastWrite {
            segment: self.last_written_wal.as_deref(),
            commit: self.last_commit_at,
        }
    }

    /// PostgreSQL's last try to archive a segment failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.last_failed_at
            .is_some_and(|failed| self.last_archived_at.is_none_or(|archived| archived < failed))
    }
}

/// The volume of the WAL.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WalVolume {
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that PostgreSQL can still write, in steps of a hundredth of the size.
    pub free: u64,
    /// The same of the volumes that hold tables, where those are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables_free: Option<u64>,
    /// When it will be full, at the rate of the last minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_at: Option<DateTime<Utc>>,
}

/// Why pgBackRest could not archive a segment.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArchiveFailure {
    /// pgBackRest's error code.
    pub exit: i32,
    /// Error type names in order of first appearance.
    pub error_types: Vec<String>,
    /// Status of the store's answer, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The repositories that refused (`repo1`), where pgBackRest names them.
    pub repositories: Vec<String>,
}

/// Something desired that could not be applied.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// Stage: `desired`, `connection`, `databases`, `users`, `grants`, `pgbouncer`, `replication`, `extensions`, `patroni`.
    pub what: String,
    /// SQLSTATE, HTTP status, or a word of our own.
    pub code: String,
    /// Names the object; holds no secret and no statement text.
    pub message: String,
}

/// How far a running backup is, from the JSON in pgBackRest's lock file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupProgress {
    /// Bytes copied so far; moves per finished file, so in steps of up to 1 GB.
    pub bytes_done: u64,
    /// Bytes to copy; 0 while not known yet.
    pub bytes_total: u64,
    /// When it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// Process id of pgBackRest in its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When the agent started pgBackRest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// pgBackRest's exit code once it has ended; told seconds before Kubernetes tells that the Job has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What the container needed of memory at most, in bytes, in steps: an exact peak would be news every second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak: Option<u64>,
    /// Whom pgBackRest's workers read from.
    #[serde(skip_serializing_if = "Readers::is_empty")]
    pub readers: Readers,
}

impl Progress for BackupProgress {
    fn is_as(&self, before: &Self) -> bool {
        let then = Self {
            at: self.at,
            ..before.clone()
        };
        then == *self
    }

    fn is_last(&self) -> bool {
        self.exit.is_some()
    }
}

/// The Pods that pgBackRest's workers read from, as they are seen in their command lines. The first worker always reads
/// from the primary; with a standby, the others read from that.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Readers {
    /// The first worker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The others'; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<String>,
}

impl Readers {
    /// No worker has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a backup Job's container ended: its termination message, at most [`TERMINATION_MESSAGE_BYTES`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupOutcome {
    /// pgBackRest's exit code; absent when it was not started or was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Error type names from its log, in order of first appearance (`LockAcquireError`).
    pub error_types: Vec<String>,
    /// Last HTTP status that the log told of a failed request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// One redacted line.
    pub message: String,
    /// When the agent began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When pgBackRest had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Last known number of bytes copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// It was ended because nothing moved any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stalled: bool,
    /// It was not begun, since something in the Pod's environment may not be there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// What the container needed of memory at most, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak: Option<u64>,
    /// So many processes of the container were killed for want of memory while pgBackRest ran.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory_kills: u64,
    /// Whom pgBackRest's workers read from.
    #[serde(skip_serializing_if = "Readers::is_empty")]
    pub readers: Readers,
    /// Label of the backup, when the repository already held one of this Job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Outcome for BackupOutcome {
    /// The message goes first, then names.
    fn shorten(&mut self) -> bool {
        if termination::halve(&mut self.message) {
            return true;
        }
        let names = self.error_types.len();
        self.error_types.truncate(names / 2);
        names > 0
    }
}

/// Exit codes of `holdfast agent backup`, for the Job's failure policy.
pub mod exit {
    use super::Permanence;

    /// The backup is in the repository, as far as pgBackRest says.
    pub const OK: u8 = 0;
    /// Trying again is pointless: options, credentials, stanza, identity, cipher.
    pub const PERMANENT: u8 = 10;
    /// Trying again may help.
    pub const TRANSIENT: u8 = 11;
    /// Stopped on request.
    pub const STOPPED: u8 = 12;

    /// Of a failure.
    #[must_use]
    pub fn of(permanence: Permanence) -> u8 {
        match permanence {
            Permanence::Permanent => PERMANENT,
            Permanence::Transient => TRANSIENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_back_equal_and_unknown_fields_do_no_harm() {
        let json = r#"{"revision":"r","systemIdentifier":"75","inRecovery":false,"timeline":1,"postgresVersion":"18.6",
            "stanzas":[{"repo":"repo1","ready":true,"exit":0,"error":null,"at":"2026-11-20T23:31:05Z"}],
            "archiver":{"failedCount":3,"readyFiles":1},"problems":[{"what":"users","code":"42501","message":"m"}],"new":1}"#;
        let report: InstanceReport = serde_json::from_str(json).unwrap();
        assert!(report.stanzas[0].ready);
        let again: InstanceReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(again, report);
    }

    #[test]
    fn a_termination_message_never_exceeds_what_kubernetes_keeps() {
        let outcome = BackupOutcome {
            exit: Some(56),
            error_types: (0..300).map(|n| format!("LockAcquireError{n}")).collect(),
            message: "ä\"".repeat(9000),
            ..Default::default()
        };
        let json = termination::message(&outcome);
        assert!(json.len() <= TERMINATION_MESSAGE_BYTES);
        let read: BackupOutcome = serde_json::from_str(&json).unwrap();
        assert_eq!(read.exit, Some(56));
    }

    #[test]
    fn a_short_outcome_is_written_whole() {
        let outcome = BackupOutcome {
            exit: Some(0),
            message: "done".into(),
            ..Default::default()
        };
        let read: BackupOutcome = serde_json::from_str(&termination::message(&outcome)).unwrap();
        assert_eq!(read, outcome);
    }
}
