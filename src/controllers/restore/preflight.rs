//! What a restore would come to, from what the repositories hold. Pure.

use chrono::{DateTime, Utc};

use super::job::WAL_BYTES;
use super::wanted::{Refused, Wanted};
use crate::api::restore::{Preflight, RepositoryAnswer};
use crate::api::{Reason, time};
use crate::controllers::archive::News;
use crate::domain::restore::{Choice, Offer, Refusal, Source, Stop, best, choose};
use crate::domain::size::Bytes;
use crate::domain::windows::Backup;
use crate::pgbackrest::repository::BackupEntry;
use crate::survey::Picture;

/// A repository, as it was found just now.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `repo1` to `repo4`.
    pub name: String,
    /// What the look at it came to.
    pub news: News,
}

impl Seen {
    /// The newest timeline of which there is WAL to restore from.
    pub fn newest_timeline(&self) -> Option<u32> {
        let picture = self.news.picture.as_deref()?;
        let backups = picture.recovery.backups.iter();
        backups
            .flat_map(|backup| &backup.reaches)
            .map(|reach| reach.timeline)
            .max()
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// For the status.
    pub preflight: Preflight,
    /// Whether it can be done, and if not, why.
    pub verdict: Result<(), Refused>,
    /// The target is a time that has passed, or a position behind them all, and all WAL up to the archive's end is there: what follows may bring it within reach.
    pub may_arrive: bool,
}

impl Assessment {
    /// Refuses what would have a new cluster write where its source does: names and places of their repositories, and of its own.
    pub fn must_be_apart(&mut self, theirs: &[(String, String)], own: &[(String, String)]) {
        let shared = own
            .iter()
            .find(|(_, place)| theirs.iter().any(|(_, other)| other == place));
        if let Some((name, place)) = shared {
            self.verdict = Err(Refused::new(
                Reason::SourceIsTarget,
                format!(
                    "{name} of the new cluster is {place}, which is a repository of what it is to begin from"
                ),
            ));
        }
    }

    /// Refuses the data of another major version of PostgreSQL.
    pub fn must_be_of_version(&mut self, seen: &[Seen], version: i32) {
        let wanted = version.to_string();
        let pictures = seen.iter().filter_map(|seen| seen.news.picture.as_deref());
        let mut others = pictures.filter(|picture| picture.database.version != wanted);
        if let (Some(other), Ok(())) = (others.next(), &self.verdict) {
            self.verdict = Err(Refused::new(
                Reason::InvalidSpecification,
                format!(
                    "The backups are of PostgreSQL {}, and spec.postgresVersion is {wanted}: begin with the version of the backups",
                    other.database.version
                ),
            ));
        }
    }

    /// Refuses what has no room beside the data that are there; `free` bytes are, as the primary has seen last.
    pub fn has_room_beside(&mut self, free: Option<u64>) {
        let Some(free) = free.and_then(|free| i64::try_from(free).ok()) else {
            return;
        };
        self.preflight.free_bytes = Some(free);
        let wanted = self.preflight.database_bytes.map(|bytes| bytes + WAL_BYTES);
        if let (true, Some(wanted)) = (self.verdict.is_ok(), wanted.filter(|wanted| *wanted > free)) {
            let readable = |bytes: i64| Bytes(bytes.unsigned_abs());
            self.verdict = Err(Refused::new(
                Reason::NoRoomForPrevious,
                format!(
                    "Beside the data that are there {} are needed, and {} are free",
                    readable(wanted),
                    readable(free)
                ),
            ));
        }
    }
}

/// Assesses a restore. `seen` are the repositories that it may be done from.
#[must_use]
pub fn assess(wanted: &Wanted, seen: &[Seen], now: DateTime<Utc>) -> Assessment {
    let answers: Vec<Answer<'_>> = seen.iter().map(|seen| answer(wanted, seen)).collect();
    let offers: Vec<Offer<'_>> = answers.iter().filter_map(|answer| answer.offer.clone()).collect();
    let mut preflight = Preflight {
        checked_at: Some(time::to_kubernetes(now)),
        target: Some(wanted.target.to_string()),
        newest_commit: newest(seen).map(time::to_kubernetes),
        repositories: answers.iter().map(Answer::told).collect(),
        ..Preflight::default()
    };
    let Some((name, why)) = best(&offers, &wanted.target) else {
        return Assessment {
            verdict: Err(refused(&answers)),
            may_arrive: may_arrive(wanted, &answers, seen, now),
            preflight,
        };
    };
    let chosen = answers.iter().find(|answer| answer.seen.name == name);
    if let Some((choice, entry)) = chosen.and_then(Answer::serves) {
        fill(&mut preflight, choice, entry);
        let stop = choice
            .by_position
            .map_or_else(|| wanted.target.stop.clone(), Stop::Lsn);
        preflight.stop_type = Some(stop.kind().to_owned());
        preflight.stop_target = stop.value();
    }
    preflight.repository = Some(name.to_owned());
    preflight.why = Some(match &wanted.repository {
        Some(_) => "it was asked for".to_owned(),
        None => why.to_string(),
    });
    Assessment {
        preflight,
        verdict: Ok(()),
        may_arrive: false,
    }
}

fn may_arrive(wanted: &Wanted, answers: &[Answer<'_>], seen: &[Seen], now: DateTime<Utc>) -> bool {
    let behind = match wanted.target.stop {
        Stop::Time(at) => at <= now && newest(seen).is_none_or(|newest| newest < at),
        // How far the database is by now is not asked: one that is not there yet is waited for like one that never will be.
        Stop::Lsn(_) => answers.iter().any(Answer::ends_before),
        _ => false,
    };
    let whole = |seen: &Seen| {
        let picture = seen.news.picture.as_deref();
        seen.news.trouble.is_none() && picture.is_some_and(|picture| picture.recovery.gaps.is_empty())
    };
    behind && seen.iter().any(whole)
}

/// What one repository has to say.
struct Answer<'a> {
    seen: &'a Seen,
    /// Nothing where it could not be read.
    offer: Option<Offer<'a>>,
}

fn answer<'a>(wanted: &Wanted, seen: &'a Seen) -> Answer<'a> {
    // What was seen before is not what is there now.
    let picture = seen
        .news
        .picture
        .as_deref()
        .filter(|_| seen.news.trouble.is_none());
    let offer = picture.map(|picture| {
        let found = found(wanted, picture);
        let bytes = found.as_ref().ok().and_then(|choice| entry(picture, choice));
        Offer {
            repository: &seen.name,
            bytes: bytes.map_or(0, |entry| entry.repository.size),
            found,
        }
    });
    Answer { seen, offer }
}

