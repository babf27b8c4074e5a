//! Runs pgBackRest as a child: its log goes line by line to ours, its lock file becomes progress, a request to stop
//! becomes SIGTERM. What the container needed of memory and whom the workers read from is watched beside it.

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chrono::Utc;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lock_file;
use super::memory::Memory;
use super::servers::Servers;
use crate::agent::progress::Publisher;
use crate::agent::redact::Redactor;
use crate::agent::report::{BackupOutcome, BackupProgress, Readers};
use crate::agent::supervise;
use crate::pgbackrest::output::Report;

/// Error type of a program that could not be started; pgBackRest's own name for that.
pub const NOT_STARTED: &str = "ExecuteError";

/// The lock file is looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// The workers are looked for this often until they are seen: of a small database they live for half a second.
const GLANCE: Duration = Duration::from_millis(100);
/// After SIGTERM pgBackRest needs a second; it is killed before Kubernetes would kill us.
const GRACE: Duration = Duration::from_secs(20);
/// pgBackRest names its error and then waits for its workers, each of which may repeat a refused request for minutes.
const LINGER: Duration = Duration::from_secs(5);
/// What is left in the pipes when pgBackRest has ended is read within this.
const DRAIN: Duration = Duration::from_secs(2);
/// A line longer than this is cut: nothing in it is needed.
const LONGEST_LINE: usize = 64 * 1024;

/// Where to look while it runs.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// pgBackRest's lock file, with its progress.
    pub lock_file: PathBuf,
    /// Where control groups are mounted.
    pub control_groups: PathBuf,
    /// Where processes are seen.
    pub processes: PathBuf,
    /// The servers that pgBackRest may read from.
    pub servers: Servers,
}

/// What has been seen of one run.
struct Seen {
    bytes: Option<u64>,
    readers: Readers,
    memory: Memory,
}

/// Runs it to its end.
pub async fn run(
    program: &OsStr,
    arguments: &[String],
    around: &Surroundings,
    stall: Duration,
    publisher: Publisher<BackupProgress>,
    stop: &CancellationToken,
) -> BackupOutcome {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let message = format!("{} cannot be started: {error}", program.display());
            return BackupOutcome {
                message,
                error_types: vec![NOT_STARTED.to_owned()],
                ..BackupOutcome::default()
            };
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut report = Report::default();
    let mut errors = Report::default();
    let mut seen = Seen {
        bytes: None,
        readers: Readers::default(),
        memory: Memory::begin(&around.control_groups),
    };
    let pulse = Pulse::new(stall);
    let mut stalled = false;
    let (failed, ended) = (CancellationToken::new(), CancellationToken::new());
    let (status, (), ()) = tokio::join!(
        async {
            let attending = attend(&mut child, around, &publisher, &mut seen, &pulse, stop);
            let lingering = async {
                failed.cancelled().await;
                tokio::time::sleep(LINGER).await;
            };
            let status = tokio::select! {
                status = attending => Some(status),
                () = lingering => None,
                () = pulse.stops() => {
                    stalled = true;
                    None
                }
            };
            if stalled {
                tracing::warn!(seconds = stall.as_secs(), "nothing has moved: ending pgBackRest");
                supervise::end(&mut child, Signal::TERM, GRACE).await;
            } else if status.is_none() {
                tracing::info!("pgBackRest has failed and lingers: ending it");
                supervise::end(&mut child, Signal::TERM, LINGER).await;
            }
            ended.cancel();
            status
        },
        until_drained(pass_on(stdout, &mut report, &failed, &pulse), &ended),
        until_drained(pass_on(stderr, &mut errors, &failed, &pulse), &ended),
    );
    // How one ends that was ended says nothing; its own error line does.
    let status = status.unwrap_or(report.code.or(errors.code));
    let ended_at = Some(Utc::now());
    publisher
        .end(|last| {
            last.exit = status;
            last.readers.clone_from(&seen.readers);
        })
        .await;
    for name in errors.error_types {
        if !report.error_types.contains(&name) {
            report.error_types.push(name);
        }
    }
    let summary = report.summary.or(errors.summary);
    let memory = seen.memory.usage();
    BackupOutcome {
        exit: status,
        error_types: report.error_types,
        http_status: report.http_status.or(errors.http_status),
        message: match (summary, status) {
            _ if stalled => format!(
                "no byte was copied and nothing was said for {} s (jobs.stallTimeoutSeconds), so pgBackRest was stopped",
                stall.as_secs()
            ),
            (Some(summary), _) => summary,
            (None, Some(0)) => "pgBackRest ended well".to_owned(),
            (None, Some(code)) => format!("pgBackRest ended with {code}"),
            (None, None) => "pgBackRest was killed".to_owned(),
        },
        bytes: seen.bytes,
        ended_at,
        stalled,
        memory_peak: memory.peak,
        memory_kills: memory.kills,
        readers: seen.readers,
        ..BackupOutcome::default()
    }
}

