//! When backups are taken by themselves, and what became of each time that came. The expressions are the compatible
//! operator's; everything beside them is additive.

use chrono::TimeDelta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::{self, DURATION_PATTERN};
use super::open_enum::open_enum;
use super::rules;

/// A name of the IANA time zone database.
pub(super) const ZONE_PATTERN: &str = "^[A-Za-z][A-Za-z0-9_+/-]{0,63}$";

/// Cron expressions, one for each backup type, and how they are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedules {
    /// When a full backup is taken: a cron expression of five fields, or `@daily` and its kin; UTC unless it
    /// starts with `CRON_TZ=Zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub full: Option<String>,
    /// When a differential backup is taken: all that changed since the last full one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub differential: Option<String>,
    /// When an incremental backup is taken: all that changed since the last backup of any type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub incremental: Option<String>,
    /// Time zone of the expressions, for example `Europe/Berlin`; UTC when absent. A time that the zone's clock leaves out
    /// is run right after the gap, one that comes twice is run once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = ZONE_PATTERN))]
    pub time_zone: Option<String>,
    /// No backups for now: the times that come are skipped, and are not caught up later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// A backup that could not begin within so many seconds after its time is not taken any more. Unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub starting_deadline_seconds: Option<i64>,
    /// Each backup begins up to so many seconds after its time, always the same number for the same backup, so that many
    /// clusters with one schedule do not begin at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub jitter_seconds: Option<i64>,
    /// What is done about times that came while no backup could be taken: `Once`, the last of them is taken when it can
    /// be, or `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
}

/// What is done about times that came while no backup could be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CatchUp {
    /// The last of them is taken when it can be.
    #[default]
    Once,
    /// None is.
    Skip,
}

/// A time that comes again and again in which no scheduled backup begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blackout {
    /// When it begins: a cron expression of five fields.
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub schedule: String,
    /// How long it lasts, for example `90m` or `8h`.
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub duration: String,
    /// Time zone of the expression; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = ZONE_PATTERN))]
    pub time_zone: Option<String>,
}

impl Blackout {
    /// How long it lasts; `None` for what the schema does not let through.
    #[must_use]
    pub fn lasts(&self) -> Option<TimeDelta> {
        duration::parse(&self.duration)
    }
}

open_enum! {
    /// What became of a scheduled backup.
    pub enum RunResult {
        /// It waits or runs.
        #[default]
        Unfinished = "Unfinished",
        /// It is in the repository.
        Succeeded = "Succeeded",
        /// It ended without success.
        Failed = "Failed",
        /// Somebody deleted it.
        Deleted = "Deleted",
    }
}

/// What became of one schedule's times. `due` is the sum of `started`, `missed` and `skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// `repo1` to `repo4`.
    pub repo: String,
    /// `full`, `differential` or `incremental`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The expression that this is about, with its time zone before it where it has one.
    pub schedule: String,
    /// Times behind this one are counted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The last time that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due: Option<Time>,
    /// The next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Time>,
    /// Times that came.
    #[serde(default)]
    pub due: i64,
    /// Times that made a backup.
    #[serde(default)]
    pub started: i64,
    /// Times that made none because nobody was there to see them, or because it was too late.
    #[serde(default)]
    pub missed: i64,
    /// Times that made none for a reason that was there.
    #[serde(default)]
    pub skipped: i64,
    /// A skipped time that is caught up as soon as it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Time>,
    /// The last time that made no backup, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_omitted: Option<OmittedRun>,
    /// The last backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<ScheduledRun>,
    /// When the last one that succeeded ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
}

/// A time that made no backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OmittedRun {
    /// When it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Why, a word of the documented list.
    pub reason: String,
}

/// A backup of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledRun {
    /// Name of the `PerconaPGBackup`.
    pub name: String,
    /// When it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// What became of it.
    #[serde(default)]
    pub result: RunResult,
}

impl ScheduleStatus {
    /// Whether this is of that schedule.
    #[must_use]
    pub fn is_of(&self, repo: &str, kind: &str) -> bool {
        self.repo == repo && self.kind == kind
    }
}
