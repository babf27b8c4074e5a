//! `holdfast agent delete-stanza`: removes all backups and all WAL of a cluster from one repository.
//!
//! Invariants: it runs under the repository's Lease; a stanza of another database is left alone; a second run finds nothing left
//! to do. That it is wanted, the controller knows: the user's finalizer says so.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::pgbackrest;
use super::report::{BackupOutcome, exit};
use super::termination;
use crate::pgbackrest::info::Info;

/// pgBackRest retries for a minute by itself when a store does not answer.
const LOOK: Duration = Duration::from_secs(90);
/// A large repository is many objects.
const LIMIT: Duration = Duration::from_hours(12);

/// What the Job asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The stanza.
    pub stanza: String,
    /// Key of the repository.
    pub repository: u8,
    /// Where its lock files are, if not where the configuration says: on the repository's volume.
    pub lock_path: Option<PathBuf>,
    /// The database whose backups they must be.
    pub system_identifier: u64,
}

/// Does it; the result is the process's exit code, of [`exit`].
pub async fn run(request: Request, stop: CancellationToken) -> u8 {
    let started = Utc::now();
    let (message, code) = tokio::select! {
        done = delete(&request) => done,
        () = stop.cancelled() => ("stopped on request".to_owned(), exit::STOPPED),
    };
    tracing::info!(code, message, "ended");
    termination::tell(&BackupOutcome {
        message,
        started_at: Some(started),
        ended_at: Some(Utc::now()),
        ..BackupOutcome::default()
    });
    code
}

async fn delete(request: &Request) -> (String, u8) {
    let answer = pgbackrest::run(command(request, &["--output=json", "info"]), LOOK).await;
    let info = match Info::parse(answer.output.as_bytes()) {
        Ok(info) if info.is_readable() => info,
        _ => {
            let message = "the repository cannot be read, so nothing is removed from it";
            return (message.to_owned(), exit::TRANSIENT);
        }
    };
    if let Err(message) = is_ours(&info, request) {
        return (message, exit::PERMANENT);
    }
    // Without the stop file pgBackRest refuses, whatever is forced; on a volume it must not be left behind.
    for words in [&["stop"][..], &["--force", "stanza-delete"], &["start"]] {
        let finished = pgbackrest::run(command(request, words), LIMIT).await;
        if finished.exit != Some(0) {
            let word = words.last().copied().unwrap_or_default();
            let message = match finished.exit {
                Some(code) => format!("pgbackrest {word} ended with {code}"),
                None => format!("pgbackrest {word} was killed or took too long"),
            };
            return (message, exit::TRANSIENT);
        }
    }
    ("all backups and all WAL are removed".to_owned(), exit::OK)
}

/// A stanza that is not there has no database, and nothing to remove.
fn is_ours(info: &Info, request: &Request) -> Result<(), String> {
    let databases = info.stanzas.iter().filter(|stanza| stanza.name == request.stanza);
    let stranger = databases
        .flat_map(|stanza| &stanza.db)
        .max_by_key(|database| database.id)
        .filter(|database| database.system_id != request.system_identifier);
    match stranger {
        Some(database) => Err(format!(
            "nothing is removed: the repository belongs to the database with system identifier {}, and this cluster's is {}",
            database.system_id, request.system_identifier
        )),
        None => Ok(()),
    }
}

fn command(request: &Request, words: &[&str]) -> Command {
    let mut command = Command::new("pgbackrest");
    command.arg(format!("--stanza={}", request.stanza));
    // These two are about lock files, and take no repository.
    if words != ["stop"] && words != ["start"] {
        command.arg(format!("--repo={}", request.repository));
    }
    command.args([
        "--log-level-console=off",
        "--log-level-stderr=info",
        "--log-timestamp=n",
    ]);
    command.args(
        request
            .lock_path
            .iter()
            .map(|path| format!("--lock-path={}", path.display())),
    );
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(system_identifier: u64) -> Request {
        Request {
            stanza: "db".into(),
            repository: 1,
            lock_path: None,
            system_identifier,
        }
    }

    #[test]
    fn a_stanza_of_another_database_is_left_alone() {
        let info = Info::parse(
            br#"[{"name":"db","db":[{"id":1,"system-id":7,"version":"17"},{"id":2,"system-id":8,"version":"18"}]}]"#,
        )
        .unwrap();
        assert!(is_ours(&info, &request(8)).is_ok());
        assert!(is_ours(&info, &request(7)).unwrap_err().contains("identifier 8"));
        assert!(is_ours(&Info::default(), &request(7)).is_ok());
    }
}
