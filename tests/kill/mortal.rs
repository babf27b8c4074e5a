//! A controller process on this machine, for one namespace.

use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Scenario, asked_until, minutes, seconds};

/// More deaths than any run needs: one that makes no progress ends here.
const MOST_LIVES: usize = 250;
/// One that has written nothing for so long has nothing left to write.
const QUIET: Duration = seconds(20);

/// How to start one.
pub struct Mortal<'a> {
    scenario: &'a Scenario,
    directory: TempDir,
    port: u16,
}

/// Each has a port of its own.
static PORT: AtomicU16 = AtomicU16::new(18080);

/// Each of the steps, with the resource's name in it, is among the writes after which one died.
pub fn died_after_all<'s>(died: &[String], steps: impl IntoIterator<Item = &'s str>, name: &str) {
    for step in steps {
        let begins = step.replace("NAME", name);
        assert!(
            died.iter().any(|done| done.starts_with(&begins)),
            "no death after '{begins}': {died:#?}"
        );
    }
}

impl<'a> Mortal<'a> {
    pub fn of(scenario: &'a Scenario) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        Self {
            scenario,
            directory,
            port,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command
            .arg("controller")
            .env("WATCH_NAMESPACE", &self.scenario.namespace)
            .env("POD_NAMESPACE", &self.scenario.namespace)
            // The same name each time: its own Lease is not waited for.
            .env("POD_NAME", "mortal")
            .env("HOLDFAST_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("HOLDFAST_CATALOG", self.directory.path().join("catalog.db"))
            .env("RELATED_IMAGE_POSTGRES_18", crate::harness::image())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// One that nobody kills.
    pub fn live(&self) -> Alive {
        Alive(self.command().stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// Starts one again and again, each of which dies after its first write, until one has nothing left to write and `done`
    /// holds. Returns the writes after which they died.
    pub async fn dies_after_each_write(&self, done: impl AsyncFn() -> bool) -> Vec<String> {
        let mut steps = Vec::new();
        loop {
            assert!(steps.len() < MOST_LIVES, "it makes no progress: {steps:#?}");
            match self.life("", QUIET).await {
                Some(step) => steps.push(step),
                None if done().await => return steps,
                None => {}
            }
        }
    }

    /// Starts one that dies after a certain write.
    pub async fn dies_once(&self, step: &str) {
        let died = self.life(step, minutes(2)).await;
        assert!(died.is_some(), "it never did '{step}'");
    }

    /// Starts one that dies after a certain write, and then one that lives until `done` holds.
    pub async fn dies_after(&self, step: &str, done: impl AsyncFn() -> bool) {
        self.dies_once(step).await;
        let alive = self.live();
        let settled = async || done().await.then_some(());
        asked_until(settled, minutes(3), &format!("not done after '{step}'")).await;
        alive.end().await;
    }

    /// The write after which one died, if it did so within a time.
    async fn life(&self, beginning: &str, within: Duration) -> Option<String> {
        let mut child = self
            .command()
            .env("HOLDFAST_DIE_AFTER", beginning)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut last = Vec::new();
        let ended = tokio::time::timeout(within, async {
            while let Ok(Some(line)) = lines.next_line().await {
                last.push(line);
            }
        });
        let lived_on = ended.await.is_err();
        child.kill().await.unwrap();
        let step = last.iter().find_map(|line| line.strip_prefix("died after: "));
        assert!(lived_on || step.is_some(), "it ended by itself: {last:#?}");
        step.map(|step| {
            self.scenario.tell(&format!("died after {step}"));
            step.to_owned()
        })
    }
}

/// A process that is ended in order.
pub struct Alive(Child);

impl Alive {
    pub async fn end(mut self) {
        self.0.kill().await.unwrap();
    }
}
