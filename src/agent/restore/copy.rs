//! Runs `pgbackrest restore` and follows how far it is.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::previous::Places;
use super::report::{Category, Phase, RestoreProgress};
use super::{Failed, Request};
use crate::agent::postgres::{Layout, make_private};
use crate::agent::progress::Publisher;
use crate::agent::redact::Redactor;
use crate::agent::report::exit;
use crate::agent::supervise;
use crate::pgbackrest::exit_code::{self, Command as Named, Evidence};
use crate::pgbackrest::output::Report;

/// After SIGTERM pgBackRest needs a second; it is killed before Kubernetes would kill us.
const GRACE: Duration = Duration::from_secs(20);
/// A file of the backup is not what its manifest says, or is not there (`ChecksumError`, `FileMissingError`): trying again would
/// only keep the cluster stopped for longer.
const DAMAGED: [i32; 2] = [26, 55];
/// By these a directory is known as a database, or as one that is being restored.
const MARKS: [&str; 2] = ["backup.manifest", "PG_VERSION"];

/// Copies the backup; the bytes that it has, where pgBackRest says so.
pub async fn copy(
    request: &Request,
    layout: &Layout,
    places: &Places,
    publisher: &Publisher<RestoreProgress>,
    stop: &CancellationToken,
) -> Result<Option<u64>, Failed> {
    let delta = make_ready(layout, places).map_err(|error| Failed::volume("the data directory", &error))?;
    let mut child = Command::new("pgbackrest")
        .args(arguments(request, layout, delta))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Failed::permanent(Category::Copy, format!("pgbackrest cannot be started: {error}"))
        })?;
    let mut report = Report::default();
    let mut size = None;
    let reading = async {
        let Some(stdout) = child.stdout.take() else { return };
        let mut lines = BufReader::new(stdout).lines();
        let mut redactor = Redactor::default();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(copied) = percent(&line) {
                publisher.tell(RestoreProgress {
                    phase: Phase::Copying,
                    copied: Some(copied),
                    ..RestoreProgress::default()
                });
                // One line for each file.
                continue;
            }
            report.add_line(line.trim_end());
            size = size.or_else(|| total(&line));
            if let Some(text) = redactor.next(line.trim_end()) {
                tracing::info!(target: "pgbackrest", "{text}");
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = stop.cancelled() => {
            supervise::end(&mut child, Signal::TERM, GRACE).await;
            return Err(Failed::stopped());
        }
    }
    let status = child.wait().await.ok().and_then(|status| status.code());
    let evidence = Evidence {
        repository: None,
        http_status: report.http_status,
        error_types: &report.error_types,
    };
    let Some(failure) = exit_code::classify(Named::Restore, status, &evidence) else {
        return Ok(size);
    };
    let message = report.summary.unwrap_or_else(|| match status {
        Some(code) => format!("pgbackrest restore ended with {code}"),
        None => "pgbackrest restore was killed".to_owned(),
    });
    let is_damaged = status.is_some_and(|status| DAMAGED.contains(&status));
    Err(Failed {
        code: if is_damaged {
            exit::PERMANENT
        } else {
            exit::of(failure.permanence)
        },
        category: Category::Copy,
        message,
    })
}

/// Makes the directories; true where there is something that pgBackRest can go on from, or begin from (`--delta`).
fn make_ready(layout: &Layout, places: &Places) -> io::Result<bool> {
    let tablespaces = places.tablespaces();
    make_private(&layout.data)?;
    let known = MARKS.iter().any(|mark| layout.data.join(mark).exists());
    if !known {
        // What is neither is what another try had just begun with.
        empty(&layout.data)?;
        empty(&layout.wal)?;
        for tablespace in &tablespaces {
            empty(tablespace)?;
        }
    }
    // Also for one that is made in the WAL, after the backup: PostgreSQL does not make its directory.
    for tablespace in &tablespaces {
        make_private(tablespace)?;
    }
    make_private(&layout.wal)?;
    // What was fetched or sent ahead belongs to the database that was there.
    empty(&layout.volume().join("pgbackrest-spool"))?;
    Ok(known)
}

fn empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn arguments(request: &Request, layout: &Layout, delta: bool) -> Vec<String> {
    let mut arguments = vec![
        format!("--stanza={}", request.stanza),
        format!("--repo={}", request.repository),
        format!("--set={}", request.set),
        format!("--type={}", request.kind),
        format!("--link-map=pg_wal={}", layout.wal.display()),
        format!("--recovery-option=restore_command={}", restore_command(request)),
        "--log-level-console=detail".to_owned(),
        "--log-level-stderr=off".to_owned(),
        "--log-timestamp=n".to_owned(),
    ];
    if let Some(at) = &request.repository_time {
        arguments.push(format!("--repo-target-time={at}"));
    }
    if let Some(target) = &request.target {
        arguments.push(format!("--target={target}"));
    }
    if request.kind != "default" {
        arguments.push("--target-action=promote".to_owned());
    }
    if request.kind == "immediate" {
        arguments.push(format!(
            "--recovery-option=recovery_target_timeline={}",
            request.timeline
        ));
    } else {
        arguments.push(format!("--target-timeline={}", request.timeline));
    }
    if request.exclusive {
        arguments.push("--target-exclusive".to_owned());
    }
    if delta {
        arguments.push("--delta".to_owned());
    }
    arguments.push("restore".to_owned());
    arguments.extend(request.options.iter().cloned());
    arguments
}

