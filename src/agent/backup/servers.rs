//! The servers that pgBackRest is given (`pg1-host`, …), and which of them its workers read from.
//!
//! pgBackRest chooses primary and standby by itself and tells nobody in a form that could be read, but it starts its workers
//! with `--pg=N` among their arguments: that is looked at in `/proc`. Each ends when nothing is left for it to copy, and that of
//! the primary, which copies next to nothing beside a standby, often before it is seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::agent::environment;
use crate::agent::report::Readers;
use crate::pgbackrest::ini::Ini;
use crate::pgbackrest::user_options::UserOptions;

/// Where processes are seen.
pub const PROCESSES: &str = "/proc";
/// How a worker of `backup` is called.
const WORKER: &str = "backup:local";
/// pgBackRest's own limit of servers.
const MOST: u32 = 256;

/// The options that pgBackRest would see, as far as one file or variable gives them.
pub fn configured(include_directory: &Path) -> UserOptions {
    let mut files: Vec<_> = fs::read_dir(include_directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "conf"))
        .collect();
    files.sort();
    UserOptions {
        files: files
            .iter()
            .filter_map(|path| Ini::parse(&fs::read_to_string(path).ok()?).ok())
            .collect(),
        environment: environment::options(),
        ..UserOptions::default()
    }
}

/// Names of the Pods by the number that pgBackRest gives them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Servers(BTreeMap<u32, String>);

impl Servers {
    /// From `pgN-host`: the first part of such a name is the Pod's.
    pub fn of(configured: &UserOptions) -> Self {
        let hosts = (1..=MOST).filter_map(|number| {
            let host = configured.get(&format!("pg{number}-host"))?;
            Some((number, host.split('.').next()?.to_owned()))
        });
        Self(hosts.collect())
    }

    /// More than one: there may be a standby.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Adds to `seen` what the workers that run now read from.
    pub fn look(&self, processes: &Path, seen: &mut Readers) {
        for (worker, server) in workers(processes) {
            let place = if worker == 1 {
                &mut seen.first
            } else {
                &mut seen.others
            };
            if let Some(pod) = self.0.get(&server) {
                *place = Some(pod.clone());
            }
        }
    }
}

/// Number of each worker and of its server.
fn workers(processes: &Path) -> Vec<(u32, u32)> {
    let entries = fs::read_dir(processes).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .filter_map(|entry| worker(&fs::read(entry.path().join("cmdline")).ok()?))
        .collect()
}

fn worker(command_line: &[u8]) -> Option<(u32, u32)> {
    let text = String::from_utf8_lossy(command_line);
    let arguments: Vec<&str> = text.split_terminator('\0').collect();
    let number = |name: &str| {
        let value = arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name))?;
        value.parse().ok()
    };
    (arguments.last() == Some(&WORKER)).then_some(())?;
    Some((number("--process=")?, number("--pg=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[db]\npg1-host=app-a-bbbb-0.app-pods.shop.svc.cluster.local\n\
        pg2-host=app-a-cccc-0.app-pods.shop.svc.cluster.local\npg1-path=/pgdata/pg18\n";

    fn servers() -> Servers {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("~holdfast.conf"), FILE).unwrap();
        fs::write(directory.path().join("ca.crt"), "[no ini").unwrap();
        Servers::of(&configured(directory.path()))
    }

    fn processes(command_lines: &[&[&str]]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, arguments) in (40..).zip(command_lines) {
            let directory = root.path().join(number.to_string());
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("cmdline"), arguments.join("\0") + "\0").unwrap();
        }
        fs::create_dir(root.path().join("self")).unwrap();
        root
    }

    fn seen(command_lines: &[&[&str]]) -> Readers {
        let mut seen = Readers::default();
        servers().look(processes(command_lines).path(), &mut seen);
        seen
    }

    fn worker_of((server, number): (&'static str, &'static str)) -> Vec<&'static str> {
        let head = [
            "pgbackrest",
            "--exec-id=2186-b7b460e4",
            "--log-level-stderr=error",
        ];
        let tail = ["--remote-type=pg", "--repo=1", "--stanza=db", "backup:local"];
        head.into_iter().chain([server, number]).chain(tail).collect()
    }

    #[test]
    fn with_a_standby_the_first_worker_reads_from_the_primary_and_the_others_from_the_standby() {
        let main: &[&str] = &["pgbackrest", "--pg=9", "--process=3", "backup"];
        // As 2.60 starts them.
        let first = worker_of(("--pg=2", "--process=1"));
        let other = worker_of(("--pg=1", "--process=2"));
        let expected = Readers {
            first: Some("app-a-cccc-0".to_owned()),
            others: Some("app-a-bbbb-0".to_owned()),
        };
        assert_eq!(seen(&[main, &first, &other]), expected);
    }

    #[test]
    fn what_is_no_worker_and_a_server_that_is_not_known_are_left_out() {
        let archive: &[&str] = &["pgbackrest", "--pg=1", "--process=1", "archive-push:local"];
        let unknown: &[&str] = &["pgbackrest", "--pg=7", "--process=1", "backup:local"];
        assert!(seen(&[archive, unknown, &[]]).is_empty());
    }

    #[test]
    fn what_was_seen_stays_when_the_workers_have_gone() {
        let mut seen = Readers {
            first: Some("app-a-cccc-0".to_owned()),
            others: None,
        };
        servers().look(Path::new("/nowhere"), &mut seen);
        assert_eq!(seen.first.as_deref(), Some("app-a-cccc-0"));
    }
}
