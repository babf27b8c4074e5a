//! The data directory: right version, right owner, right permissions; the WAL directory beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Layout, PostgresError, make_directory};

/// Refuses data of another major version, in the data directory or instead of it.
pub(super) fn check_versions(layout: &Layout) -> Result<(), PostgresError> {
    if let Some(found) = version_in(&layout.data) {
        return if found == layout.version {
            Ok(())
        } else {
            Err(other(&layout.data, found, layout))
        };
    }
    // Without a directory of its own, starting would make an empty cluster beside the user's data.
    let volume = layout.volume();
    let entries = fs::read_dir(volume).map_err(|source| PostgresError::path(volume, source))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("pg"))
            .unwrap_or_default();
        if !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
            && let Some(found) = version_in(&entry.path())
        {
            return Err(other(&entry.path(), found, layout));
        }
    }
    Ok(())
}

fn other(path: &Path, found: String, layout: &Layout) -> PostgresError {
    PostgresError::OtherVersion {
        path: path.to_owned(),
        found,
        wanted: layout.version.clone(),
    }
}

fn version_in(directory: &Path) -> Option<String> {
    fs::read_to_string(directory.join("PG_VERSION"))
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Makes the data directory private, and the WAL directory free for initdb.
pub(super) fn prepare(layout: &Layout) -> Result<(), PostgresError> {
    let data = &layout.data;
    make_directory(data, 0o700)?;
    let metadata = fs::metadata(data).map_err(|source| PostgresError::path(data, source))?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(PostgresError::OtherOwner {
            path: data.clone(),
            owner: metadata.uid(),
            user,
        });
    }
    // A kubelet that applies fsGroup opens directories to the group; PostgreSQL refuses to start then.
    if metadata.permissions().mode() & 0o027 != 0 {
        fs::set_permissions(data, fs::Permissions::from_mode(0o700))
            .map_err(|source| PostgresError::path(data, source))?;
    }
    if version_in(data).is_none() {
        set_aside_orphaned_wal(&layout.wal)?;
    } else if let Ok(target) = fs::read_link(data.join("pg_wal"))
        && target != layout.wal
    {
        tracing::warn!(target = %target.display(), wanted = %layout.wal.display(), "pg_wal is elsewhere: left there");
    }
    Ok(())
}

/// initdb refuses a WAL directory that is not empty; what is in it may be the only copy of something.
fn set_aside_orphaned_wal(wal: &Path) -> Result<(), PostgresError> {
    let occupied = fs::read_dir(wal).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let aside = wal.with_extension(format!("left-{seconds}"));
        tracing::warn!(from = %wal.display(), to = %aside.display(), "WAL without a data directory: moved aside");
        fs::rename(wal, &aside).map_err(|source| PostgresError::path(wal, source))?;
    }
    Ok(())
}
