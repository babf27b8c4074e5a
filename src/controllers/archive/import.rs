//! Every backup that a repository holds has an object, also one that was made by hand, by an earlier cluster or by another
//! operator; and the object of a backup that the repository holds no more goes away. Pure.
//!
//! An object of a backup that may still be confirmed by whoever makes it is left to that. An object is only given up when the
//! repository was read as a whole, is the one that the backup went into, and nothing about it is strange.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};

use crate::api::backup::{BackupOrigin, CopiedFrom, JobState, PerconaPGBackupStatus, SourceRole};
use crate::api::conditions::{self, Status};
use crate::api::names::LABEL_IMPORTED;
use crate::api::repository::Repository;
use crate::api::{ConditionType, PerconaPGBackup, PerconaPGCluster, Reason, time};
use crate::controllers::backup::request::Author;
use crate::domain::label::Label;
use crate::pgbackrest::annotations;
use crate::pgbackrest::repository::BackupEntry;
use crate::survey::{Oddity, Picture};

/// So many objects are made or removed in one look: a repository may hold thousands of backups.
const AT_ONCE: usize = 50;
/// What ended this recently may not be in the picture yet.
const RECENT: TimeDelta = TimeDelta::minutes(1);

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Imports {
    /// Objects to make.
    pub create: Vec<Found>,
    /// What to say of objects that are there.
    pub tell: Vec<(String, PerconaPGBackupStatus)>,
    /// Objects whose backup is there no more.
    pub expired: Vec<PerconaPGBackup>,
}

/// An object for a backup that has none.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// The object.
    pub backup: PerconaPGBackup,
    /// The name to take when its own belongs to somebody else.
    pub other_name: String,
    /// What to say of it then.
    pub status: PerconaPGBackupStatus,
}

/// A repository of a cluster, as it was found.
pub struct Place<'a> {
    /// The cluster.
    pub cluster: &'a PerconaPGCluster,
    /// Its repository.
    pub repository: &'a Repository,
    /// Where that is, as in `status.destination`.
    pub destination: &'a str,
    /// What is in it.
    pub picture: &'a Picture,
}

/// Compares a repository with the objects of its cluster.
#[must_use]
pub fn compare(place: &Place<'_>, backups: &[PerconaPGBackup], now: DateTime<Utc>) -> Imports {
    let mut imports = Imports::default();
    let Some(owner) = place.cluster.controller_owner_ref(&()) else {
        return imports;
    };
    let own: Vec<&PerconaPGBackup> = backups
        .iter()
        .filter(|backup| backup.spec.repo_name.as_deref() == Some(place.repository.name.as_str()))
        .collect();
    let of_this_database = place
        .picture
        .backups
        .iter()
        .filter(|entry| entry.database_id == place.picture.database.id);
    for entry in of_this_database {
        let label = entry.label.as_str();
        if let Some(there) = own.iter().find(|backup| imported(backup) == Some(label)) {
            if there.status.is_none() {
                imports.tell.push((there.name_any(), status(place, entry, now)));
            }
        } else if !own.iter().any(|backup| is_of(backup, entry)) && imports.create.len() < AT_ONCE {
            let (backup, other_name) = object(place, &owner, entry, backups);
            imports.create.push(Found {
                backup,
                other_name,
                status: status(place, entry, now),
            });
        }
    }
    if is_certain(place.picture) {
        let there: BTreeSet<&str> = place
            .picture
            .backups
            .iter()
            .map(|entry| entry.label.as_str())
            .collect();
        let gone = |backup: &&PerconaPGBackup| is_gone(place, &there, backup);
        imports.expired = own.into_iter().filter(gone).take(AT_ONCE).cloned().collect();
    }
    imports
}

/// The label of a backup that an object was made for.
fn imported(backup: &PerconaPGBackup) -> Option<&str> {
    backup.labels().get(LABEL_IMPORTED).map(String::as_str)
}

fn label_of(backup: &PerconaPGBackup) -> Option<&str> {
    backup.status.as_ref()?.backup_name.as_deref()
}

