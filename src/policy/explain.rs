//! `holdfast schedule explain`: what a specification's schedules and retention come to.

use std::fmt::Write as _;

use chrono::{DateTime, Days, Utc};
use serde::Serialize;

use super::{PolicyError, of_repository};
use crate::api::PerconaPGClusterSpec;
use crate::domain::label::BackupType;
use crate::domain::retention::{FullRetention, Planned, Policy, simulate};

/// Of a whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The moment that the forecast is for.
    pub on: String,
    /// One for each repository.
    pub repos: Vec<ExplainedRepository>,
}

/// Of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedRepository {
    /// `repo1` to `repo4`.
    pub name: String,
    /// In the order full, differential, incremental.
    pub schedules: Vec<ExplainedSchedule>,
    /// What is kept, in words.
    pub retention: String,
    /// Backups that there will be then, by type.
    pub full: usize,
    /// Differential ones.
    pub differential: usize,
    /// Incremental ones.
    pub incremental: usize,
    /// Backups that will have been taken until then.
    pub taken: usize,
    /// How far back one can go then; absent while there is no backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaches_back_to: Option<String>,
}

/// Of one schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedSchedule {
    /// pgBackRest's word.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As the user wrote it.
    pub expression: String,
    /// The next runs.
    pub next: Vec<String>,
}

/// Explains. Backups that exist already are left out: it is the policy that is looked at.
pub fn explain(
    spec: &PerconaPGClusterSpec,
    now: DateTime<Utc>,
    days: u32,
    runs: usize,
) -> Result<Explanation, PolicyError> {
    let until = now.checked_add_days(Days::new(days.into())).unwrap_or(now);
    let pgbackrest = spec.backups.pgbackrest.clone().unwrap_or_default();
    let mut repos = Vec::new();
    for repository in spec.backups.repositories() {
        let policy = of_repository(repository, &pgbackrest.global, now)?;
        let plan: Vec<Planned> = policy
            .planned
            .iter()
            .map(|(_, planned)| planned.clone())
            .collect();
        let kept = simulate(&plan, &policy.retention, now, until);
        let count = |kind: BackupType| kept.backups.iter().filter(|backup| backup.kind == kind).count();
        repos.push(ExplainedRepository {
            name: repository.name.clone(),
            schedules: policy
                .planned
                .iter()
                .map(|(expression, planned)| ExplainedSchedule {
                    kind: planned.kind.as_str(),
                    expression: expression.clone(),
                    next: next(planned, now, runs),
                })
                .collect(),
            retention: in_words(policy.retention),
            full: count(BackupType::Full),
            differential: count(BackupType::Differential),
            incremental: count(BackupType::Incremental),
            taken: kept.taken,
            reaches_back_to: kept.reaches_back_to.map(written),
        });
    }
    Ok(Explanation {
        on: written(until),
        repos,
    })
}

fn next(planned: &Planned, now: DateTime<Utc>, runs: usize) -> Vec<String> {
    let first = planned.schedule.next_after(now);
    std::iter::successors(first, |time| planned.schedule.next_after(*time))
        .take(runs)
        .map(written)
        .collect()
}

fn written(time: DateTime<Utc>) -> String {
    time.format("%a %Y-%m-%d %H:%M UTC").to_string()
}

/// What is kept, in words.
#[must_use]
pub fn in_words(policy: Policy) -> String {
    let full = match policy.full {
        None => "every full backup, for ever: set repoN-retention-full, or the store fills up".to_owned(),
        Some(FullRetention::Count(1)) => "the newest full backup".to_owned(),
        Some(FullRetention::Count(count)) => format!("the {count} newest full backups"),
        Some(FullRetention::Days(days)) => {
            format!("full backups of {days} days, and the one before them")
        }
    };
    match policy.differential {
        None => full,
        Some(count) => {
            format!("{full}; differential ones among the {count} newest that are full or differential")
        }
    }
}

impl Explanation {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for repo in &self.repos {
            let _ = writeln!(text, "{}", repo.name);
            if repo.schedules.is_empty() {
                let _ = writeln!(
                    text,
                    "  no schedules: backups are taken when a PerconaPGBackup is created"
                );
            }
            for schedule in &repo.schedules {
                let (kind, expression) = (schedule.kind, &schedule.expression);
                let _ = writeln!(text, "  {kind:<5} {expression:<20} {}", schedule.next.join(", "));
            }
            let _ = writeln!(text, "  keeps {}", repo.retention);
            if let Some(back) = &repo.reaches_back_to {
                let _ = writeln!(
                    text,
                    "  on {}: {} full, {} diff, {} incr of {} taken; restorable back to {back}",
                    self.on, repo.full, repo.differential, repo.incremental, repo.taken
                );
            }
        }
        text
    }
}
