//! A copy of pgBackRest's configuration with one repository only.
//!
//! `stanza-create` takes no `--repo`: it goes through all repositories and stops at the first that refuses, and it
//! would create the stanza where the controller has not cleared it yet. So it is shown one at a time. The copy may
//! hold credentials: it is private, lives on the pod's emptyDir, and is removed when dropped.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The copy; use it as `--config-path`.
#[derive(Debug)]
pub struct SingleRepository {
    directory: PathBuf,
}

impl SingleRepository {
    /// Copies `pgbackrest.conf` and `conf.d/*.conf` below `source` to a directory at `directory`, which is replaced.
    pub fn copy(source: &Path, directory: &Path, key: u8) -> io::Result<Self> {
        remove(directory)?;
        let single = Self {
            directory: directory.to_owned(),
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory.join("conf.d"))?;
        let main = fs::read_to_string(source.join("pgbackrest.conf")).unwrap_or_default();
        write(&directory.join("pgbackrest.conf"), &only(&main, key))?;
        for entry in fs::read_dir(source.join("conf.d"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "conf")
                && entry.path().is_file()
            {
                let text = fs::read_to_string(entry.path())?;
                write(
                    &directory.join("conf.d").join(entry.file_name()),
                    &only(&text, key),
                )?;
            }
        }
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

/// Whether an environment variable sets an option of another repository.
#[must_use]
pub fn is_variable_of_another(name: &str, key: u8) -> bool {
    name.strip_prefix("PGBACKREST_")
        .is_some_and(|option| is_of_another(&option.to_ascii_lowercase(), key))
}

fn only(text: &str, key: u8) -> String {
    text.lines()
        .filter(|line| !is_of_another(line.trim_start(), key))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn is_of_another(option: &str, key: u8) -> bool {
    let Some(rest) = option.strip_prefix("repo") else {
        return false;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits);
    // `repo-…` without a number is an older spelling of `repo1-…`.
    let is_option = rest.starts_with(['-', '_']);
    let of = if number.is_empty() {
        Ok(1)
    } else {
        number.parse::<u8>()
    };
    is_option && of != Ok(key)
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
            only(text, 2),
            "[global]\n repo2-type=gcs\nspool-path=/s\n[db]\npg1-path=/d\n"
        );
        assert_eq!(
            only(text, 1),
            "[global]\nrepo1-type=s3\nspool-path=/s\n[db]\npg1-path=/d\n"
        );
    }

    #[test]
    fn variables_of_other_repositories_are_known() {
        assert!(is_variable_of_another("PGBACKREST_REPO1_S3_KEY", 2));
        assert!(!is_variable_of_another("PGBACKREST_REPO2_S3_KEY", 2));
        assert!(!is_variable_of_another("PGBACKREST_LOCK_PATH", 2) && !is_variable_of_another("PATH", 2));
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