/// The object stands for that backup, or will as soon as its Job has been looked after.
fn is_of(backup: &PerconaPGBackup, entry: &BackupEntry) -> bool {
    let ended = backup.status.as_ref().and_then(|status| status.state.clone());
    let ended = ended.is_some_and(|state| state.is_terminal());
    let named = entry.annotation.get(annotations::BACKUP_NAME);
    label_of(backup) == Some(entry.label.as_str())
        || !ended && named.is_some_and(|name| *name == backup.name_any())
}

/// Read as a whole, not empty, and as it was left.
fn is_certain(picture: &Picture) -> bool {
    !picture.backups.is_empty() && !picture.oddities.iter().any(Oddity::puts_content_in_doubt)
}

/// `there`: the labels of all backups that the repository holds.
fn is_gone(place: &Place<'_>, there: &BTreeSet<&str>, backup: &PerconaPGBackup) -> bool {
    let Some(status) = &backup.status else {
        return false;
    };
    let before_the_look = status
        .completed
        .as_ref()
        .is_some_and(|ended| time::from_kubernetes(ended) + RECENT < place.picture.looked_at);
    status.state == Some(JobState::Succeeded)
        && backup.metadata.deletion_timestamp.is_none()
        && status.destination.as_deref() == Some(place.destination)
        && before_the_look
        && label_of(backup).is_some_and(|label| !there.contains(label))
}

fn object(
    place: &Place<'_>,
    owner: &OwnerReference,
    entry: &BackupEntry,
    backups: &[PerconaPGBackup],
) -> (PerconaPGBackup, String) {
    let namespace = place.cluster.namespace().unwrap_or_default();
    let cluster = place.cluster.name_any();
    let labels = place.cluster.spec.metadata.clone().unwrap_or_default().labels;
    let author = Author {
        namespace: &namespace,
        cluster: &cluster,
        owner: owner.clone(),
        labels: &labels,
    };
    let own_name = name_of(&cluster, &place.repository.name, &entry.label);
    let name = entry
        .annotation
        .get(annotations::BACKUP_NAME)
        .filter(|name| is_object_name(name) && !backups.iter().any(|backup| backup.name_any() == **name))
        .cloned()
        .unwrap_or_else(|| own_name.clone());
    let origin = (LABEL_IMPORTED, entry.label.as_str());
    let backup = author.request(name, &place.repository.name, entry.backup_type, origin);
    (backup, own_name)
}

/// Labels have upper-case letters and `_`, which names of objects may not.
fn name_of(cluster: &str, repo: &str, label: &Label) -> String {
    let label = label.as_str().to_ascii_lowercase().replace('_', "-");
    format!("{cluster}-{repo}-{label}")
}

fn is_object_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= 253
        && ends.into_iter().all(|byte| byte.is_some_and(fits))
        && name
            .bytes()
            .all(|byte| fits(byte) || byte == b'-' || byte == b'.')
}

/// What is known of it from the repository.
fn status(place: &Place<'_>, entry: &BackupEntry, now: DateTime<Utc>) -> PerconaPGBackupStatus {
    let mut status = PerconaPGBackupStatus {
        state: Some(JobState::Succeeded),
        origin: Some(BackupOrigin::Imported),
        backup_name: Some(entry.label.as_str().to_owned()),
        backup_type: Some(entry.backup_type.as_str().to_owned()),
        size: i64::try_from(entry.size_delta).ok(),
        copied_from: Some(CopiedFrom {
            role: if entry.from_standby {
                SourceRole::Standby
            } else {
                SourceRole::Primary
            },
            instance: None,
        }),
        started_at: Some(time::to_kubernetes(entry.started)),
        completed: Some(time::to_kubernetes(entry.stopped)),
        destination: Some(place.destination.to_owned()),
        repo: Some(place.repository.clone()),
        storage_type: place
            .repository
            .store()
            .map(|store| store.storage_type().to_owned()),
        ..PerconaPGBackupStatus::default()
    };
    conditions::set(
        &mut status.conditions,
        ConditionType::Complete.as_str(),
        Status::True,
        Reason::FoundInRepository.as_str(),
        "it was found in the repository",
        None,
        now,
    );
    status
}

#[cfg(test)]
mod tests;
