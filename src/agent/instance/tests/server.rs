//! A throw-away PostgreSQL of the machine, on a Unix socket only, with logging of everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::agent::instance::sql::connection::Socket;

pub struct Server {
    pub socket: Socket,
    directory: TempDir,
    process: Child,
}

impl Server {
    /// `make cluster` installs what is needed.
    pub async fn start() -> Self {
        let programs = programs().expect("PostgreSQL is needed for this test: apt-get install postgresql");
        // initdb and postgres refuse root.
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.path().join("data");
        let initdb = as_postgres(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initdb.success());
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = as_postgres(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "archive_mode=on",
                "-c",
                "archive_command=false",
            ])
            .args([
                "-c",
                "log_statement=all",
                "-c",
                "log_min_duration_statement=0",
                "-k",
            ])
            .arg(directory.path())
            .stderr(log)
            .spawn()
            .unwrap();
        let socket = Socket::new(directory.path(), 5432);
        for _ in 0..300 {
            if socket.connect("postgres").await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self {
            socket,
            directory,
            process,
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The immediate shutdown leaves no shared memory behind, as SIGKILL would.
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::QUIT));
        let _ = self.process.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .map(|version| version.path().join("bin"))
        .chain(std::env::split_paths(&on_path))
        .find(|directory| directory.join("initdb").exists() && directory.join("postgres").exists())
}

fn as_postgres(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--pdeathsig=KILL",
        ])
        .arg(program);
    command.current_dir("/");
    command
}
