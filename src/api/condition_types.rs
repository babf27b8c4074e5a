//! Condition types of the three resources: public API, stable words.

use std::fmt;

/// Condition types. Those of one repository are made by [`ConditionType::of_repository`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// Cluster: every part is there and ready.
    Ready,
    /// Cluster: the specification can be acted on.
    Valid,
    /// Cluster: the specification sets fields that are not acted on; the message lists them.
    UnsupportedFields,
    /// Cluster: a backup would be started now.
    ReadyForBackup,
    /// Cluster, per repository: it can be reached and is this cluster's own.
    RepositoryReady,
    /// Cluster: the pod that serves repositories on volumes is ready; absent where there are none.
    PgBackRestRepoHostReady,
    /// Cluster: claims of repositories that are no longer specified are there, with their backups; absent where there are
    /// none.
    RepositoryVolumesKept,
    /// Cluster: WAL reaches every repository.
    ArchivingHealthy,
    /// Cluster: no WAL is missing between the backups and the end of any archive.
    WalContinuous,
    /// Cluster: every repository is what it was before, can be read as a whole, and its times are possible.
    RepositoriesIntact,
    /// Cluster: the latest restorable time is as near to now as `spec.backups.objectives.recoveryPoint` asks.
    RecoveryPointObjectiveMet,
    /// Cluster: every schedule can be understood, and its last backup was taken and succeeded; absent where there are none.
    SchedulesHealthy,
    /// Cluster: what retention lets go is gone, and every repository has a retention.
    RetentionHealthy,
    /// Cluster: a data directory exists, initialised or restored.
    PostgresDataInitialized,
    /// Cluster: a standby applies what the cluster that it follows has written; absent where it is none.
    StandbyFollowing,
    /// Cluster: a standby is farther behind than `spec.standby.maxAcceptableLag`; absent without one.
    StandbyLagging,
    /// Cluster: users and databases are as the specification says.
    UsersApplied,
    /// Cluster: `PgBouncer` serves.
    ProxyAvailable,
    /// Cluster: the Secrets with certificates are there and right.
    TlsSecretsReady,
    /// Cluster: work goes on; `False` with the reason while it is held back.
    Progressing,
    /// Backup, restore: what it asks for exists and is allowed.
    Accepted,
    /// Backup: it is this one's turn on the repository.
    BackupLeaseAcquired,
    /// Restore: looked at before anything is done; `True` with what it would come to, `False` with what stands against it.
    PreflightPassed,
    /// Restore: no instance runs any more.
    InstancesStopped,
    /// Restore: the database is at its target; `False` with the reason why not, while what was there before is brought back.
    DataRestored,
    /// Rehearsal: what was restored is as it should be.
    ChecksPassed,
    /// Restore: an instance took the restored database over and takes writes.
    LeaderUp,
    /// Restore: all instances follow it.
    ReplicasJoined,
    /// Backup, restore: pgBackRest is at work.
    Running,
    /// Backup: found in the repository, with the WAL up to its end.
    Verified,
    /// Backup: it is held against retention and deletion; absent where it is not.
    Pinned,
    /// Backup that is being deleted with its data: `False` while that may not be, with the reason.
    Deletable,
    /// Backup, restore: ended; `True` with success, `False` with the reason of the failure.
    Complete,
}

impl ConditionType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::Ready,
        Self::Valid,
        Self::UnsupportedFields,
        Self::ReadyForBackup,
        Self::RepositoryReady,
        Self::PgBackRestRepoHostReady,
        Self::RepositoryVolumesKept,
        Self::ArchivingHealthy,
        Self::WalContinuous,
        Self::RepositoriesIntact,
        Self::RecoveryPointObjectiveMet,
        Self::SchedulesHealthy,
        Self::RetentionHealthy,
        Self::PostgresDataInitialized,
        Self::StandbyFollowing,
        Self::StandbyLagging,
        Self::UsersApplied,
        Self::ProxyAvailable,
        Self::TlsSecretsReady,
        Self::Progressing,
        Self::Accepted,
        Self::BackupLeaseAcquired,
        Self::PreflightPassed,
        Self::InstancesStopped,
        Self::DataRestored,
        Self::ChecksPassed,
        Self::LeaderUp,
        Self::ReplicasJoined,
        Self::Running,
        Self::Verified,
        Self::Pinned,
        Self::Deletable,
        Self::Complete,
    ];

    /// The word as it appears in objects.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Valid => "Valid",
            Self::UnsupportedFields => "UnsupportedFields",
            Self::ReadyForBackup => "ReadyForBackup",
            Self::RepositoryReady => "RepositoryReady",
            Self::PgBackRestRepoHostReady => "PGBackRestRepoHostReady",
            Self::RepositoryVolumesKept => "RepositoryVolumesKept",
            Self::ArchivingHealthy => "ArchivingHealthy",
            Self::WalContinuous => "WALContinuous",
            Self::RepositoriesIntact => "RepositoriesIntact",
            Self::RecoveryPointObjectiveMet => "RecoveryPointObjectiveMet",
            Self::SchedulesHealthy => "SchedulesHealthy",
            Self::RetentionHealthy => "RetentionHealthy",
            Self::PostgresDataInitialized => "PostgresDataInitialized",
            Self::StandbyFollowing => "StandbyFollowing",
            Self::StandbyLagging => "StandbyLagging",
            Self::UsersApplied => "UsersApplied",
            Self::ProxyAvailable => "ProxyAvailable",
            Self::TlsSecretsReady => "TLSSecretsReady",
            Self::Progressing => "Progressing",
            Self::Accepted => "Accepted",
            Self::BackupLeaseAcquired => "BackupLeaseAcquired",
            Self::PreflightPassed => "PreflightPassed",
            Self::InstancesStopped => "InstancesStopped",
            Self::DataRestored => "DataRestored",
            Self::ChecksPassed => "ChecksPassed",
            Self::LeaderUp => "LeaderUp",
            Self::ReplicasJoined => "ReplicasJoined",
            Self::Running => "Running",
            Self::Verified => "Verified",
            Self::Pinned => "Pinned",
            Self::Deletable => "Deletable",
            Self::Complete => "Complete",
        }
    }

    /// The type for one repository, for example `RepositoryReady-repo1`.
    #[must_use]
    pub fn of_repository(self, repository: &str) -> String {
        format!("{}-{repository}", self.as_str())
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
