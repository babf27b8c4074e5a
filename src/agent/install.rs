//! Copies this very executable to where the other containers of the pod can run it.
//!
//! Any image with the standard programs can thus be used: nothing of ours has to be in it. The copy is written
//! beside its name and renamed, so that a container never runs half a file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The executable could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("cannot install {path}: {source}")]
pub struct InstallError {
    path: PathBuf,
    source: io::Error,
}

impl InstallError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "install"
    }
}

/// Copies the running executable to `directory/holdfast` with mode 0755 and returns that path.
pub fn install(directory: &Path) -> Result<PathBuf, InstallError> {
    copy_executable(Path::new("/proc/self/exe"), directory)
}

fn copy_executable(source: &Path, directory: &Path) -> Result<PathBuf, InstallError> {
    let target = directory.join("holdfast");
    let half = directory.join(".holdfast.new");
    fs::create_dir_all(directory)
        .and_then(|()| fs::copy(source, &half))
        .and_then(|_| fs::set_permissions(&half, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&half, &target))
        .map_err(|source| InstallError {
            path: target.clone(),
            source,
        })?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_whole_executable_and_replaces_an_older_one() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::write(&source, b"new").unwrap();
        let target = directory.path().join("bin");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("holdfast"), b"old, and longer").unwrap();
        let path = copy_executable(&source, &target).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let error = copy_executable(Path::new("/proc/self/exe"), Path::new("/proc/nowhere")).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere/holdfast"));
    }
}
