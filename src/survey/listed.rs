//! One archive, folded from parts of a listing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{archive::Archive, wal::SegmentSize},
    storage::ObjectInfo,
};

/// The archive of one db-id, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Its names, folded.
    pub archive: Archive,
    /// How many files there are. A file that is listed twice counts twice until the next whole listing.
    pub files: u64,
    /// Their size as stored, in bytes.
    pub bytes: u64,
}

impl Listed {
    fn new(size: SegmentSize) -> Self {
        Self {
            archive: Archive::new(size),
            files: 0,
            bytes: 0,
        }
    }
}

/// What is needed to fold names.
pub(super) struct Folding<'a> {
    pub(super) root: &'a str,
    pub(super) sizes: &'a BTreeMap<String, SegmentSize>,
    pub(super) now: DateTime<Utc>,
    /// The first time, a gap is as old as the file behind it; later it is as old as the look that finds it.
    pub(super) first: bool,
}

impl Folding<'_> {
    /// The directory of a file, and its path in that.
    fn split<'a>(&self, object: &'a ObjectInfo) -> Option<(&'a str, &'a str)> {
        object.name.strip_prefix(self.root)?.split_once('/')
    }

    /// Returns how many were in no known directory.
    pub(super) fn fold(&self, into: &mut BTreeMap<String, Listed>, objects: &[ObjectInfo]) -> u64 {
        let mut foreign = 0;
        let same = |one: &ObjectInfo, next: &ObjectInfo| {
            self.split(one).map(|(name, _)| name) == self.split(next).map(|(name, _)| name)
        };
        for group in objects.chunk_by(same) {
            let Some((directory, _)) = group.first().and_then(|object| self.split(object)) else {
                continue;
            };
            let Some(size) = self.sizes.get(directory) else {
                foreign += group.len() as u64;
                continue;
            };
            if !into.contains_key(directory) {
                into.insert(directory.to_owned(), Listed::new(*size));
            }
            let Some(listed) = into.get_mut(directory) else {
                continue;
            };
            for object in group {
                if let Some((_, path)) = self.split(object) {
                    let written = object.modified.filter(|_| self.first);
                    let seen = written.map_or(self.now, |written| written.min(self.now));
                    listed.archive.fold(path, object.size, seen);
                    listed.files += 1;
                    listed.bytes += object.size;
                }
            }
        }
        foreign
    }
}
