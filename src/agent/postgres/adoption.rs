//! Data of another life on a volume that was taken over (`spec.dataSource.volumes`): moved to where this cluster has them.
//!
//! Renames only, and the data directory last: whatever happens in between, the next start goes on. What is in its place already is
//! left.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Layout, PostgresError};

/// Patroni's memory of another cluster's settings.
const PATRONI_CACHE: &str = "patroni.dynamic.json";

/// Moves them, where they are not yet in their place.
pub(super) fn take_over(layout: &Layout) -> Result<(), PostgresError> {
    let (data, wal) = &layout.adopted;
    if layout.data.exists() {
        return Ok(());
    }
    let Some(from) = data.as_ref().map(|name| layout.volume().join(name)) else {
        return Ok(());
    };
    if !from.join("PG_VERSION").is_file() {
        let why = "no data directory: spec.dataSource.volumes.pgDataVolume.directory names it, below the root of the volume";
        return Err(PostgresError::path(
            &from,
            io::Error::new(io::ErrorKind::NotFound, why),
        ));
    }
    let failed = |source| PostgresError::path(&from, source);
    take_over_wal(layout, &from, wal.as_deref()).map_err(failed)?;
    match fs::remove_file(from.join(PATRONI_CACHE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::rename(&from, &layout.data).map_err(failed)?;
    tracing::info!(from = %from.display(), to = %layout.data.display(), "the data of the volume are taken over");
    Ok(())
}

/// WAL that is in the data directory itself stays there.
fn take_over_wal(layout: &Layout, data: &Path, named: Option<&str>) -> io::Result<()> {
    let link = data.join("pg_wal");
    let Ok(target) = fs::read_link(&link) else {
        return Ok(());
    };
    let root = layout.wal.parent().unwrap_or(Path::new("/"));
    let from = named.map_or(target, |name| root.join(name));
    if from != layout.wal && from.exists() && !layout.wal.exists() {
        fs::rename(&from, &layout.wal)?;
    }
    if fs::read_link(&link)? != layout.wal && layout.wal.exists() {
        let new = data.join("pg_wal.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(&layout.wal, &new)?;
        fs::rename(&new, &link)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &Path, data: Option<&str>) -> Layout {
        Layout {
            data: root.join("pg18"),
            version: "18".to_owned(),
            wal: root.join("pg18_wal"),
            tablespaces: Vec::new(),
            socket: root.join("socket"),
            keys: Vec::new(),
            adopted: (data.map(str::to_owned), None),
        }
    }

    #[test]
    fn data_and_their_wal_are_moved_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let (old, wal) = (root.join("main"), root.join("main_wal"));
        fs::create_dir_all(&old).unwrap();
        fs::create_dir_all(&wal).unwrap();
        fs::write(old.join("PG_VERSION"), "18\n").unwrap();
        fs::write(old.join(PATRONI_CACHE), "{}").unwrap();
        fs::write(wal.join("segment"), "").unwrap();
        symlink(&wal, old.join("pg_wal")).unwrap();
        let layout = layout(root, Some("main"));
        for _ in 0..2 {
            take_over(&layout).unwrap();
            assert!(layout.data.join("pg_wal/segment").exists());
            assert_eq!(fs::read_link(layout.data.join("pg_wal")).unwrap(), layout.wal);
            assert!(!layout.data.join(PATRONI_CACHE).exists() && !old.exists() && !wal.exists());
        }
    }

    #[test]
    fn what_is_in_its_place_stays_and_what_is_no_data_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        take_over(&layout(root, None)).unwrap();
        assert!(take_over(&layout(root, Some("main"))).is_err());
        let own = layout(root, Some("main"));
        fs::create_dir_all(&own.data).unwrap();
        take_over(&own).unwrap();
    }
}