fn found(wanted: &Wanted, picture: &Picture) -> Result<Choice, Refusal> {
    let id = picture.database.id;
    let own = picture.backups.iter().filter(|entry| entry.database_id == id);
    let backups: Vec<Backup> = own.map(Backup::from).collect();
    let source = Source {
        database_id: id,
        recovery: &picture.recovery,
        backups: &backups,
        branches: picture.branches.get(&id).map_or(&[][..], Vec::as_slice),
    };
    choose(&source, &wanted.target, wanted.set.as_ref())
}

fn entry<'a>(picture: &'a Picture, choice: &Choice) -> Option<&'a BackupEntry> {
    picture.backups.iter().find(|entry| entry.label == choice.backup)
}

impl Answer<'_> {
    /// What serves the target, and the backup itself.
    fn serves(&self) -> Option<(&Choice, Option<&BackupEntry>)> {
        let choice = self.offer.as_ref()?.found.as_ref().ok()?;
        let picture = self.seen.news.picture.as_deref();
        Some((choice, picture.and_then(|picture| entry(picture, choice))))
    }

    /// What is archived ends before the position.
    fn ends_before(&self) -> bool {
        let found = self.offer.as_ref().map(|offer| &offer.found);
        matches!(found, Some(Err(Refusal::PositionUnreachable { .. })))
    }

    fn told(&self) -> RepositoryAnswer {
        let says = match self.serves() {
            Some((choice, _)) => format!("from {} along timeline {}", choice.backup, choice.timeline),
            None => self.refusal().what,
        };
        RepositoryAnswer {
            name: self.seen.name.clone(),
            serves: self.serves().is_some(),
            says,
        }
    }

    fn refusal(&self) -> Refused {
        let refusal = self.offer.as_ref().and_then(|offer| offer.found.as_ref().err());
        match (refusal, &self.seen.news.trouble) {
            (Some(refusal), _) => Refused::new(reason(refusal), refusal.to_string()),
            (None, Some(trouble)) => Refused::new(trouble.reason, trouble.message.clone()),
            (None, None) => Refused::new(Reason::StanzaMissing, "it holds no stanza yet"),
        }
    }
}

fn reason(refusal: &Refusal) -> Reason {
    match refusal.category() {
        "target-unreachable" => Reason::TargetUnreachable,
        "no-timeline" => Reason::TimelineUnclear,
        _ => Reason::NoBackupForTarget,
    }
}

/// Why none serves the target: what each says, and the word for what the first one says that could be read.
fn refused(answers: &[Answer<'_>]) -> Refused {
    let readable = answers.iter().find(|answer| answer.offer.is_some());
    let Some(first) = readable.or_else(|| answers.first()) else {
        return Refused::new(Reason::RepositoryUnknown, "The cluster has no repository");
    };
    let all: Vec<String> = answers
        .iter()
        .map(|answer| format!("{}: {}", answer.seen.name, answer.refusal().what))
        .collect();
    Refused::new(first.refusal().reason, all.join("; "))
}

/// The newest commit that is known of.
fn newest(seen: &[Seen]) -> Option<DateTime<Utc>> {
    let pictures = seen.iter().filter_map(|seen| seen.news.picture.as_deref());
    let windows = pictures.flat_map(|picture| &picture.recovery.windows);
    windows.filter_map(|window| window.to).max()
}

fn fill(preflight: &mut Preflight, choice: &Choice, entry: Option<&BackupEntry>) {
    let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    preflight.backup = Some(choice.backup.to_string());
    preflight.backup_completed = Some(time::to_kubernetes(choice.stopped));
    preflight.timeline = Some(i64::from(choice.timeline));
    preflight.certain = Some(choice.certain);
    preflight.passes_through = choice.passes_through.then_some(true);
    preflight.first_segment = choice.first_segment.map(|segment| segment.to_string());
    preflight.last_segment = Some(choice.last_segment.to_string());
    preflight.latest_position = choice.position.map(|position| position.to_string());
    preflight.latest_restorable_time = choice.latest.map(time::to_kubernetes);
    preflight.database_bytes = entry.map(|entry| number(entry.size));
    preflight.repository_bytes = entry
        .map(|entry| number(entry.repository.size))
        .filter(|bytes| *bytes > 0);
}

mod expected;
#[cfg(test)]
mod tests;
