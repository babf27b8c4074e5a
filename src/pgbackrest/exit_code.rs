//! From an exit code of pgBackRest to a kind of failure.
//!
//! The codes are coarse: 56 is a held lock, a primary that is down and a refused certificate alike, and 39 is a wrong
//! secret and a failover. So the code is read together with better evidence: what our own signed requests to the
//! store say, then the HTTP status and the error type names of the output.

use super::failure::{FailureKind, Permanence};

/// What does not come within `archive-timeout`: WAL in the repository, or what a standby was to replay.
pub const ARCHIVE_TIMEOUT: i32 = 82;
/// One server is not of the timeline or the cluster that another is of.
pub const DATABASE_MISMATCH: i32 = 58;

/// The commands whose codes differ in meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `backup`
    Backup,
    /// `archive-push`
    ArchivePush,
    /// `check`
    Check,
    /// `stanza-create` and `stanza-upgrade`
    Stanza,
    /// `expire`
    Expire,
    /// `annotate`
    Annotate,
    /// `restore`
    Restore,
}

/// What is known beside the exit code. Leave out what is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// What our own look at the repository found wrong, at about the same time.
    pub repository: Option<FailureKind>,
    /// HTTP status in the output.
    pub http_status: Option<u16>,
    /// Error type names in the output.
    pub error_types: &'a [String],
}

impl Evidence<'_> {
    fn names(&self, error_type: &str) -> bool {
        self.error_types.iter().any(|name| name == error_type)
    }
}

/// What a failed command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// Whether a retry may work.
    pub permanence: Permanence,
}

impl From<FailureKind> for Failure {
    fn from(kind: FailureKind) -> Self {
        Self {
            kind,
            permanence: kind.permanence(),
        }
    }
}

/// Classifies an exit code; `exit` is `None` when the process was ended by a signal. `None` for success.
///
/// Not for `info` and `verify`, which exit 0 on most failures.
#[must_use]
pub fn classify(command: Command, exit: Option<i32>, evidence: &Evidence<'_>) -> Option<Failure> {
    let code = match exit {
        Some(0) => return None,
        Some(code) if code < 128 => code,
        // By a signal, as the process or as a shell says it.
        Some(_) | None => return Some(FailureKind::Interrupted.into()),
    };
    let kind = by_code_alone(command, code)
        .or_else(|| evidence.repository.filter(|_| may_be_the_repository(code)))
        .unwrap_or_else(|| by_evidence(command, code, evidence));
    Some(kind.into())
}

/// Codes that mean one thing.
fn by_code_alone(command: Command, code: i32) -> Option<FailureKind> {
    Some(match code {
        31 | 32 | 37 => FailureKind::InvalidOptions,
        38 | 40 => FailureKind::DataDirectoryInUse,
        50 => FailureKind::RepositoryBusy,
        51 => FailureKind::SystemIdentifierMismatch,
        DATABASE_MISMATCH if command == Command::Restore => FailureKind::TimelineMismatch,
        62 => FailureKind::StopFilePresent,
        63 => FailureKind::Interrupted,
        64 if command == Command::Restore => FailureKind::DiskFull,
        68 | 87 => FailureKind::ArchivingDisabled,
        ARCHIVE_TIMEOUT => FailureKind::ArchiveTimeout,
        28 if matches!(command, Command::Check | Command::Stanza) => FailureKind::SystemIdentifierMismatch,
        _ => return None,
    })
}

/// Codes behind which a fault of the repository may stand.
fn may_be_the_repository(code: i32) -> bool {
    matches!(code, 29 | 39 | 49 | 55 | 64 | 75 | 95 | 101 | 103 | 104)
}

fn by_evidence(command: Command, code: i32, evidence: &Evidence<'_>) -> FailureKind {
    if let Some(kind) = evidence
        .http_status
        .filter(|_| may_be_the_repository(code))
        .and_then(by_http_status)
    {
        return kind;
    }
    match code {
        27 | 56 if evidence.names("LockAcquireError") => FailureKind::RepositoryBusy,
        27 | 56 => FailureKind::PrimaryUnreachable,
        29 => FailureKind::WrongCipherPassphrase,
        39 | 66 => FailureKind::ConnectionLost,
        49 => FailureKind::EndpointUnreachable,
        55 => FailureKind::StanzaMissing,
        64 => FailureKind::StoreFull,
        95 => FailureKind::CertificateUntrusted,
        101 => FailureKind::StoreUnavailable,
        103 | 104 => by_type_name(evidence).unwrap_or(FailureKind::EngineFailed),
        75 => by_type_name(evidence).unwrap_or(match command {
            Command::Restore | Command::Annotate => FailureKind::BackupSetInvalid,
            _ => FailureKind::EngineFailed,
        }),
        _ => FailureKind::EngineFailed,
    }
}

fn by_http_status(status: u16) -> Option<FailureKind> {
    Some(match status {
        401 | 403 => FailureKind::CredentialsRefused,
        404 => FailureKind::BucketMissing,
        507 => FailureKind::StoreFull,
        429 | 500..=599 => FailureKind::StoreUnavailable,
        _ => return None,
    })
}

