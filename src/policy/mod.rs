//! What a cluster's specification says of schedules and retention, in the words of `domain`.
//!
//! One translation for all who ask: the command line now, controllers that act on it. Nothing here acts.

mod explain;
mod retention;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub use explain::{ExplainedRepository, ExplainedSchedule, Explanation, explain, in_words};
pub use retention::retention;

use crate::api::repository::Repository;
use crate::domain::label::BackupType;
use crate::domain::retention::{Planned, Policy};
use crate::domain::schedule::{Schedule, ScheduleError};

/// A repository's schedules with the expressions that they come from, and what it keeps.
#[derive(Debug, Clone)]
pub struct RepositoryPolicy {
    /// With the user's expression.
    pub planned: Vec<(String, Planned)>,
    /// What is kept.
    pub retention: Policy,
}

/// What cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A schedule.
    #[error("{repo}, schedules.{field}: {source}")]
    Schedule {
        /// `repo1` to `repo4`.
        repo: String,
        /// `full`, `differential` or `incremental`.
        field: &'static str,
        /// Why.
        source: ScheduleError,
    },
    /// An option of retention.
    #[error("option '{option}' is '{value}', which is no {expected}")]
    Retention {
        /// The option.
        option: String,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl PolicyError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Schedule { .. } => "invalid-schedule",
            Self::Retention { .. } => "invalid-retention",
        }
    }
}

/// One schedule of a repository.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Its field: `full`, `differential` or `incremental`.
    pub field: &'static str,
    /// What is taken.
    pub kind: BackupType,
    /// As the user wrote it.
    pub expression: String,
    /// Its time zone, where it has a field of its own.
    pub zone: Option<String>,
    /// When.
    pub schedule: Schedule,
}

impl Scheduled {
    /// The whole schedule in one text: another one is another schedule.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.zone {
            Some(zone) if !self.expression.contains("TZ=") => format!("CRON_TZ={zone} {}", self.expression),
            _ => self.expression.clone(),
        }
    }
}

const FIELDS: [(&str, BackupType); 3] = [
    ("full", BackupType::Full),
    ("differential", BackupType::Differential),
    ("incremental", BackupType::Incremental),
];

/// The type of backup that a field of `schedules` is for.
#[must_use]
pub fn backup_type(field: &str) -> Option<BackupType> {
    let found = FIELDS.iter().find(|(name, _)| *name == field);
    found.map(|(_, kind)| *kind)
}

/// The schedules of one repository, in the order of their fields.
pub fn schedules(
    repository: &Repository,
    now: DateTime<Utc>,
) -> impl Iterator<Item = Result<Scheduled, PolicyError>> {
    let schedules = repository.schedules.clone().unwrap_or_default();
    let zone = schedules.time_zone;
    let expressions = [schedules.full, schedules.differential, schedules.incremental];
    FIELDS
        .into_iter()
        .zip(expressions)
        .filter_map(|(field, expression)| Some((field, expression?)))
        .map(move |((field, kind), expression)| {
            let schedule = Schedule::parse(&expression, zone.as_deref(), now).map_err(|source| {
                PolicyError::Schedule {
                    repo: repository.name.clone(),
                    field,
                    source,
                }
            })?;
            Ok(Scheduled {
                field,
                kind,
                expression,
                zone: zone.clone(),
                schedule,
            })
        })
}

/// Of one repository. `global`: pgBackRest's options of the cluster.
pub fn of_repository(
    repository: &Repository,
    global: &BTreeMap<String, String>,
    now: DateTime<Utc>,
) -> Result<RepositoryPolicy, PolicyError> {
    let planned = schedules(repository, now).map(|scheduled| {
        let scheduled = scheduled?;
        let planned = Planned {
            kind: scheduled.kind,
            schedule: scheduled.schedule.clone(),
        };
        Ok((scheduled.shown(), planned))
    });
    Ok(RepositoryPolicy {
        planned: planned.collect::<Result<_, _>>()?,
        retention: retention(&repository.name, |option| global.get(option).map(String::as_str))?.0,
    })
}
