//! One part of a listing of a directory tree, in the order of the bytes of whole names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::super::{ObjectInfo, Page};

/// The first `limit` files whose names begin with `prefix` and sort behind `after`.
pub(super) fn page(root: &Path, prefix: &str, after: Option<&str>, limit: usize) -> io::Result<Page> {
    // A root that is not there is an error; a directory of the prefix that is not there is an empty listing.
    fs::read_dir(root)?;
    let mut walk = Walk {
        prefix,
        after: after.unwrap_or_default(),
        // One more shows whether there is more.
        limit: limit + 1,
        objects: Vec::new(),
    };
    let directory = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
    // No way out of the root, and no second name for one file.
    let plain = directory
        .split('/')
        .all(|part| !matches!(part, "." | "..") && (directory.is_empty() || !part.is_empty()));
    if plain && !passes_a_link(root, directory)? {
        let name = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        walk.directory(root.join(directory), &name)?;
    }
    let mut objects = walk.objects;
    let more = objects.len() > limit;
    objects.truncate(limit);
    let next = objects.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Page { objects, next })
}

/// True when a part of the path is a link: what is behind it is not listed under this name.
fn passes_a_link(root: &Path, directory: &str) -> io::Result<bool> {
    let mut path = root.to_owned();
    for part in directory.split('/').filter(|part| !part.is_empty()) {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => return Ok(true),
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    objects: Vec<ObjectInfo>,
}

struct Entry {
    /// The whole name; a directory's ends in `/`, which puts all that is in it into its place.
    name: String,
    path: PathBuf,
}

impl Walk<'_> {
    /// `name` ends in `/`, or is empty for the root.
    fn directory(&mut self, path: PathBuf, name: &str) -> io::Result<()> {
        let listing = match fs::read_dir(path) {
            Ok(listing) => listing,
            // It may go while we walk.
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for entry in listing {
            let entry = entry?;
            // Names of objects are text.
            let Ok(own) = entry.file_name().into_string() else {
                continue;
            };
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            };
            let name = if kind.is_dir() {
                format!("{name}{own}/")
            } else if kind.is_file() {
                format!("{name}{own}")
            } else {
                continue;
            };
            if self.wants(&name) {
                let path = entry.path();
                entries.push(Entry { name, path });
            }
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for entry in entries {
            if self.objects.len() >= self.limit {
                return Ok(());
            }
            if entry.name.ends_with('/') {
                self.directory(entry.path, &entry.name)?;
            } else {
                self.file(entry)?;
            }
        }
        Ok(())
    }

    /// Whether a file is wanted, or anything in a directory can be.
    fn wants(&self, name: &str) -> bool {
        if name.ends_with('/') {
            (name.starts_with(self.prefix) || self.prefix.starts_with(name))
                && (name > self.after || self.after.starts_with(name))
        } else {
            name.starts_with(self.prefix) && name > self.after
        }
    }

    fn file(&mut self, entry: Entry) -> io::Result<()> {
        match fs::symlink_metadata(entry.path) {
            Ok(metadata) => self.objects.push(ObjectInfo {
                name: entry.name,
                size: metadata.len(),
                modified: metadata.modified().ok().map(DateTime::<Utc>::from),
            }),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
