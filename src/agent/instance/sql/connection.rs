//! Connections over the Unix socket, as the superuser whom PostgreSQL knows by our user id (peer).

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

/// Connecting is local: what takes longer than this is not going to work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of every session.
///
/// Statements hold verifiers, so they are kept out of the server's log whatever it is set to log, failed statements
/// included. `search_path`: nothing that a user made can be called by accident. `synchronous_commit`: a standby that
/// is gone must not stop us; after a failover everything is looked at again. Timeouts: a lock held by a user's session
/// makes us come again, not wait for ever.
const SESSION: &str = "-c search_path=pg_catalog -c log_statement=none -c log_min_error_statement=panic \
    -c log_min_duration_statement=-1 -c log_min_duration_sample=-1 -c log_transaction_sample_rate=0 \
    -c pgaudit.log=none -c auto_explain.log_min_duration=-1 -c synchronous_commit=local -c standard_conforming_strings=on \
    -c default_transaction_read_only=off -c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s";

/// Something that PostgreSQL refused, without the statement's text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    code: String,
    message: String,
}

impl SqlError {
    /// An error found on our side; `code` is a word.
    #[must_use]
    pub fn ours(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// SQLSTATE, or a word of our own.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "sql"
    }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self {
                code: db.code().code().to_owned(),
                message: without_verifier(db.message()),
            },
            None if error.is_closed() => Self::ours("closed", "the connection was closed"),
            None => Self::ours("connection", "PostgreSQL cannot be reached over its socket"),
        }
    }
}

/// A syntax error quotes what stood near it.
fn without_verifier(message: &str) -> String {
    if message.contains("SCRAM-SHA-256$") || message.contains("md5") {
        "the message is withheld: it quotes a password verifier".to_owned()
    } else {
        message.chars().take(300).collect()
    }
}

/// Where the local PostgreSQL listens.
#[derive(Clone, Debug)]
pub struct Socket {
    directory: PathBuf,
    port: u16,
}

impl Socket {
    /// Directory of the socket, and the port that is part of its name.
    #[must_use]
    pub fn new(directory: &Path, port: u16) -> Self {
        Self {
            directory: directory.to_owned(),
            port,
        }
    }

    /// Connects to one database as `postgres`. The connection ends when the client is dropped.
    pub async fn connect(&self, database: &str) -> Result<Client, SqlError> {
        let mut config = Config::new();
        config
            .host_path(&self.directory)
            .port(self.port)
            .user("postgres")
            .dbname(database)
            .application_name("holdfast-agent")
            .options(SESSION)
            .connect_timeout(CONNECT_TIMEOUT);
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls));
        let (client, connection) = connecting
            .await
            .map_err(|_| SqlError::ours("timeout", "PostgreSQL did not answer in time"))??;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %SqlError::from(error), "connection ended");
            }
        });
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_quotes_a_verifier_is_withheld() {
        assert!(!without_verifier(r#"syntax error at or near "SCRAM-SHA-256$4096:x""#).contains("4096"));
        assert_eq!(without_verifier("permission denied"), "permission denied");
    }
}
