//! Validation: from the specification to schedules that can be asked what is due. What cannot be understood is named, and
//! holds up nothing else.

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::PerconaPGClusterSpec;
use crate::api::schedules;
use crate::domain::schedule::{Blackout, CatchUp, Schedule, Terms};
use crate::policy::{self, Scheduled};

/// One schedule of one repository.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `repo1` to `repo4`.
    pub repo: String,
    /// What, and when.
    pub scheduled: Scheduled,
    /// The user's terms.
    pub terms: Terms,
    /// No runs for now.
    pub suspended: bool,
    /// WAL is kept from the repository, so a backup into it could not be made consistent.
    pub archiving_suspended: bool,
}

/// Everything that a cluster says about when.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Those that can be understood.
    pub entries: Vec<Entry>,
    /// When none begins.
    pub blackouts: Vec<Blackout>,
    /// What cannot be understood, each in a sentence.
    pub problems: Vec<String>,
}

/// Reads the specification. The clock is for the question whether a schedule ever comes.
#[must_use]
pub fn of(spec: &PerconaPGClusterSpec, now: DateTime<Utc>) -> Plan {
    let mut plan = Plan::default();
    for repository in spec.backups.repositories() {
        let meant = repository.schedules.clone().unwrap_or_default();
        for scheduled in policy::schedules(repository, now) {
            match scheduled {
                Ok(scheduled) => plan.entries.push(Entry {
                    repo: repository.name.clone(),
                    scheduled,
                    terms: terms(&meant),
                    suspended: meant.suspend.unwrap_or(false),
                    archiving_suspended: repository.is_suspended(),
                }),
                Err(error) => plan.problems.push(error.to_string()),
            }
        }
    }
    for blackout in &spec.backups.blackouts {
        match understood(blackout, now) {
            Ok(blackout) => plan.blackouts.push(blackout),
            Err(problem) => plan.problems.push(format!("backups.blackouts: {problem}")),
        }
    }
    plan
}

fn understood(blackout: &schedules::Blackout, now: DateTime<Utc>) -> Result<Blackout, String> {
    let zone = blackout.time_zone.as_deref();
    let begins = Schedule::parse(&blackout.schedule, zone, now).map_err(|error| error.to_string())?;
    let lasts = blackout
        .lasts()
        .ok_or_else(|| format!("'{}' is no duration: write for example 90m", blackout.duration))?;
    Ok(Blackout { begins, lasts })
}

fn terms(schedules: &schedules::Schedules) -> Terms {
    let seconds = |number: i64| TimeDelta::try_seconds(number.max(0)).unwrap_or(TimeDelta::MAX);
    Terms {
        deadline: schedules.starting_deadline_seconds.map(seconds),
        catch_up: match schedules.catch_up.unwrap_or_default() {
            schedules::CatchUp::Once => CatchUp::Once,
            schedules::CatchUp::Skip => CatchUp::Skip,
        },
        jitter: schedules.jitter_seconds.map(seconds).unwrap_or_default(),
    }
}
