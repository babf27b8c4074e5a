//! How much room there is for WAL: on the data volume, or on one of its own behind the link `pg_wal`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::agent::report::WalVolume;
use crate::agent::restore::room;
use crate::domain::filling::Filling;

/// The volume of the WAL, and what was free on it at earlier looks.
pub struct WalRoom {
    directory: PathBuf,
    /// Where tables are.
    tables: Vec<PathBuf>,
    filling: Filling,
}

impl WalRoom {
    /// For a data directory, which need not be there yet, and the places of tablespaces.
    #[must_use]
    pub fn of(data_directory: &Path, tablespaces: &[PathBuf]) -> Self {
        let tables = [data_directory.to_owned()].into_iter();
        Self {
            directory: data_directory.join("pg_wal"),
            tables: tables.chain(tablespaces.iter().cloned()).collect(),
            filling: Filling::default(),
        }
    }

    /// Looks once; nothing is told of a volume that cannot be looked at.
    pub fn look(&mut self, now: DateTime<Utc>) -> Option<WalVolume> {
        let volume = rustix::fs::statvfs(&self.directory).ok()?;
        let size = volume.f_blocks.saturating_mul(volume.f_frsize);
        // What is kept for root is not PostgreSQL's.
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        let step = (size / 100).max(1);
        Some(WalVolume {
            size,
            free: free / step * step,
            tables_free: self.beside().map(|free| free / step * step),
            full_at: self.filling.notice(now, free),
        })
    }

    /// Where all is on one volume, that has been told.
    fn beside(&self) -> Option<u64> {
        let own = rustix::fs::stat(&self.directory).ok()?.st_dev;
        let tables: Vec<&Path> = self.tables.iter().map(PathBuf::as_path).collect();
        let elsewhere = |table: &&Path| rustix::fs::stat(*table).is_ok_and(|found| found.st_dev != own);
        if !tables.iter().any(elsewhere) {
            return None;
        }
        room::free(&tables).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_told_in_steps_and_not_at_all_where_there_is_no_directory() {
        let data = tempfile::tempdir().unwrap();
        let mut room = WalRoom::of(data.path(), &[]);
        assert_eq!(room.look(Utc::now()), None);
        std::fs::create_dir(data.path().join("pg_wal")).unwrap();
        let volume = room.look(Utc::now()).unwrap();
        assert!(volume.size > 0 && volume.free <= volume.size, "{volume:?}");
        assert_eq!(volume.free % (volume.size / 100).max(1), 0);
        assert_eq!((volume.full_at, volume.tables_free), (None, None));
        // A volume that is another one on every Linux.
        std::fs::remove_dir(data.path().join("pg_wal")).unwrap();
        std::os::unix::fs::symlink("/dev/shm", data.path().join("pg_wal")).unwrap();
        assert!(room.look(Utc::now()).unwrap().tables_free.unwrap() > 0);
    }
}
