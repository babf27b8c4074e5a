//! Why a catalog could not be asked.

use sqlx::{Error, migrate::MigrateError};

/// The reasons that lead to different actions. No text holds a password: what a database says of a refused one names
/// the user only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The file is no database, or a damaged one.
    #[error("the catalog's file is damaged: {0}")]
    Damaged(String),
    /// Another process holds it.
    #[error("the catalog is locked by another process")]
    Locked,
    /// No answer within the bound.
    #[error("the catalog did not answer in time")]
    TooSlow,
    /// No database answers, or the file cannot be opened.
    #[error("the catalog cannot be reached: {0}")]
    Unreachable(String),
    /// Credentials or permissions.
    #[error("the catalog's database refuses: {0}")]
    Refused(String),
    /// No space is left.
    #[error("the catalog has no space left: {0}")]
    Full(String),
    /// The schema is not one that this version can use.
    #[error("the catalog is of another version: {0}")]
    OtherVersion(String),
    /// It failed a moment ago and is left alone until later.
    #[error("the catalog failed a moment ago and is left alone for now")]
    LeftAlone,
    /// Anything else.
    #[error("the catalog failed: {0}")]
    Unexpected(String),
}

impl CatalogError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "damaged",
            Self::Locked => "locked",
            Self::TooSlow => "too-slow",
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
            Self::Full(_) => "full",
            Self::OtherVersion(_) => "other-version",
            Self::LeftAlone => "left-alone",
            Self::Unexpected(_) => "unexpected",
        }
    }

    /// True where a file has to be begun anew.
    pub(super) fn calls_for_a_new_file(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::OtherVersion(_))
    }

    /// Primary result codes of `SQLite` (<https://sqlite.org/rescode.html>); extended ones have them in their low byte.
    pub(super) fn of_sqlite(error: Error) -> Self {
        match error {
            Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<u32>().ok());
                let text = error.message().to_owned();
                match code.map(|code| code & 0xFF) {
                    Some(5 | 6) => Self::Locked,
                    Some(11 | 26) => Self::Damaged(text),
                    Some(13) => Self::Full(text),
                    Some(3 | 8 | 10 | 14 | 23) => Self::Unreachable(text),
                    _ => Self::Unexpected(text),
                }
            }
            other => Self::of_any(other),
        }
    }

    /// SQLSTATE, by class where the class says enough.
    pub(super) fn of_postgres(error: Error) -> Self {
        match error {
            Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                let text = error.message().to_owned();
                match code.as_str() {
                    // Our own bounds: a lock, and a statement.
                    "55P03" => Self::Locked,
                    "57014" => Self::TooSlow,
                    _ if code.starts_with("28") || code.starts_with("3D") || code == "42501" => {
                        Self::Refused(text)
                    }
                    _ if code.starts_with("53") => Self::Full(text),
                    _ if code.starts_with("57") || code.starts_with("08") || code == "25006" => {
                        Self::Unreachable(text)
                    }
                    _ => Self::Unexpected(text),
                }
            }
            other => Self::of_any(other),
        }
    }

    fn of_any(error: Error) -> Self {
        match error {
            Error::Io(error) => Self::Unreachable(error.to_string()),
            Error::Tls(error) => Self::Unreachable(error.to_string()),
            Error::WorkerCrashed => Self::Unreachable("the connection's worker ended".to_owned()),
            other => Self::Unexpected(other.to_string()),
        }
    }

    pub(super) fn of_migration(error: MigrateError, of: fn(Error) -> Self) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => of(error),
            other => Self::OtherVersion(other.to_string()),
        }
    }
}
