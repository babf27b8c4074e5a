//! Runs pgBackRest to its end and hands back what can be learnt from it; and its server, which has no end.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::redact::Redactor;
use super::supervise::Supervised;
use crate::pgbackrest::configuration::{INCLUDE_DIRECTORY, TLS_DIRECTORY};
use crate::pgbackrest::output::Report;

/// A finished command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Absent when it could not be started, was killed by a signal, or took too long.
    pub exit: Option<i32>,
    /// Standard output, for commands that print JSON.
    pub output: String,
    /// Error type names of the log, each once, in order of appearance.
    pub error_types: Vec<String>,
    /// Status of the last HTTP request that failed.
    pub http_status: Option<u16>,
}

/// Runs `pgbackrest server`, which reads its configuration and certificates again when they change, until `stop` is
/// cancelled and it has ended.
pub async fn serve(stop: &CancellationToken) {
    let server = Supervised {
        program: "pgbackrest".into(),
        arguments: vec!["server".into()],
        watched: vec![INCLUDE_DIRECTORY.into(), TLS_DIRECTORY.into()],
        stop_signal: Signal::TERM,
        grace: Duration::from_secs(10),
    };
    server.run(stop).await;
}

/// Runs a command whose log goes to standard error and whose answer goes to standard output.
pub async fn run(mut command: Command, limit: Duration) -> Finished {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(limit, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot run pgbackrest");
            return Finished {
                error_types: vec!["ExecuteError".into()],
                ..Finished::default()
            };
        }
        Err(_) => {
            tracing::warn!(seconds = limit.as_secs(), "pgbackrest took too long");
            return Finished {
                error_types: vec!["Timeout".into()],
                ..Finished::default()
            };
        }
    };
    let log = String::from_utf8_lossy(&output.stderr);
    let mut redactor = Redactor::default();
    for line in log.lines().filter_map(|line| redactor.next(line)) {
        tracing::info!(target: "pgbackrest", "{line}");
    }
    let report = Report::scan(&log);
    Finished {
        exit: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        error_types: report.error_types,
        http_status: report.http_status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn exit_code_output_and_error_types_are_kept_apart() {
        let script = "echo '[]'; echo 'ERROR: [039]: HTTP request failed with 403 (Forbidden)' >&2; \
            echo 'WARN: [CryptoError] a [CryptoError] b' >&2; exit 39";
        let finished = run(shell(script), Duration::from_secs(10)).await;
        assert_eq!(finished.exit, Some(39));
        assert_eq!(finished.output, "[]\n");
        assert_eq!(finished.error_types, ["CryptoError"]);
        assert_eq!(finished.http_status, Some(403));
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let finished = run(shell("sleep 60"), Duration::from_millis(50)).await;
        assert_eq!(
            (finished.exit, finished.error_types),
            (None, vec!["Timeout".to_owned()])
        );
    }
}