/// When something was seen to move last: a byte that was copied, a line that was said.
struct Pulse {
    last: Cell<Instant>,
    longest: Duration,
}

impl Pulse {
    fn new(longest: Duration) -> Self {
        Self {
            last: Cell::new(Instant::now()),
            longest,
        }
    }

    fn beat(&self) {
        self.last.set(Instant::now());
    }

    /// Returns when nothing has moved for too long.
    async fn stops(&self) {
        while self.last.get().elapsed() < self.longest {
            tokio::time::sleep_until(self.last.get() + self.longest).await;
        }
    }
}

/// Waits for the child; returns its exit code, or nothing when a signal ended it.
async fn attend(
    child: &mut Child,
    around: &Surroundings,
    publisher: &Publisher<BackupProgress>,
    seen: &mut Seen,
    pulse: &Pulse,
    stop: &CancellationToken,
) -> Option<i32> {
    let started = Some(Utc::now());
    let mut look = tokio::time::interval(LOOK);
    let mut glance = tokio::time::interval(GLANCE);
    loop {
        tokio::select! {
            status = child.wait() => return status.ok().and_then(|status| status.code()),
            () = stop.cancelled() => {
                tracing::info!("asked to stop: ending pgBackRest");
                supervise::end(child, Signal::TERM, GRACE).await;
                // It has been waited for, and remembers how it ended.
                return child.wait().await.ok().and_then(|status| status.code());
            }
            _ = glance.tick(), if seen.readers.others.is_none() => {
                around.servers.look(&around.processes, &mut seen.readers);
            }
            _ = look.tick() => {
                let Some(found) = lock_file::read(&around.lock_file) else { continue };
                if found.complete > seen.bytes {
                    seen.bytes = found.complete;
                    pulse.beat();
                }
                publisher.tell(BackupProgress {
                    bytes_done: seen.bytes.unwrap_or_default(),
                    bytes_total: found.size.unwrap_or_default(),
                    at: Some(Utc::now()),
                    pid: found.pid,
                    started_at: started,
                    exit: None,
                    memory_peak: seen.memory.stepped(),
                    readers: seen.readers.clone(),
                });
            }
        }
    }
}

/// A process that pgBackRest left behind may keep its output open for ever: what was written is read, no more.
async fn until_drained(reading: impl Future<Output = ()>, ended: &CancellationToken) {
    let drained = async {
        ended.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = reading => {}
        () = drained => tracing::warn!("pgBackRest has ended, and something keeps its output open"),
    }
}

