//! Why segments are not archived, from the status files that pgBackRest's asynchronous process leaves in its spool.
//!
//! `<spool>/archive/<stanza>/out/<segment>.error`, or `global.error` when it concerns every segment: the error code on
//! the first line, then the message (`archiveAsyncStatus` in pgBackRest's `command/archive/common.c`). A file is gone as
//! soon as the next try begins, so it is looked for often and what was seen last is kept; whether it still holds is for
//! `pg_stat_archiver` to say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch::Sender;

use crate::agent::report::ArchiveFailure;
use crate::pgbackrest::STANZA;
use crate::pgbackrest::configuration::SPOOL_PATH;
use crate::pgbackrest::output::Report;

/// The directory is read this often. The shortest time that a file stays is the second between two tries of PostgreSQL.
const LOOK: Duration = Duration::from_millis(500);

/// Where pgBackRest keeps the states of segments that are being archived.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(SPOOL_PATH).join("archive").join(STANZA).join("out")
}

/// Keeps the last failure that was seen; runs for ever.
pub async fn follow(directory: PathBuf, failure: Sender<Option<ArchiveFailure>>) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        if let Some(seen) = newest(&directory) {
            failure.send_if_modified(|known| {
                let changed = known.as_ref() != Some(&seen);
                *known = Some(seen);
                changed
            });
        }
    }
}

/// The newest failure in the directory. A directory that cannot be read holds none: before the first push it is not there.
fn newest(directory: &Path) -> Option<ArchiveFailure> {
    let files = std::fs::read_dir(directory).ok()?;
    let newest = files
        .filter_map(Result::ok)
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|extension| extension == "error")
        })
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
        .max()?;
    parse(&std::fs::read_to_string(newest.1).ok()?)
}

/// Reads a status file. One that is being written may still be empty.
fn parse(text: &str) -> Option<ArchiveFailure> {
    let (code, message) = text.split_once('\n')?;
    let report = Report::scan(message);
    let mut repositories: Vec<String> = message.lines().filter_map(repository).collect();
    repositories.sort();
    repositories.dedup();
    Some(ArchiveFailure {
        exit: code.trim().parse().ok()?,
        error_types: report.error_types,
        http_status: report.http_status,
        repositories,
    })
}

/// `repo1` of `    repo1: [ServiceError] …`: with several repositories pgBackRest names those that refuse.
fn repository(line: &str) -> Option<String> {
    let (name, _) = line.trim_start().split_once(": [")?;
    let key = name.strip_prefix("repo")?;
    key.parse::<u8>().ok().map(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pgBackRest 2.60 wrote it for a store without room.
    const FULL: &str = "104\nraised from local-1 protocol: archive-push command encountered error(s):\n\
        repo1: [ServiceError] [507] Insufficient Storage\n    \
        [ServiceError] on 10 retries from 158-15029ms: [507] Insufficient Storage\n    \
        [CommandError] on retry at 30365ms: archive-push command encountered error(s):\n\
        repo1: [ServiceError] [507] Insufficient Storage";

    #[test]
    fn the_refusing_repository_and_its_answer_are_read() {
        let failure = parse(FULL).unwrap();
        assert_eq!((failure.exit, failure.http_status), (104, Some(507)));
        assert_eq!(failure.repositories, ["repo1"]);
        assert_eq!(failure.error_types, ["ServiceError", "CommandError"]);
    }

    #[test]
    fn only_the_newest_error_counts_and_other_files_do_not() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(newest(&spool.path().join("none")), None);
        let write = |name: &str, text: &str, age: u64| {
            let path = spool.path().join(name);
            std::fs::write(&path, text).unwrap();
            let time = std::time::SystemTime::now() - Duration::from_secs(age);
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        write("000000010000000000000001.ok", "", 0);
        assert_eq!(newest(spool.path()), None);
        write("000000010000000000000002.error", "39\nold", 60);
        write("global.error", FULL, 1);
        assert_eq!(newest(spool.path()).unwrap().exit, 104);
        write("000000010000000000000003.error", "", 0);
        assert_eq!(
            newest(spool.path()),
            None,
            "a file that is being written tells nothing"
        );
    }
}
