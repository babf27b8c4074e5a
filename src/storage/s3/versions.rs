//! A bucket as it stood at an earlier time, where it keeps versions: what pgBackRest's `repo-target-time` shows.
//!
//! A version counts from the moment that the store wrote it until the next one, and what was removed then is not there.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use chrono::{DateTime, Utc};

use super::{S3Store, to_utc};
use crate::storage::{ObjectInfo, Page, StorageError, StorageErrorKind};

/// One state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// Absent where it says that the object was removed.
    id: Option<String>,
    object: ObjectInfo,
}

/// Behind which version a page of the listing begins.
#[derive(Default)]
struct Marker {
    key: Option<String>,
    version: Option<String>,
}

impl S3Store {
    /// The part of a listing that [`super::ObjectStore::list`] gives, of the bucket as it was then.
    pub(super) async fn list_at(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<Page, StorageError> {
        let mut found = Vec::new();
        let mut from = Marker {
            key: after.map(str::to_owned),
            version: None,
        };
        loop {
            let (page, next) = self.versions(prefix, from).await?;
            let behind = |version: &Version| after.is_none_or(|after| version.object.name.as_str() > after);
            found.extend(page.into_iter().filter(behind));
            let Some(next) = next else {
                return Ok(page_of(found, at, None));
            };
            from = next;
            // Of the last name there may be more.
            let last = found.iter().map(|version| version.object.name.clone()).max();
            let whole = |version: &Version| Some(&version.object.name) < last.as_ref();
            let name = |version: &Version| version.object.name.clone();
            if let Some(next) = found.iter().filter(|version| whole(version)).map(name).max() {
                found.retain(whole);
                return Ok(page_of(found, at, Some(next)));
            }
        }
    }

    /// The version of an object that stood then.
    pub(super) async fn version_at(&self, name: &str, at: DateTime<Utc>) -> Result<String, StorageError> {
        let mut found = Vec::new();
        let mut from = Some(Marker::default());
        while let Some(marker) = from.take() {
            let (page, next) = self.versions(name, marker).await?;
            // Longer names follow it.
            if page.iter().all(|version| version.object.name == name) {
                from = next;
            }
            found.extend(page.into_iter().filter(|version| version.object.name == name));
        }
        let version = standing(found, at).remove(name).and_then(|version| version.id);
        version.ok_or_else(|| {
            let detail = format!("it was not there at {at}");
            StorageError::new(StorageErrorKind::NotFound, self.request("get", name), detail)
        })
    }

    /// A page of versions, and where the next one begins.
    async fn versions(
        &self,
        prefix: &str,
        from: Marker,
    ) -> Result<(Vec<Version>, Option<Marker>), StorageError> {
        let answer = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_key_marker(from.key)
            .set_version_id_marker(from.version)
            .send()
            .await
            .map_err(|error| self.error("list", prefix, &error))?;
        let next = answer.is_truncated.unwrap_or_default().then(|| Marker {
            key: answer.next_key_marker.clone(),
            version: answer.next_version_id_marker.clone(),
        });
        Ok((versions_of(answer), next))
    }
}

/// What stood then of these versions.
fn page_of(found: Vec<Version>, at: DateTime<Utc>, next: Option<String>) -> Page {
    let objects = standing(found, at).into_values().map(|version| version.object);
    Page {
        objects: objects.collect(),
        next,
    }
}

fn versions_of(answer: ListObjectVersionsOutput) -> Vec<Version> {
    let written = answer
        .versions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|version| {
            Some(Version {
                // Of what was written before versions were kept, the id is `null`, and that is how it is asked for.
                id: Some(version.version_id?),
                object: ObjectInfo {
                    name: version.key?,
                    size: u64::try_from(version.size.unwrap_or_default()).unwrap_or_default(),
                    modified: version.last_modified.and_then(|time| to_utc(&time)),
                },
            })
        });
    let removed = answer
        .delete_markers
        .unwrap_or_default()
        .into_iter()
        .filter_map(|marker| {
            Some(Version {
                id: None,
                object: ObjectInfo {
                    name: marker.key?,
                    size: 0,
                    modified: marker.last_modified.and_then(|time| to_utc(&time)),
                },
            })
        });
    written.chain(removed).collect()
}

/// What stood at a time, by name.
fn standing(all: Vec<Version>, at: DateTime<Utc>) -> BTreeMap<String, Version> {
    let mut found: BTreeMap<String, Version> = BTreeMap::new();
    for version in all {
        if version.object.modified.is_none_or(|modified| modified > at) {
            continue;
        }
        let known = found.get(&version.object.name);
        // Of two of one moment, what is there counts: nothing is lost by looking at it.
        let later = known.is_none_or(|known| {
            (version.object.modified, version.id.is_some()) > (known.object.modified, known.id.is_some())
        });
        if later {
            found.insert(version.object.name.clone(), version);
        }
    }
    found.retain(|_, version| version.id.is_some());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn version(name: &str, id: Option<&str>, second: i64) -> Version {
        Version {
            id: id.map(str::to_owned),
            object: ObjectInfo {
                name: name.to_owned(),
                size: 1,
                modified: Some(at(second)),
            },
        }
    }

    #[test]
    fn the_newest_that_was_there_counts_and_what_was_removed_is_gone_from_then_on() {
        let all = vec![
            version("a", Some("a2"), 20),
            version("a", Some("a1"), 10),
            version("b", None, 15),
            version("b", Some("b1"), 5),
            version("c", Some("c1"), 30),
        ];
        let told = |second| -> Vec<String> {
            let standing = standing(all.clone(), at(second));
            standing
                .into_values()
                .map(|version| version.id.unwrap())
                .collect()
        };
        assert_eq!(told(4), [""; 0]);
        assert_eq!(told(10), ["a1", "b1"]);
        assert_eq!(told(15), ["a1"]);
        assert_eq!(told(40), ["a2", "c1"]);
    }
}
