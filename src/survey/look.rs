//! One look at a repository.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    archives::Archives,
    branches::{Starts, branches, read_starts},
    commits::{Reading, ahead},
    picture::{Oddity, Picture, Requests},
    protection::Protections,
    retention::ArchiveRetention,
    scene::{Scene, read_infos},
    suspicions::{Newest, clocks, rolled_back},
};
use crate::{
    domain::{
        archive::{Archive, History},
        wal::{Segment, SegmentSize},
        windows::{self, Backup, Database, Recovery, SegmentCommits, Survey, survey},
    },
    pgbackrest::repository::{DatabaseIdentity, Repository, RepositoryError},
};

/// More commit times than this are not kept for the next look.
const MOST_COMMITS: usize = 1024;
/// Damaged segments that are read again in each look.
const MOST_AGAIN: usize = 16;
/// Versions of PostgreSQL whose WAL can be read.
const READABLE: std::ops::RangeInclusive<u32> = 13..=18;

/// What is not in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The time.
    pub now: DateTime<Utc>,
    /// How long a gap may be visible before it counts as one: an archiver may catch up out of order.
    pub grace: TimeDelta,
    /// Where WAL is taken away on purpose.
    pub retention: Option<ArchiveRetention>,
    /// No more segments than this are read in one look; the next one goes on.
    pub most_segments: u64,
}

/// What is known of one db-id, beside names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    histories: BTreeMap<u32, History>,
    commits: BTreeMap<Segment, SegmentCommits>,
    #[serde(default)]
    starts: Starts,
}

/// What is known of a repository, kept from look to look. It can be stored, and be lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownRepository {
    archives: Archives,
    contents: BTreeMap<String, Content>,
    #[serde(default)]
    newest: Option<Newest>,
    #[serde(default)]
    protections: Protections,
}

impl KnownRepository {
    /// The archives, as far as they are known.
    #[must_use]
    pub fn archives(&self) -> &Archives {
        &self.archives
    }

    /// Looks at the repository. Where that fails, what was known stays, and the next look goes on from there.
    pub async fn look(&mut self, repository: &Repository, terms: &Terms) -> Result<Picture, RepositoryError> {
        let mut oddities = Vec::new();
        let (archive, backup) = read_infos(repository, &mut oddities).await?;
        if archive.database.system_id != backup.database.system_id {
            oddities.push(Oddity::IdentitiesDiffer {
                archive: archive.database.system_id,
                backup: backup.database.system_id,
            });
        }
        let scene = Scene {
            repository,
            archive: &archive,
            backup: &backup,
            terms,
        };
        let sizes = scene.segment_sizes();
        let current = archive.database.archive_id();
        let listing = self
            .archives
            .list(repository, &sizes, &current, terms.now)
            .await?;
        for (archive, changes) in listing.changes {
            oddities.extend(changes.vanished.into_iter().map(|range| Oddity::Vanished {
                archive: archive.clone(),
                range,
            }));
        }
        let mut requests = Requests {
            listings: listing.requests,
            segments: 0,
        };
        let (mut recoveries, mut known_branches) = (Vec::new(), BTreeMap::new());
        for (id, database) in scene.databases() {
            let recovery = self.recovery(&scene, *id, database, &mut oddities, &mut requests);
            recoveries.push(recovery.await?);
            let directory = database.archive_id();
            let known = self.archives.known().get(&directory);
            if let Some((listed, content)) = known.zip(self.contents.get(&directory)) {
                let found = branches(&listed.archive, &content.histories, &content.starts);
                known_branches.insert(*id, found);
            }
        }
        self.contents.retain(|id, _| sizes.contains_key(id));
        if self.archives.foreign() > 0 {
            oddities.push(Oddity::Foreign {
                place: repository.archive_root(),
                files: self.archives.foreign(),
            });
        }
        let recovery = Recovery::of_repository(recoveries);
        oddities.extend(rolled_back(&mut self.newest, &backup, terms.now));
        oddities.extend(clocks(&backup, &recovery, terms.now));
        let protections = self
            .protections
            .look(repository, &backup.backups, terms.now)
            .await;
        Ok(Picture {
            looked_at: terms.now,
            archives: scene.pictures(&self.archives, &mut oddities),
            recovery,
            protections,
            branches: known_branches,
            database: archive.database,
            backups: backup.backups,
            oddities,
            requests,
        })
    }