/// Reads a stream to its end, learns from each line and logs what may be logged of it.
async fn pass_on(
    stream: Option<impl AsyncRead + Unpin>,
    report: &mut Report,
    failed: &CancellationToken,
    pulse: &Pulse,
) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut redactor = Redactor::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        pulse.beat();
        line.truncate(LONGEST_LINE);
        let text = String::from_utf8_lossy(&line);
        report.add_line(text.trim_end());
        if report.code.is_some() {
            failed.cancel();
        }
        if let Some(text) = redactor.next(text.trim_end()) {
            tracing::info!(target: "pgbackrest", "{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    // Longer than one may linger after its error.
    const STALL: Duration = Duration::from_secs(6);

    async fn shell(script: &str, stop: &CancellationToken) -> BackupOutcome {
        let publisher = Publisher::begin(|_| None).await;
        let directory = tempfile::tempdir().unwrap();
        let script = format!("cd {}; {script}", directory.path().display());
        let arguments = ["-c".to_owned(), script];
        let around = around(directory.path());
        std::fs::write(&around.lock_file, r#"{"pid":7,"sz":10,"szCplt":4}"#).unwrap();
        std::fs::write(directory.path().join("memory.peak"), "4096").unwrap();
        std::fs::write(directory.path().join("memory.events"), "oom_kill 1").unwrap();
        run("sh".as_ref(), &arguments, &around, STALL, publisher, stop).await
    }

    fn around(directory: &Path) -> Surroundings {
        Surroundings {
            lock_file: directory.join("lock"),
            control_groups: directory.to_owned(),
            processes: directory.to_owned(),
            servers: Servers::default(),
        }
    }

    #[tokio::test]
    async fn what_was_killed_for_memory_while_it_ran_and_the_peak_are_told() {
        let stop = CancellationToken::new();
        let outcome = shell("exit 0", &stop).await;
        assert_eq!((outcome.memory_kills, outcome.memory_peak), (0, Some(4096)));
        let outcome = shell("sleep 1; echo oom_kill 2 > memory.events; exit 39", &stop).await;
        assert_eq!(outcome.memory_kills, 1);
    }

    #[tokio::test]
    async fn one_that_stands_still_is_ended_and_one_that_says_something_is_not() {
        let stop = CancellationToken::new();
        let silent = shell(
            "trap 'exit 63' TERM; echo one; while :; do sleep 0.05; done",
            &stop,
        )
        .await;
        assert!(
            silent.stalled && silent.message.contains("stallTimeoutSeconds"),
            "{silent:?}"
        );
        let talking = "for _ in 1 2 3 4; do echo more; sleep 2; done";
        let outcome = shell(talking, &stop).await;
        assert_eq!((outcome.stalled, outcome.exit), (false, Some(0)));
    }

    #[tokio::test]
    async fn exit_code_error_types_and_the_error_line_are_told() {
        let script = "echo 'P00   WARN: pg1: [LockAcquireError] busy'; \
            echo 'P00  ERROR: [056]: unable to find primary cluster'; sleep 0.1; exit 56";
        let outcome = shell(script, &CancellationToken::new()).await;
        assert_eq!((outcome.exit, outcome.bytes), (Some(56), Some(4)));
        assert_eq!(outcome.error_types, ["LockAcquireError"]);
        assert_eq!(outcome.message, "[056]: unable to find primary cluster");
    }

    #[tokio::test]
    async fn one_that_lingers_after_its_error_is_ended_and_counts_as_that_error() {
        let script = "trap 'exit 63' TERM; echo 'P00  ERROR: [101]: raised from local-1 protocol: [507] Full'; \
            while :; do sleep 0.05; done";
        let outcome = shell(script, &CancellationToken::new()).await;
        assert_eq!((outcome.exit, outcome.http_status), (Some(101), Some(507)));
    }

    #[tokio::test]
    async fn a_request_to_stop_reaches_the_child() {
        let stop = CancellationToken::new();
        stop.cancel();
        let script = "trap 'exit 63' TERM; while :; do sleep 0.05; done";
        let outcome = tokio::time::timeout(Duration::from_secs(15), shell(script, &stop))
            .await
            .unwrap();
        // A shell that was asked before it had set its trap ends by the signal itself.
        assert!(matches!(outcome.exit, Some(63) | None), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_process_left_behind_does_not_hold_the_outcome_up() {
        let stop = CancellationToken::new();
        let left = shell("sleep 20 & echo 'P00  ERROR: [082]: late'; exit 82", &stop);
        let outcome = tokio::time::timeout(Duration::from_secs(15), left).await.unwrap();
        assert_eq!(
            (outcome.exit, outcome.message.as_str()),
            (Some(82), "[082]: late")
        );
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let publisher = Publisher::begin(|_| None).await;
        let stop = CancellationToken::new();
        let outcome = run(
            "no-such-program".as_ref(),
            &[],
            &around(Path::new("/nowhere")),
            STALL,
            publisher,
            &stop,
        )
        .await;
        assert!(outcome.exit.is_none() && outcome.message.contains("no-such-program"));
    }
}
