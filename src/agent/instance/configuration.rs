//! Copies of pgBackRest's configuration without some of its repositories.
//!
//! `stanza-create` takes no `--repo`: it goes through all repositories and stops at the first that refuses, and it
//! would create the stanza where the controller has not cleared it yet. So it is shown one at a time. And `archive-push`
//! sends WAL to all there are, so it is not shown those that the user keeps WAL from. A copy may hold credentials: it is
//! private and lives on the pod's emptyDir.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::pgbackrest::user_options::repository_of;

/// Copies `pgbackrest.conf` and `conf.d/*.conf` below `source` to `directory`, which is replaced, with the options of the
/// repositories that are kept and those of none.
pub fn copy(source: &Path, directory: &Path, keep: &dyn Fn(u32) -> bool) -> io::Result<()> {
    remove(directory)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory.join("conf.d"))?;
    let main = fs::read_to_string(source.join("pgbackrest.conf")).unwrap_or_default();
    write(&directory.join("pgbackrest.conf"), &only(&main, keep))?;
    for entry in fs::read_dir(source.join("conf.d"))? {
        let entry = entry?;
        let is_read = entry.path().extension().is_some_and(|it| it == "conf") && entry.path().is_file();
        if is_read {
            let text = fs::read_to_string(entry.path())?;
            write(
                &directory.join("conf.d").join(entry.file_name()),
                &only(&text, keep),
            )?;
        }
    }
    Ok(())
}

/// A copy with one repository only, removed when dropped; use it as `--config-path`.
#[derive(Debug)]
pub struct SingleRepository {
    directory: PathBuf,
}

impl SingleRepository {
    /// Copies what is below `source` to `directory`.
    pub fn copy(source: &Path, directory: &Path, key: u8) -> io::Result<Self> {
        let single = Self {
            directory: directory.to_owned(),
        };
        copy(source, directory, &|other| other == u32::from(key))?;
        Ok(single)
    }

    /// Value for `--config-path`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }
}

impl Drop for SingleRepository {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.directory) {
            tracing::warn!(path = %self.directory.display(), %error, "cannot remove a copy of the configuration");
        }
    }
}

/// A command that is shown a copy: its configuration is what is below `directory`, and variables of repositories that are not
/// kept are taken from it.
#[must_use]
pub fn pgbackrest_with(directory: &Path, keep: &dyn Fn(u32) -> bool) -> Command {
    let mut command = Command::new("pgbackrest");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| is_left_out(name, keep)) {
            command.env_remove(name);
        }
    }
    command.arg(format!("--config-path={}", directory.display()));
    command
}

/// Whether an environment variable sets an option of a repository that is not kept.
fn is_left_out(name: &str, keep: &dyn Fn(u32) -> bool) -> bool {
    name.strip_prefix("PGBACKREST_")
        .and_then(|option| repository_of(&option.to_ascii_lowercase()))
        .is_some_and(|of| !keep(of))
}

fn only(text: &str, keep: &dyn Fn(u32) -> bool) -> String {
    text.lines()
        .filter(|line| repository_of(line.trim_start()).is_none_or(keep))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn options_of_the_other_repositories_are_left_out() {
        let text =
            "[global]\nrepo1-type=s3\n repo2-type=gcs\nrepo12-path=/x\nspool-path=/s\n[db]\npg1-path=/d\n";
        assert_eq!(
            only(text, &|key| key == 2),
            "[global]\n repo2-type=gcs\nspool-path=/s\n[db]\npg1-path=/d\n"
        );
        assert_eq!(
            only(text, &|key| key != 2 && key != 12),
            "[global]\nrepo1-type=s3\nspool-path=/s\n[db]\npg1-path=/d\n"
        );
    }

    #[test]
    fn variables_of_other_repositories_are_known() {
        assert!(is_left_out("PGBACKREST_REPO1_S3_KEY", &|key| key == 2));
        assert!(!is_left_out("PGBACKREST_REPO2_S3_KEY", &|key| key == 2));
        assert!(
            !is_left_out("PGBACKREST_LOCK_PATH", &|key| key == 2) && !is_left_out("PATH", &|key| key == 2)
        );
    }

    #[test]
    fn the_copy_is_private_and_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let (source, target) = (directory.path().join("etc"), directory.path().join("copy"));
        fs::create_dir_all(source.join("conf.d")).unwrap();
        fs::write(
            source.join("conf.d/s3.conf"),
            "[global]\nrepo1-s3-key-secret=x\nrepo2-s3-key-secret=y\n",
        )
        .unwrap();
        fs::write(source.join("conf.d/ca.crt"), "no ini").unwrap();
        let single = SingleRepository::copy(&source, &target, 2).unwrap();
        let file = single.path().join("conf.d/s3.conf");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "[global]\nrepo2-s3-key-secret=y\n"
        );
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!single.path().join("conf.d/ca.crt").exists());
        drop(single);
        assert!(!target.exists());
    }
}