    /// What can be restored of one db-id.
    async fn recovery(
        &mut self,
        scene: &Scene<'_>,
        id: u32,
        database: &DatabaseIdentity,
        oddities: &mut Vec<Oddity>,
        requests: &mut Requests,
    ) -> Result<Recovery, RepositoryError> {
        let directory = database.archive_id();
        let own = || {
            scene
                .backup
                .backups
                .iter()
                .filter(move |backup| backup.database_id == id)
        };
        let backups: Vec<Backup> = own().map(Backup::from).collect();
        let terms = windows::Terms {
            now: scene.terms.now,
            grace: scene.terms.grace,
            kept_from: scene
                .terms
                .retention
                .as_ref()
                .and_then(|retention| retention.kept_from(own(), scene.terms.now)),
        };
        let content = self.contents.entry(directory.clone()).or_default();
        look_again(&mut content.commits);
        let nothing = Archive::new(SegmentSize::default());
        let readable = is_readable(&database.version);
        if let Some(listed) = self.archives.known().get(&directory) {
            scene
                .read_histories(&directory, &listed.archive, &mut content.histories, oddities)
                .await?;
            let reader = scene.reader(&directory, self.archives.recent());
            requests.segments +=
                read_starts(&reader, &listed.archive, &content.histories, &mut content.starts).await?;
        }
        for round in 0.. {
            let archive = self
                .archives
                .known()
                .get(&directory)
                .map_or(&nothing, |listed| &listed.archive);
            let database = Database {
                id,
                archive,
                histories: &content.histories,
                backups: &backups,
            };
            let needs = match survey(&database, &content.commits, &terms) {
                Survey::Complete(recovery) => {
                    if !readable {
                        oddities.push(Oddity::CommitTimesUnknown {
                            version: scene.version(id),
                        });
                        content.commits.clear();
                    }
                    if content.commits.len() > MOST_COMMITS {
                        content.commits = needed(&database, &content.commits, &terms);
                    }
                    return Ok(*recovery);
                }
                Survey::Needs(needs) => needs,
            };
            if !readable {
                content.commits.extend(unread(&needs, archive));
                continue;
            }
            if requests.segments >= scene.terms.most_segments {
                // As if there were no commits, which promises less and never more.
                let mut guessed = content.commits.clone();
                guessed.extend(unread(&needs, archive));
                oddities.push(Oddity::Unfinished {
                    archive: directory.clone(),
                });
                return Ok(unfinished(&database, guessed, &terms));
            }
            let wanted = ahead(&needs, &content.commits, archive, round);
            let reader = scene.reader(&directory, self.archives.recent());
            let readings = reader.read(&wanted, archive).await?;
            requests.listings += readings.listings;
            requests.segments += readings.segments;
            for (segment, reading) in readings.found {
                match reading {
                    Reading::Commits(commits) => {
                        content.commits.insert(segment, commits);
                    }
                    Reading::Gone => self.archives.forget(&directory, segment, scene.terms.now),
                }
            }
        }
        Ok(Recovery::default())
    }
}

fn is_readable(version: &str) -> bool {
    version
        .parse()
        .is_ok_and(|version: u32| READABLE.contains(&version))
}

/// For WAL that cannot be read: as if there were no commits, in the whole run that a need lies in.
fn unread(needs: &BTreeSet<Segment>, archive: &Archive) -> BTreeMap<Segment, SegmentCommits> {
    let mut none = BTreeMap::new();
    for need in needs {
        let index = need.index(archive.segment_size());
        let runs = archive
            .timeline(need.timeline())
            .into_iter()
            .flat_map(|segments| segments.runs().iter());
        let first = runs
            .filter(|run| run.first <= index)
            .map(|run| run.first)
            .max()
            .unwrap_or(index);
        none.extend(
            (first..=index)
                .filter_map(|index| archive.segment(need.timeline(), index))
                .map(|segment| (segment, SegmentCommits::None)),
        );
    }
    none
}

/// Segments that were damaged may have been put right: those are read again that tell the most.
fn look_again(commits: &mut BTreeMap<Segment, SegmentCommits>) {
    let damaged = commits
        .iter()
        .rev()
        .filter(|(_, commits)| **commits == SegmentCommits::Unreadable)
        .map(|(segment, _)| *segment);
    let again: Vec<_> = damaged.take(MOST_AGAIN).collect();
    for segment in again {
        commits.remove(&segment);
    }
}

/// What can be said without reading more.
fn unfinished(
    database: &Database<'_>,
    mut guessed: BTreeMap<Segment, SegmentCommits>,
    terms: &windows::Terms,
) -> Recovery {
    loop {
        match survey(database, &guessed, terms) {
            Survey::Complete(recovery) => return *recovery,
            Survey::Needs(needs) => guessed.extend(unread(&needs, database.archive)),
        }
    }
}

/// The part of what is known that windows are made of.
fn needed(
    database: &Database<'_>,
    known: &BTreeMap<Segment, SegmentCommits>,
    terms: &windows::Terms,
) -> BTreeMap<Segment, SegmentCommits> {
    let mut kept = BTreeMap::new();
    while let Survey::Needs(needs) = survey(database, &kept, terms) {
        for segment in needs {
            match known.get(&segment) {
                Some(commits) => kept.insert(segment, *commits),
                // Cannot be, since the survey was complete.
                None => return kept,
            };
        }
    }
    kept
}
