//! The backups of one repository as metrics tell them. Pure.
//!
//! What was taken is read from the repository. It knows nothing of backups that failed, that wait or that run: those are
//! read from their objects.

use chrono::{DateTime, Utc};

use crate::api::backup::JobState;
use crate::api::names::LABEL_IMPORTED;
use crate::api::{PerconaPGBackup, time};
use crate::domain::label::BackupType;
use crate::domain::options::BackupOptions;
use crate::survey::Picture;
use crate::telemetry::backups::{Backups, Kind, Running, Taken};
use crate::telemetry::labels::TYPES;

/// An object, as far as it is looked at here.
struct Object<'a> {
    backup: &'a PerconaPGBackup,
    kind: BackupType,
    state: JobState,
    ended: Option<DateTime<Utc>>,
}

/// The backups of a repository. `objects`: all of the cluster.
#[must_use]
pub fn backups(
    repo: &str,
    picture: Option<&Picture>,
    objects: &[PerconaPGBackup],
    retention: bool,
) -> Backups {
    let objects: Vec<Object<'_>> = objects
        .iter()
        .filter(|backup| backup.spec.repo_name.as_deref() == Some(repo))
        .map(object)
        .collect();
    let count = |state: JobState| objects.iter().filter(|object| object.state == state).count() as u64;
    Backups {
        kinds: TYPES.map(|kind| of_kind(kind, picture, &objects)),
        waiting: count(JobState::New),
        starting: count(JobState::Starting),
        running: count(JobState::Running),
        retention,
    }
}

fn object(backup: &PerconaPGBackup) -> Object<'_> {
    let status = backup.status.as_ref();
    let told = status.and_then(|status| status.backup_type.as_deref()?.parse().ok());
    let asked = || BackupOptions::parse(&backup.spec.options).ok()?.backup_type();
    // One that was found in a repository has ended, whatever its status says yet.
    let imported = backup.metadata.labels.iter().flatten();
    let imported = imported.into_iter().any(|(label, _)| label == LABEL_IMPORTED);
    let state = status.and_then(|status| status.state.clone()).unwrap_or_default();
    Object {
        backup,
        kind: told.or_else(asked).unwrap_or(BackupType::Incremental),
        state: if imported { JobState::Succeeded } else { state },
        ended: status.and_then(|status| status.completed.as_ref().map(time::from_kubernetes)),
    }
}

fn of_kind(kind: BackupType, picture: Option<&Picture>, objects: &[Object<'_>]) -> Kind {
    let taken = picture.and_then(|picture| newest(kind, picture));
    let succeeded = |enough: &dyn Fn(BackupType) -> bool| {
        let listed = picture
            .into_iter()
            .flat_map(own)
            .filter(|entry| enough(entry.backup_type));
        let told = objects
            .iter()
            .filter(|object| object.state == JobState::Succeeded && enough(object.kind))
            .filter_map(|object| object.ended);
        listed.map(|entry| entry.stopped).chain(told).max()
    };
    let failed: Vec<DateTime<Utc>> = objects
        .iter()
        .filter(|object| object.state == JobState::Failed && object.kind == kind)
        .filter_map(|object| object.ended)
        .collect();
    let last_failed = failed.iter().max().copied();
    let last = succeeded(&|other| other == kind).max(last_failed);
    // One that holds more does as well: types are in the order of what they hold.
    let since = succeeded(&|other| other <= kind);
    let failures = failed
        .iter()
        .filter(|ended| since.is_none_or(|since| **ended > since))
        .count() as u64;
    let running = objects
        .iter()
        .find(|object| object.state == JobState::Running && object.kind == kind);
    Kind {
        taken,
        succeeded: last.map(|last| Some(last) != last_failed),
        failures,
        failed: last_failed,
        running: running.map(|object| running_of(object.backup)),
    }
}

/// Those of the database that the stanza is for now: what was taken of the one before an upgrade does not help this one.
fn own(picture: &Picture) -> impl Iterator<Item = &crate::pgbackrest::repository::BackupEntry> {
    let database = picture.database.id;
    picture
        .backups
        .iter()
        .filter(move |entry| entry.database_id == database)
}

fn newest(kind: BackupType, picture: &Picture) -> Option<Taken> {
    let of_kind = own(picture).filter(|entry| entry.backup_type == kind);
    let entry = of_kind.max_by_key(|entry| entry.stopped)?;
    Some(Taken {
        ended: entry.stopped,
        took: entry.stopped - entry.started,
        database: entry.size,
        copied: entry.size_delta,
        stored: entry.repository.delta,
    })
}

fn running_of(backup: &PerconaPGBackup) -> Running {
    let status = backup.status.clone().unwrap_or_default();
    let progress = status.progress.unwrap_or_default();
    Running {
        since: status.started_at.as_ref().map(time::from_kubernetes),
        copied: progress.bytes_done,
        total: progress.bytes_total,
    }
}

#[cfg(test)]
mod tests;