/// What PostgreSQL fetches WAL with. To PostgreSQL any ordinary failure means that there is no such file, and so the end of the WAL:
/// a store that does not answer would be taken for a target that is reached. Only pgBackRest's own "not there" may mean that.
fn restore_command(request: &Request) -> String {
    let at = request.repository_time.as_ref();
    // In double quotes: pgBackRest writes the whole between single ones.
    let at = at.map_or_else(String::new, |at| format!(r#" "--repo-target-time={at}""#));
    format!(
        r#"pgbackrest --stanza={} --repo={}{at} archive-get %f "%p"; case $? in 0) exit 0;; 1) exit 1;; *) exit 250;; esac"#,
        request.stanza, request.repository
    )
}

/// `… restore file /pgdata/pg18/base/5/1249 (456KB, 97.57%) checksum …`: hundredths of a percent.
fn percent(line: &str) -> Option<u32> {
    if !line.contains("restore file ") && !line.contains("restore zeroed file ") {
        return None;
    }
    let (before, _) = line.split_once("%)")?;
    let (_, number) = before.rsplit_once(", ")?;
    let (whole, part) = number.split_once('.')?;
    let (whole, part): (u32, u32) = (whole.parse().ok()?, part.parse().ok()?);
    Some(whole * 100 + part)
}

/// `restore size = 30.2MB, file total = 968`: what it has in bytes, as exact as it is told.
fn total(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("restore size = ")?;
    let (number, _) = rest.split_once(',')?;
    let digits = number.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = number.split_at_checked(digits)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, tenths): (u64, u64) = (whole.parse().ok()?, tenths.parse().ok()?);
    let parts = tenths.min(9) * (factor / 10);
    whole.checked_mul(factor)?.checked_add(parts)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{layout, request};
    use super::*;

    fn told(kind: &str, target: Option<&str>, delta: bool) -> Vec<String> {
        let request = Request {
            kind: kind.to_owned(),
            target: target.map(str::to_owned),
            timeline: 3,
            options: vec!["--process-max=4".to_owned()],
            ..request()
        };
        let layout = Layout {
            wal: "/pgwal/pg18_wal".into(),
            ..layout(Path::new("/pgdata"))
        };
        arguments(&request, &layout, delta)
    }

    #[test]
    fn the_backup_the_timeline_and_the_target_are_named() {
        let time = told("time", Some("2026-11-20 23:31:05.060835+00"), true);
        for wanted in [
            "--set=20261121-013455F",
            "--type=time",
            "--target=2026-11-20 23:31:05.060835+00",
            "--target-action=promote",
            "--target-timeline=3",
            "--link-map=pg_wal=/pgwal/pg18_wal",
            "--delta",
        ] {
            assert!(time.iter().any(|given| given == wanted), "{wanted} in {time:?}");
        }
        assert_eq!(time.last().unwrap(), "--process-max=4");
        // pgBackRest refuses options that have no meaning with a type.
        let latest = told("default", None, false);
        assert!(
            !latest
                .iter()
                .any(|given| given.starts_with("--target-action") || given == "--delta")
        );
        let immediate = told("immediate", None, false);
        assert!(
            !immediate
                .iter()
                .any(|given| given.starts_with("--target-timeline"))
        );
    }

    #[test]
    fn how_far_it_is_and_how_much_there_is_are_read() {
        let line = "P01 DETAIL: restore file /pgdata/pg18/base/5/1249 (456KB, 97.57%) checksum 0d";
        assert_eq!(percent(line), Some(9757));
        assert_eq!(
            percent("P00   INFO: restore command end: completed successfully (97.57%)"),
            None
        );
        assert_eq!(
            total("P00   INFO: restore size = 30.2MB, file total = 968"),
            Some(31_666_994)
        );
        assert_eq!(total("P00   INFO: restore size = 5B, file total = 1"), Some(5));
    }

    #[test]
    fn what_a_try_had_just_begun_with_is_cleared_and_what_can_be_gone_on_from_is_kept() {
        let volume = tempfile::tempdir().unwrap();
        let layout = layout(volume.path());
        assert!(!make_ready(&layout, &Places::of(&layout)).unwrap());
        fs::write(layout.data.join("half"), "").unwrap();
        assert!(!make_ready(&layout, &Places::of(&layout)).unwrap());
        assert!(!layout.data.join("half").exists());
        fs::write(layout.data.join("backup.manifest"), "").unwrap();
        fs::write(layout.data.join("half"), "").unwrap();
        assert!(make_ready(&layout, &Places::of(&layout)).unwrap());
        assert!(layout.data.join("half").exists());
    }
}
