//! Marks that our backups carry in the repository, as upstream's do.

/// Name of the `PerconaPGBackup`.
pub const BACKUP_NAME: &str = "percona.com/backup-name";
/// Name of the Job: unique to one attempt's object, so it finds the backup that an object stands for.
pub const JOB_NAME: &str = "percona.com/backup-job-name";