fn by_type_name(evidence: &Evidence<'_>) -> Option<FailureKind> {
    [
        ("HostConnectError", FailureKind::EndpointUnreachable),
        ("CryptoError", FailureKind::CertificateUntrusted),
        ("FormatError", FailureKind::WrongCipherPassphrase),
        ("FileMissingError", FailureKind::StanzaMissing),
        ("ProtocolError", FailureKind::StoreUnavailable),
        // What a repository on a volume says when that is full, through its host.
        ("FileWriteError", FailureKind::StoreFull),
    ]
    .into_iter()
    .find_map(|(name, kind)| evidence.names(name).then_some(kind))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOTHING: Evidence<'static> = Evidence {
        repository: None,
        http_status: None,
        error_types: &[],
    };

    fn kind(command: Command, exit: i32, evidence: &Evidence<'_>) -> FailureKind {
        classify(command, Some(exit), evidence).unwrap().kind
    }

    #[rstest]
    #[case::dns_or_refused(Command::Backup, 49, FailureKind::EndpointUnreachable)]
    #[case::other_ca(Command::Backup, 95, FailureKind::CertificateUntrusted)]
    #[case::wrong_passphrase(Command::Stanza, 29, FailureKind::WrongCipherPassphrase)]
    #[case::no_stanza(Command::Backup, 55, FailureKind::StanzaMissing)]
    #[case::no_primary(Command::Backup, 56, FailureKind::PrimaryUnreachable)]
    #[case::no_primary_for_check(Command::Check, 27, FailureKind::PrimaryUnreachable)]
    #[case::other_system(Command::Backup, 51, FailureKind::SystemIdentifierMismatch)]
    #[case::other_system_for_check(Command::Check, 28, FailureKind::SystemIdentifierMismatch)]
    #[case::no_archive_command(Command::Backup, 68, FailureKind::ArchivingDisabled)]
    #[case::wal_does_not_arrive(Command::Backup, 82, FailureKind::ArchiveTimeout)]
    #[case::failover(Command::Backup, 39, FailureKind::ConnectionLost)]
    #[case::unknown_option(Command::Backup, 31, FailureKind::InvalidOptions)]
    #[case::stop_file(Command::Expire, 62, FailureKind::StopFilePresent)]
    #[case::sigterm(Command::Backup, 63, FailureKind::Interrupted)]
    #[case::lock_in_the_same_path(Command::Backup, 50, FailureKind::RepositoryBusy)]
    #[case::restore_disk_full(Command::Restore, 64, FailureKind::DiskFull)]
    #[case::no_such_set(Command::Restore, 75, FailureKind::BackupSetInvalid)]
    #[case::other_branch(Command::Restore, 58, FailureKind::TimelineMismatch)]
    #[case::standby_on_another_timeline(Command::Backup, 58, FailureKind::EngineFailed)]
    #[case::assertion(Command::Backup, 25, FailureKind::EngineFailed)]
    fn a_code_without_evidence_means_what_was_measured(
        #[case] command: Command,
        #[case] exit: i32,
        #[case] expected: FailureKind,
    ) {
        assert_eq!(kind(command, exit, &NOTHING), expected);
    }

    #[rstest]
    #[case(403, FailureKind::CredentialsRefused)]
    #[case(404, FailureKind::BucketMissing)]
    #[case(503, FailureKind::StoreUnavailable)]
    #[case(507, FailureKind::StoreFull)]
    fn a_protocol_error_is_told_apart_by_its_http_status(#[case] status: u16, #[case] expected: FailureKind) {
        let evidence = Evidence {
            http_status: Some(status),
            ..NOTHING
        };
        assert_eq!(kind(Command::Backup, 39, &evidence), expected);
        // ServiceError: how a store without space ends a backup, after half a minute of retries.
        assert_eq!(kind(Command::Backup, 101, &evidence), expected);
        assert_eq!(kind(Command::Restore, 75, &evidence), expected);
    }

    #[test]
    fn our_own_look_at_the_repository_comes_first() {
        let evidence = Evidence {
            repository: Some(FailureKind::BucketMissing),
            http_status: Some(403),
            error_types: &[],
        };
        assert_eq!(kind(Command::Backup, 55, &evidence), FailureKind::BucketMissing);
        assert_eq!(kind(Command::Expire, 104, &evidence), FailureKind::BucketMissing);
        assert_eq!(kind(Command::Backup, 31, &evidence), FailureKind::InvalidOptions);
        assert_eq!(
            kind(Command::Backup, 56, &evidence),
            FailureKind::PrimaryUnreachable
        );
    }

    #[test]
    fn a_held_lock_is_told_from_a_primary_that_is_down_by_the_error_type() {
        let types = ["LockAcquireError".to_owned()];
        let evidence = Evidence {
            error_types: &types,
            ..NOTHING
        };
        assert_eq!(kind(Command::Backup, 56, &evidence), FailureKind::RepositoryBusy);
    }

    #[test]
    fn a_full_volume_is_told_by_the_type_that_its_host_hands_on() {
        let types = ["FileWriteError".to_owned()];
        let evidence = Evidence {
            error_types: &types,
            ..NOTHING
        };
        assert_eq!(kind(Command::ArchivePush, 104, &evidence), FailureKind::StoreFull);
        assert_eq!(kind(Command::Backup, 64, &NOTHING), FailureKind::StoreFull);
    }

    #[test]
    fn success_is_no_failure_and_a_signal_is_an_interruption() {
        assert_eq!(classify(Command::Backup, Some(0), &NOTHING), None);
        for exit in [None, Some(137), Some(143)] {
            assert_eq!(
                classify(Command::Backup, exit, &NOTHING).unwrap().kind,
                FailureKind::Interrupted
            );
        }
    }

    #[test]
    fn what_a_person_must_change_is_permanent() {
        let failure = classify(Command::Backup, Some(29), &NOTHING).unwrap();
        assert_eq!(failure.permanence, Permanence::Permanent);
        assert_eq!(
            classify(Command::Backup, Some(49), &NOTHING).unwrap().permanence,
            Permanence::Transient
        );
    }
}
