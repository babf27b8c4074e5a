//! PostgreSQL on what was copied, alone and unseen.
//!
//! Archiving is on and has no command: what the new timeline writes waits on the volume until an instance is started on it, and its
//! history file waits with it. Without hot standby no setting has to be as large as it was on the primary. Nothing of the users
//! runs: no connection from outside, no subscription, no job.

use std::fs;
use std::future::{Future, pending};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Failed;
use super::log::Log;
use super::report::{Phase, RestoreProgress};
use crate::agent::instance::observe::{Observation, observe};
use crate::agent::instance::sql::connection::{Socket, SqlError};
use crate::agent::postgres::Layout;
use crate::agent::progress::{Handle, Publisher};
use crate::agent::redact::Redactor;
use crate::agent::supervise;

/// At first it is asked this often whether it takes writes, and later after a part of the time it has taken already: each time PostgreSQL
/// starts a process only to refuse, and says so in its log.
const LOOK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
const PART: u32 = 20;
/// A clean stop writes everything to the disk.
const STOP: Duration = Duration::from_mins(30);
/// One that was told to stop is killed before Kubernetes would kill us.
const GRACE: Duration = Duration::from_secs(20);
/// The socket's name has it.
pub const PORT: u16 = 5432;

/// Settings that differ from those of the database.
const SETTINGS: &[&str] = &[
    "archive_mode=on",
    "archive_command=",
    "archive_library=",
    "autovacuum=off",
    // The one process that replays finds pages to reuse that are written already, and need not write them itself.
    "bgwriter_delay=10ms",
    "bgwriter_lru_maxpages=1000",
    "bgwriter_lru_multiplier=10",
    "cron.launch_active_jobs=off",
    "hot_standby=off",
    "ident_file=",
    "lc_messages=C",
    "listen_addresses=",
    "log_destination=stderr",
    "log_line_prefix=%e ",
    "log_min_messages=warning",
    "log_startup_progress_interval=2s",
    "log_timezone=UTC",
    "logging_collector=off",
    "max_logical_replication_workers=0",
    "restart_after_crash=off",
    "ssl=off",
    "synchronous_standby_names=",
];

/// A PostgreSQL that recovers; it does not outlive this.
pub struct Running {
    child: Child,
    socket: PathBuf,
    log: JoinHandle<Log>,
}

impl Running {
    /// Starts it, with more settings.
    pub fn start(
        layout: &Layout,
        settings: &[&str],
        publisher: &Publisher<RestoreProgress>,
    ) -> Result<Self, Failed> {
        let mut child = start(layout, settings)
            .map_err(|error| Failed::volume("PostgreSQL cannot be started", &error))?;
        Ok(Self {
            log: tokio::spawn(follow(child.stderr.take(), publisher.handle())),
            socket: layout.socket.clone(),
            child,
        })
    }

    /// Returns when it has ended by itself.
    pub async fn until_ended(&mut self, stop: &CancellationToken) -> Result<(), Failed> {
        self.meanwhile(pending::<()>(), stop).await.map(drop)
    }

    /// Returns when it takes connections and writes; nothing where it ended before.
    pub async fn until_writable(&mut self, stop: &CancellationToken) -> Result<Option<Observation>, Failed> {
        let socket = Socket::new(&self.socket, PORT);
        self.meanwhile(writable(&socket), stop).await
    }

    /// Whatever is awaited, unless it ends before.
    async fn meanwhile<T>(
        &mut self,
        awaited: impl Future<Output = T>,
        stop: &CancellationToken,
    ) -> Result<Option<T>, Failed> {
        tokio::select! {
            it = awaited => Ok(Some(it)),
            _ = self.child.wait() => Ok(None),
            () = stop.cancelled() => {
                supervise::end(&mut self.child, Signal::INT, GRACE).await;
                Err(Failed::stopped())
            }
        }
    }

    /// Stops it; true where it ended cleanly.
    pub async fn stop(&mut self) -> bool {
        supervise::end(&mut self.child, Signal::INT, STOP).await;
        self.child.wait().await.is_ok_and(|status| status.success())
    }

    /// All that one which has ended has said: the last of it is still in the pipe.
    pub async fn said(self) -> Log {
        self.log.await.unwrap_or_default()
    }
}

fn start(layout: &Layout, more: &[&str]) -> io::Result<Child> {
    let rules = layout.socket.join("restore_hba.conf");
    fs::create_dir_all(&layout.socket)?;
    fs::write(&rules, "local all postgres peer\n")?;
    let mut command = Command::new("postgres");
    command
        .arg("-D")
        .arg(&layout.data)
        .args(["-p", &PORT.to_string()]);
    for setting in SETTINGS.iter().chain(more) {
        command.args(["-c", setting]);
    }
    command
        .arg("-c")
        .arg(format!("unix_socket_directories={}", layout.socket.display()))
        .arg("-c")
        .arg(format!("hba_file={}", rules.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Reads the log to its end.
async fn follow(stderr: Option<ChildStderr>, publisher: Handle<RestoreProgress>) -> Log {
    let mut log = Log::default();
    let Some(stderr) = stderr else { return log };
    let mut lines = BufReader::new(stderr).lines();
    let mut redactor = Redactor::default();
    while let Ok(Some(line)) = lines.next_line().await {
        log.add(&line);
        publisher.tell(RestoreProgress {
            phase: Phase::Recovering,
            segment: log.segment.clone(),
            position: log.position.clone(),
            copied: None,
        });
        if let Some(text) = redactor.next(line.trim_end()) {
            tracing::info!(target: "postgres", "{text}");
        }
    }
    log
}

async fn writable(socket: &Socket) -> Observation {
    let begun = Instant::now();
    loop {
        match look(socket).await {
            Ok(observed) if !observed.in_recovery => return observed,
            Ok(_) => {}
            Err(error) => tracing::trace!(%error, "not yet"),
        }
        tokio::time::sleep((begun.elapsed() / PART).clamp(LOOK.0, LOOK.1)).await;
    }
}

async fn look(socket: &Socket) -> Result<Observation, SqlError> {
    let client = socket.connect("postgres").await?;
    observe(&client).await
}
