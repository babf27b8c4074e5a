//! Moving a damaged `SQLite` file aside.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use tokio::fs;

/// So many damaged files are kept: they may hold history, and must not fill the volume.
const KEPT: usize = 2;
const MARK: &str = ".damaged-";

/// Renames the file to `<name>.damaged-<UTC time>`, with what `SQLite` keeps beside it, and says where it is now.
pub(super) async fn move_aside(file: &Path, now: DateTime<Utc>) -> io::Result<PathBuf> {
    let beside = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(&format!("{MARK}{}", now.format("%Y%m%dT%H%M%S%3fZ")));
    fs::rename(file, &aside).await?;
    for suffix in ["-wal", "-shm"] {
        let mut to = aside.as_os_str().to_owned();
        to.push(suffix);
        match fs::rename(beside(suffix), to).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    remove_oldest(file).await?;
    Ok(aside)
}

async fn remove_oldest(file: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let beginning = format!("{name}{MARK}");
    let mut entries = fs::read_dir(directory).await?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if let Some(name) = entry.file_name().to_str()
            && name.starts_with(&beginning)
            && !name.ends_with("-wal")
            && !name.ends_with("-shm")
        {
            found.push(entry.path());
        }
    }
    // Names hold times, so their order is that of time.
    found.sort();
    for old in found.iter().rev().skip(KEPT) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = old.as_os_str().to_owned();
            name.push(suffix);
            match fs::remove_file(name).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
