//! Names of the archives of a stanza, listed and folded.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::listed::{Folding, Listed};
use crate::{
    domain::{
        archive::{Archive, Changes},
        wal::{Segment, SegmentSize},
    },
    pgbackrest::repository::{Repository, RepositoryError},
    storage::ObjectInfo,
};

/// A gap near the end of a timeline, or a switch of timelines, that is younger may still be filled in, and is looked at
/// every time. Other gaps are looked at in turn, one each time.
const STILL_OPEN: TimeDelta = TimeDelta::hours(1);
/// Parts of a whole new listing in one look, beside what is new. Less where more timelines are looked at.
const PARTS_OF_A_LOOK: u64 = 2;
/// Names in a part: what all stores give at least.
const NAMES_OF_A_PART: u64 = 1000;

/// A whole new listing that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    fresh: BTreeMap<String, Listed>,
    foreign: u64,
    after: Option<String>,
}

/// What is known of the archives of a stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Archives {
    known: BTreeMap<String, Listed>,
    /// Files in directories that `archive.info` does not know.
    foreign: u64,
    /// Everything was listed once.
    complete: bool,
    round: Option<Round>,
    /// Counts looks, so that gaps are looked at in turn.
    looks: u64,
    /// Names of the last parts, so that the newest segments need not be looked for again.
    #[serde(skip)]
    recent: Vec<ObjectInfo>,
}

/// Names to list.
struct Stretch {
    /// What they begin with, below the root of the archives.
    beginning: String,
    /// The full name behind which they are.
    after: String,
    /// One part is enough.
    one_part: bool,
}

/// What one listing found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listing {
    /// Requests it took.
    pub(super) requests: u64,
    /// What the end of a whole new listing showed, by archive.
    pub(super) changes: BTreeMap<String, Changes>,
}

impl Archives {
    /// All archives by directory, `18-1`.
    #[must_use]
    pub fn known(&self) -> &BTreeMap<String, Listed> {
        &self.known
    }

    /// Files in directories of the archive that `archive.info` does not know.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Names of the newest segments.
    pub(super) fn recent(&self) -> &[ObjectInfo] {
        &self.recent
    }

    /// A segment is no longer there.
    pub(super) fn forget(&mut self, directory: &str, segment: Segment, now: DateTime<Utc>) {
        if let Some(listed) = self.known.get_mut(directory) {
            let name = format!("{}/{segment}-{}", segment.directory(), "0".repeat(40));
            listed.archive.forget(&name, now);
        }
    }

    /// Brings it up to date. `sizes`: the archives that `archive.info` knows; `current`: the one that grows.
    pub(super) async fn list(
        &mut self,
        repository: &Repository,
        sizes: &BTreeMap<String, SegmentSize>,
        current: &str,
        now: DateTime<Utc>,
    ) -> Result<Listing, RepositoryError> {
        self.drop_what_does_not_fit(sizes);
        self.recent.clear();
        let root = repository.archive_root();
        let folding = Folding {
            root: &root,
            sizes,
            now,
            first: !self.complete,
        };
        let mut listing = Listing::default();
        if !self.complete {
            self.go_round(repository, &folding, u64::MAX, &mut listing)
                .await?;
            return Ok(listing);
        }
        let files: u64 = self.known.values().map(|listed| listed.files).sum();
        if self.round.is_none() && files + self.foreign < PARTS_OF_A_LOOK * NAMES_OF_A_PART {
            // All of it costs no more than a part.
            let whole = self.go_round(repository, &folding, PARTS_OF_A_LOOK + 1, &mut listing);
            if whole.await? {
                return Ok(listing);
            }
        }
        self.catch_up(repository, &folding, current, &mut listing).await?;
        let parts = (PARTS_OF_A_LOOK + 1).saturating_sub(listing.requests).max(1);
        self.go_round(repository, &folding, parts, &mut listing).await?;
        Ok(listing)
    }

    /// Another segment size makes other gaps of the same names.
    fn drop_what_does_not_fit(&mut self, sizes: &BTreeMap<String, SegmentSize>) {
        let fits = |(directory, listed): (&String, &Listed)| {
            sizes.get(directory) == Some(&listed.archive.segment_size())
        };
        let fresh = self.round.iter().flat_map(|round| &round.fresh);
        if !self.known.iter().chain(fresh).all(fits) {
            *self = Self::default();
        }
    }

