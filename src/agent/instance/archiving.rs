//! Keeps the configuration that `archive-push` is given while the user keeps WAL from some repositories.
//!
//! It is the mounted one without those. PostgreSQL's archiver may read it at any moment, so it is always whole: a link
//! that is swung from one copy to the next. Until the first suspension there is none. It stays after the last, as a copy
//! of the whole, since PostgreSQL learns of the end a moment later.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch::Receiver;

use super::configuration;
use super::watch::Known;
use crate::agent::fingerprint::Fingerprint;
use crate::pgbackrest::configuration::{ARCHIVING_DIRECTORY, CONFIGURATION_DIRECTORY};

/// Mounted files are looked at this often.
const LOOK: Duration = Duration::from_secs(2);

/// The copies and where they come from.
struct Copies {
    source: PathBuf,
    link: PathBuf,
}

/// Follows the desired document and the mounted files; runs for ever.
pub async fn keep(mut known: Receiver<Known>) {
    let copies = Copies {
        source: CONFIGURATION_DIRECTORY.into(),
        link: ARCHIVING_DIRECTORY.into(),
    };
    let mut written = None;
    loop {
        let suspended = suspended(&known.borrow_and_update());
        if let Some(suspended) = suspended.filter(|keys| !keys.is_empty() || copies.link.exists()) {
            let wanted = (suspended, Fingerprint::of(std::slice::from_ref(&copies.source)));
            if written.as_ref() != Some(&wanted) {
                match copies.renew(&wanted.0) {
                    Ok(()) => {
                        tracing::info!(suspended = ?wanted.0, "archive-push has a new configuration");
                        written = Some(wanted);
                    }
                    Err(error) => tracing::warn!(%error, "archive-push keeps its configuration"),
                }
            }
        }
        // A closed channel means that the follower has ended; the next look is then only a matter of time.
        let _ = tokio::time::timeout(LOOK, known.changed()).await;
    }
}

/// Keys of the suspended repositories; nothing while the document is not known.
fn suspended(known: &Known) -> Option<Vec<u8>> {
    let stanza = known.desired.as_ref()?.stanza.as_ref()?;
    Some(stanza.suspended.clone())
}

impl Copies {
    fn renew(&self, suspended: &[u8]) -> io::Result<()> {
        let [one, other] = ["a", "b"].map(|name| self.link.with_extension(name));
        let next = match fs::read_link(&self.link) {
            Ok(current) if current == one => other,
            _ => one,
        };
        configuration::copy(&self.source, &next, &|key| {
            !suspended.iter().any(|it| u32::from(*it) == key)
        })?;
        swing(&self.link, &next)
    }
}

fn swing(link: &Path, target: &Path) -> io::Result<()> {
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_lacks_the_suspended_repository_and_follows_the_mounted_files() {
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies {
            source: directory.path().join("etc"),
            link: directory.path().join("tmp/archiving"),
        };
        let mounted = copies.source.join("conf.d/s3.conf");
        fs::create_dir_all(copies.source.join("conf.d")).unwrap();
        let read = || fs::read_to_string(copies.link.join("conf.d/s3.conf")).unwrap();
        for key in ["old", "new", "newer"] {
            fs::write(
                &mounted,
                format!("[global]\nrepo1-s3-key={key}\nrepo2-s3-key=x\n"),
            )
            .unwrap();
            copies.renew(&[2]).unwrap();
            assert_eq!(read(), format!("[global]\nrepo1-s3-key={key}\n"));
        }
        copies.renew(&[]).unwrap();
        assert!(read().contains("repo2-s3-key=x"), "the end of a suspension");
    }

    #[test]
    fn a_copy_that_cannot_be_made_leaves_the_one_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies {
            source: directory.path().join("etc"),
            link: directory.path().join("archiving"),
        };
        fs::create_dir_all(copies.source.join("conf.d")).unwrap();
        fs::write(copies.source.join("conf.d/a.conf"), "repo1-path=/x\n").unwrap();
        copies.renew(&[2]).unwrap();
        fs::remove_dir_all(&copies.source).unwrap();
        assert!(copies.renew(&[1]).is_err());
        let kept = fs::read_to_string(copies.link.join("conf.d/a.conf")).unwrap();
        assert_eq!(kept, "repo1-path=/x\n");
    }
}
