//! What is checked of a restored database that nobody will use: pages, tables with their indexes, and statements of the user's.
//!
//! A check that fails is a result and not an error: what was restored was restored.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio_postgres::SimpleQueryMessage;
use tokio_util::sync::CancellationToken;

use super::Failed;
use super::report::{Category, Phase, RestoreProgress};
use super::running::{PORT, Running};
use crate::agent::instance::sql::connection::{Socket, SqlError};
use crate::agent::postgres::Layout;
use crate::agent::progress::Publisher;
use crate::api::cluster::drills::{CheckResult, DrillChecks, SqlCheck};

/// Of what a program prints, the last of it.
const PRINTED: usize = 600;
/// A statement that takes longer is not an answer.
const STATEMENT: Duration = Duration::from_mins(30);

/// Checks everything that is asked for.
pub async fn check(
    checks: &DrillChecks,
    layout: &Layout,
    publisher: &Publisher<RestoreProgress>,
    stop: &CancellationToken,
) -> Result<Vec<CheckResult>, Failed> {
    publisher.tell(RestoreProgress {
        phase: Phase::Checking,
        ..RestoreProgress::default()
    });
    let mut results = Vec::new();
    if checks.checksums.unwrap_or(true) {
        let data = layout.data.to_string_lossy();
        let arguments = ["--check", "-D", &data];
        let run = program("checksums", "pg_checksums", &arguments);
        results.push(unless_stopped(run, stop).await?);
    }
    let wanted = checks.amcheck.unwrap_or(true);
    if !wanted && checks.sql.is_empty() {
        return Ok(results);
    }
    let mut running = Running::start(layout, &[], publisher)?;
    if running.until_writable(stop).await?.is_none() {
        let log = running.said().await;
        let message = log
            .fatal
            .map_or_else(|| "it does not say why".to_owned(), |fatal| fatal.text);
        return Err(Failed::permanent(
            Category::Recovery,
            format!("the restored database does not start again: {message}"),
        ));
    }
    let socket = layout.socket.to_string_lossy();
    if wanted {
        let port = PORT.to_string();
        let arguments = [
            "-h",
            &socket,
            "-p",
            &port,
            "-U",
            "postgres",
            "--all",
            "--install-missing",
        ];
        let run = program("amcheck", "pg_amcheck", &arguments);
        results.push(unless_stopped(run, stop).await?);
    }
    for sql in &checks.sql {
        results.push(unless_stopped(statement(layout, sql), stop).await?);
    }
    running.stop().await;
    Ok(results)
}

async fn unless_stopped(
    check: impl Future<Output = CheckResult>,
    stop: &CancellationToken,
) -> Result<CheckResult, Failed> {
    tokio::select! {
        result = check => Ok(result),
        () = stop.cancelled() => Err(Failed::stopped()),
    }
}

async fn program(name: &str, program: &str, arguments: &[&str]) -> CheckResult {
    let begun = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let (passed, message) = match output {
        Err(error) => (false, format!("{program} cannot be started: {error}")),
        Ok(output) => {
            let text = last(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
            let said = if text.is_empty() {
                "it says nothing".to_owned()
            } else {
                text
            };
            (output.status.success(), said)
        }
    };
    // It can be told only of a cluster that has them.
    let none = message.contains("data checksums are not enabled");
    result(name, passed || none, message, begun)
}

async fn statement(layout: &Layout, check: &SqlCheck) -> CheckResult {
    let begun = Instant::now();
    let (passed, message) = match tokio::time::timeout(STATEMENT, answer(layout, check)).await {
        Err(_) => (false, format!("no answer within {} s", STATEMENT.as_secs())),
        Ok(Err(error)) => (false, error.to_string()),
        Ok(Ok(found)) => judged(check.expect.as_deref(), found.as_deref()),
    };
    result(&check.name, passed, message, begun)
}

async fn answer(layout: &Layout, check: &SqlCheck) -> Result<Option<String>, SqlError> {
    let socket = Socket::new(&layout.socket, PORT);
    let client = socket
        .connect(check.database.as_deref().unwrap_or("postgres"))
        .await?;
    client
        .batch_execute("set statement_timeout = 0; set search_path = \"$user\", public")
        .await?;
    let rows = client.simple_query(&check.statement).await?;
    let first = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    Ok(first.flatten())
}

fn judged(expected: Option<&str>, found: Option<&str>) -> (bool, String) {
    let shown = found.map_or_else(|| "nothing".to_owned(), |found| format!("'{}'", last(found)));
    match expected {
        None => (true, format!("it answers {shown}")),
        Some(expected) if found == Some(expected) => (true, format!("it answers {shown}, as expected")),
        Some(expected) => (false, format!("it answers {shown}, expected is '{expected}'")),
    }
}

fn result(name: &str, passed: bool, message: String, begun: Instant) -> CheckResult {
    CheckResult {
        name: name.to_owned(),
        passed,
        message,
        seconds: i64::try_from(begun.elapsed().as_secs()).ok(),
    }
}

/// The end of a text, on one line.
fn last(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let skip = line.chars().count().saturating_sub(PRINTED);
    line.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_as_text_and_told() {
        assert!(judged(None, None).0);
        assert!(judged(Some("3"), Some("3")).0);
        let (passed, message) = judged(Some("3"), Some("2"));
        assert!(!passed && message == "it answers '2', expected is '3'");
        assert!(!judged(Some(""), None).0);
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_not_there_is_a_result() {
        let failed = program("x", "sh", &["-c", "echo two  words; echo more >&2; exit 2"]).await;
        assert!(!failed.passed && failed.message == "two words more");
        let absent = program("x", "holdfast-no-such-program", &[]).await;
        assert!(!absent.passed && absent.message.contains("cannot be started"));
    }

    #[test]
    fn of_a_long_text_the_end_is_told() {
        assert_eq!(last(&"ä".repeat(9000)).chars().count(), PRINTED);
    }
}