    /// Lists from the last known names on.
    async fn catch_up(
        &mut self,
        repository: &Repository,
        folding: &Folding<'_>,
        current: &str,
        listing: &mut Listing,
    ) -> Result<(), RepositoryError> {
        for Stretch {
            beginning,
            mut after,
            one_part,
        } in self.ends(folding, current)
        {
            loop {
                let page = repository.list_archive(&beginning, Some(&after)).await?;
                listing.requests += 1;
                folding.fold(&mut self.known, &page.objects);
                if let Some(round) = &mut self.round {
                    // What arrives behind the place that the round has reached would look as if it were gone.
                    let behind = page
                        .objects
                        .partition_point(|object| Some(&object.name) <= round.after.as_ref());
                    let behind = page.objects.get(..behind).unwrap_or_default();
                    folding.fold(&mut round.fresh, behind);
                }
                self.recent.extend(page.objects);
                match page.next {
                    Some(next) if !one_part => after = next,
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// Where new names can come, and one of the gaps that lie deeper.
    fn ends(&mut self, folding: &Folding<'_>, current: &str) -> Vec<Stretch> {
        let directory = format!("{current}/");
        let root = format!("{}{directory}", folding.root);
        let whole = Stretch {
            beginning: directory.clone(),
            after: root.clone(),
            one_part: false,
        };
        let Some(archive) = self.known.get(current).map(|listed| &listed.archive) else {
            return vec![whole];
        };
        let since = folding.now - STILL_OPEN;
        let (mut ends, mut deep) = (Vec::new(), Vec::new());
        let mut above: Option<DateTime<Utc>> = None;
        for (timeline, segments) in archive.timelines().collect::<Vec<_>>().into_iter().rev() {
            // History files and timelines that are yet to come follow the last timeline.
            let beginning = if above.is_none() {
                directory.clone()
            } else {
                format!("{directory}{timeline:08X}")
            };
            let from = |index| {
                let segment = archive.segment(timeline, index)?;
                Some(Stretch {
                    beginning: beginning.clone(),
                    after: format!("{root}{}/{segment}", segment.directory()),
                    one_part: false,
                })
            };
            let runs: Vec<_> = segments.runs().iter().collect();
            let highest = segments.runs().highest().unwrap_or_default();
            let mut end = above.is_none_or(|above| above >= since).then_some(highest);
            for (below, run) in runs.iter().zip(runs.iter().skip(1)) {
                if run.since >= since && highest - below.last < NAMES_OF_A_PART / 2 {
                    end = end.map_or(Some(below.last), |end| Some(end.min(below.last)));
                } else {
                    deep.extend(from(below.last));
                }
            }
            ends.extend(end.and_then(from));
            above = Some(segments.first_seen());
        }
        if ends.is_empty() {
            ends.push(whole);
        }
        self.looks = self.looks.wrapping_add(1);
        if let Some(turn) = usize::try_from(self.looks).unwrap_or(0).checked_rem(deep.len()) {
            let gap = deep.into_iter().nth(turn);
            ends.extend(gap.map(|gap| Stretch {
                one_part: true,
                ..gap
            }));
        }
        ends
    }

    /// Goes on with a whole new listing, for so many parts. True when it came to its end.
    async fn go_round(
        &mut self,
        repository: &Repository,
        folding: &Folding<'_>,
        parts: u64,
        listing: &mut Listing,
    ) -> Result<bool, RepositoryError> {
        let round = self.round.get_or_insert_default();
        for _ in 0..parts {
            let page = repository.list_archive("", round.after.as_deref()).await?;
            listing.requests += 1;
            round.foreign += folding.fold(&mut round.fresh, &page.objects);
            if page.next.is_none() || folding.first {
                self.recent = page.objects;
            }
            round.after = page.next;
            if round.after.is_none() {
                let done = self.round.take().unwrap_or_default();
                self.take_over(done, listing);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_over(&mut self, done: Round, listing: &mut Listing) {
        self.foreign = done.foreign;
        let mut before = std::mem::take(&mut self.known);
        for (directory, fresh) in done.fresh {
            let listed = match before.remove(&directory) {
                Some(mut known) => {
                    let changes = known.archive.relist(fresh.archive);
                    listing.changes.insert(directory.clone(), changes);
                    Listed {
                        archive: known.archive,
                        ..fresh
                    }
                }
                None => fresh,
            };
            self.known.insert(directory, listed);
        }
        for (directory, mut gone) in before {
            let nothing = Archive::new(gone.archive.segment_size());
            listing.changes.insert(directory, gone.archive.relist(nothing));
        }
        self.complete = true;
    }
}
