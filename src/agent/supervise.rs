//! Keeps one program running: restarts it with back-off, reloads it when mounted files change, ends it gently.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::fingerprint::Fingerprint;

/// Mounted files are looked at this often.
const LOOK: Duration = Duration::from_secs(3);
/// First and longest pause before a program that ended is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A program that ran this long starts over with the first pause.
const STEADY: Duration = Duration::from_mins(1);

/// A program to be kept running.
#[derive(Clone, Debug)]
pub struct Supervised {
    /// Program name, looked up on the PATH.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Files and directories whose change makes it reload (SIGHUP).
    pub watched: Vec<PathBuf>,
    /// How it is asked to end.
    pub stop_signal: Signal,
    /// It is killed when it has not ended this long after being asked.
    pub grace: Duration,
}

impl Supervised {
    /// Runs until `stop` is cancelled and the program has ended.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut pause = BACK_OFF.0;
        while !stop.is_cancelled() {
            // Taken before the start: what changes while the program starts leads to one reload too many, not too few.
            let seen = Fingerprint::of(&self.watched);
            let started = Instant::now();
            match Command::new(&self.program)
                .args(&self.arguments)
                .kill_on_drop(true)
                .spawn()
            {
                Err(error) => {
                    tracing::error!(program = ?self.program, %error, "cannot start");
                }
                Ok(child) => {
                    tracing::info!(program = ?self.program, pid = child.id(), "started");
                    if self.attend(child, seen, stop).await {
                        return;
                    }
                }
            }
            pause = if started.elapsed() >= STEADY {
                BACK_OFF.0
            } else {
                (pause * 2).min(BACK_OFF.1)
            };
            tracing::warn!(program = ?self.program, seconds = pause.as_secs(), "starting again after a pause");
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Returns true when the program was ended because of `stop`.
    async fn attend(&self, mut child: Child, mut seen: Fingerprint, stop: &CancellationToken) -> bool {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    end(&mut child, self.stop_signal, self.grace).await;
                    return true;
                }
                status = child.wait() => {
                    match status {
                        Ok(status) => tracing::warn!(program = ?self.program, %status, "ended by itself"),
                        Err(error) => tracing::error!(program = ?self.program, %error, "cannot wait for it"),
                    }
                    return false;
                }
                _ = look.tick() => {
                    let now = Fingerprint::of(&self.watched);
                    if now != seen {
                        tracing::info!(program = ?self.program, "mounted files changed: reloading");
                        send(&child, Signal::HUP);
                        seen = now;
                    }
                }
            }
        }
    }
}

/// Sends a signal to a child that has not been waited for; one that has ended is not an error.
pub fn send(child: &Child, signal: Signal) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        tracing::warn!(?signal, %error, "cannot signal");
    }
}

/// Asks a child to end and waits; kills it when `grace` is over.
pub async fn end(child: &mut Child, signal: Signal, grace: Duration) {
    send(child, signal);
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        tracing::warn!(pid = child.id(), "did not end when asked: killing it");
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shell(script: &str, watched: Vec<PathBuf>) -> Supervised {
        Supervised {
            // A shell cannot trap a signal that was ignored when it was started, as SIGHUP is below nohup.
            program: "env".into(),
            arguments: ["--default-signal=HUP", "sh", "-c", script]
                .map(Into::into)
                .into(),
            watched,
            stop_signal: Signal::TERM,
            grace: Duration::from_secs(5),
        }
    }

    async fn until(mut met: impl FnMut() -> bool) {
        let met = async {
            while !met() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), met)
            .await
            .expect("in time");
    }

    #[tokio::test]
    async fn a_program_that_ends_is_started_again_and_a_stop_ends_it() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let program = shell(&format!("echo run >> {}; exit 3", log.display()), Vec::new());
        let stop = CancellationToken::new();
        let (token, seen) = (stop.clone(), log.clone());
        let task = tokio::spawn(async move { program.run(&token).await });
        until(|| fs::read_to_string(&seen).is_ok_and(|text| text.lines().count() >= 2)).await;
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn changed_files_reload_it_and_a_stop_reaches_it() {
        let directory = tempfile::tempdir().unwrap();
        let (log, watched) = (directory.path().join("log"), directory.path().join("watched"));
        fs::write(&watched, b"1").unwrap();
        let log_name = log.display();
        let program = shell(
            &format!(
                "trap 'echo hup >> {log_name}' HUP; trap 'echo term >> {log_name}; exit 0' TERM; \
                 echo up >> {log_name}; while :; do sleep 0.05; done"
            ),
            vec![watched.clone()],
        );
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { program.run(&token).await });
        let read = || fs::read_to_string(&log).unwrap_or_default();
        until(|| read().contains("up")).await;
        fs::write(&watched, b"12").unwrap();
        until(|| read().contains("hup")).await;
        stop.cancel();
        task.await.unwrap();
        assert!(read().contains("term"));
    }
}
