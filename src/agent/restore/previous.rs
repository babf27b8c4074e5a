//! The directories of a database, and those that were there before a restore: moved aside on the same volume, where that costs
//! nothing, and brought back or released later.
//!
//! Every step may be repeated from wherever the last one was killed; none removes a directory before the other one that there is
//! stands in its place.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{Journal, sync};
use crate::agent::postgres::Layout;

/// Where a database lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    data: PathBuf,
    /// Outside the data directory, maybe on another volume.
    wal: PathBuf,
    /// Where tablespaces have volumes of their own.
    tablespaces: Vec<PathBuf>,
}

impl Places {
    /// Of an instance.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        Self {
            data: layout.data.clone(),
            wal: layout.wal.clone(),
            tablespaces: layout.tablespaces.clone(),
        }
    }

    /// Where tablespaces lie: on volumes of their own, and where those of the database are that is there or was.
    #[must_use]
    pub fn tablespaces(&self) -> BTreeSet<PathBuf> {
        let databases = [
            self.data.clone(),
            beside(&self.data, "previous"),
            beside(&self.data, "failed"),
        ];
        let links = databases.iter().flat_map(|data| links(&data.join("pg_tblspc")));
        let outside = links.filter(|place| !databases.iter().any(|data| place.starts_with(data)));
        self.tablespaces.iter().cloned().chain(outside).collect()
    }

    /// Where the data directory is kept.
    #[must_use]
    pub fn previous_data(&self) -> PathBuf {
        beside(&self.data, "previous")
    }

    /// The data directory last: it says where the tablespaces are.
    fn all(&self) -> Vec<PathBuf> {
        let outside = self.tablespaces().into_iter().chain([self.wal.clone()]);
        outside.chain([self.data.clone()]).collect()
    }

    /// Something is kept.
    #[must_use]
    pub fn has_previous(&self) -> bool {
        self.all().iter().any(|place| beside(place, "previous").exists())
    }

    /// Moves what is there aside. What has been moved stays as it is.
    pub fn set_aside(&self) -> io::Result<()> {
        for place in self.all() {
            let previous = beside(&place, "previous");
            if place.exists() && !previous.exists() {
                rename(&place, &previous)?;
            }
        }
        Ok(())
    }

    /// Brings it back, over what a restore has made.
    pub fn bring_back(&self) -> io::Result<()> {
        let all = self.all();
        for place in &all {
            let (previous, failed) = (beside(place, "previous"), beside(place, "failed"));
            if previous.exists() {
                if place.exists() {
                    remove(&failed)?;
                    rename(place, &failed)?;
                }
                rename(&previous, place)?;
            }
        }
        for place in &all {
            remove(&beside(place, "failed"))?;
        }
        Ok(())
    }

    /// Lets it go: what was restored is what counts now.
    pub fn release(&self, volume: &Path) -> io::Result<()> {
        for place in self.all() {
            remove(&beside(&place, "previous"))?;
        }
        Journal::remove(volume)
    }
}

/// Where the symbolic links of a directory lead.
fn links(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.is_absolute()).collect()
}

fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    place.with_file_name(name)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Volume {
        directory: tempfile::TempDir,
        places: Places,
    }

    impl Volume {
        fn with(text: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let places = Places {
                data: directory.path().join("pg18"),
                wal: directory.path().join("pg18_wal"),
                tablespaces: Vec::new(),
            };
            let volume = Self { directory, places };
            volume.fill(text);
            volume
        }

        fn fill(&self, text: &str) {
            for place in self.places.all() {
                fs::create_dir_all(&place).unwrap();
                fs::write(place.join("it"), text).unwrap();
            }
        }

        fn holds(&self) -> [String; 2] {
            [&self.places.data, &self.places.wal]
                .map(|place| fs::read_to_string(place.join("it")).unwrap_or_default())
        }

        fn names(&self) -> usize {
            fs::read_dir(self.directory.path()).unwrap().count()
        }
    }

    #[test]
    fn what_was_moved_aside_comes_back_and_nothing_else_is_left() {
        let volume = Volume::with("old");
        volume.places.set_aside().unwrap();
        volume.places.set_aside().unwrap();
        assert_eq!(volume.holds(), ["", ""]);
        volume.fill("new");
        assert!(volume.places.has_previous());
        volume.places.bring_back().unwrap();
        volume.places.bring_back().unwrap();
        assert_eq!(volume.holds(), ["old", "old"]);
        assert_eq!((volume.names(), volume.places.has_previous()), (2, false));
    }

    #[test]
    fn what_is_released_is_gone_and_what_replaced_it_stays() {
        let volume = Volume::with("old");
        volume.places.set_aside().unwrap();
        volume.fill("new");
        volume.places.release(volume.directory.path()).unwrap();
        assert_eq!(
            (volume.holds(), volume.names()),
            (["new".to_owned(), "new".to_owned()], 2)
        );
    }

    /// Killed between the two directories, on the way there and on the way back.
    #[test]
    fn one_that_was_killed_half_way_goes_on() {
        let volume = Volume::with("old");
        let wal = volume.places.wal.clone();
        rename(&volume.places.data, &volume.places.previous_data()).unwrap();
        volume.places.set_aside().unwrap();
        assert!(!wal.exists());
        volume.fill("new");
        rename(&volume.places.data, &beside(&volume.places.data, "failed")).unwrap();
        volume.places.bring_back().unwrap();
        assert_eq!(
            (volume.holds(), volume.names()),
            (["old".to_owned(), "old".to_owned()], 2)
        );
        // Only one of them had been moved.
        rename(&volume.places.data, &volume.places.previous_data()).unwrap();
        volume.places.bring_back().unwrap();
        assert_eq!(volume.holds(), ["old", "old"]);
    }

    /// One with a volume of its own, and one that a user made somewhere.
    #[test]
    fn tablespaces_go_and_come_with_the_database_that_they_belong_to() {
        let mut volume = Volume::with("old");
        let root = volume.directory.path().to_owned();
        let (own, elsewhere) = (root.join("fast/data"), root.join("elsewhere"));
        volume.places.tablespaces = vec![own.clone()];
        let link = |data: &Path| {
            fs::create_dir_all(data.join("pg_tblspc")).unwrap();
            std::os::unix::fs::symlink(&elsewhere, data.join("pg_tblspc/16384")).unwrap();
        };
        link(&volume.places.data);
        let tablespaces = [&own, &elsewhere];
        let fill = |text: &str| {
            for place in tablespaces {
                fs::create_dir_all(place).unwrap();
                fs::write(place.join("it"), text).unwrap();
            }
        };
        let hold = |text: &str| {
            for place in tablespaces {
                assert_eq!(fs::read_to_string(place.join("it")).unwrap_or_default(), text);
            }
        };
        fill("old");
        volume.places.set_aside().unwrap();
        hold("");
        volume.fill("new");
        link(&volume.places.data);
        fill("new");
        volume.places.bring_back().unwrap();
        assert_eq!(volume.holds(), ["old", "old"]);
        hold("old");
        assert!(!volume.places.has_previous());

        volume.places.set_aside().unwrap();
        volume.fill("new");
        fill("new");
        volume.places.release(&root).unwrap();
        hold("new");
        assert!(!volume.places.has_previous());
        assert!(!beside(&elsewhere, "previous").exists());
    }
}
