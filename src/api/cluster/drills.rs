//! Rehearsals: restores into a throw-away place that prove that a repository can be restored, and how long it takes.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::repository::NAME_PATTERN;
use crate::api::rules;
use crate::api::schedules::ZONE_PATTERN;

/// One rehearsal. Without a schedule it is done when a `PerconaPGRestore` with its name in `spec.drill` asks for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drill {
    /// Its name.
    #[schemars(length(min = 1, max = 20), regex(pattern = "^[a-z]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// When it is done: a cron expression of five fields, or `@daily` and its kin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub schedule: Option<String>,
    /// Time zone of the expression; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = ZONE_PATTERN))]
    pub time_zone: Option<String>,
    /// Not done by itself for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Which repository, `repo1` to `repo4`; without it the one that serves the target best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub repo_name: Option<String>,
    /// To when it is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<DrillTarget>,
    /// What is checked of the restored database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<DrillChecks>,
    /// Requests and limits; those of the instances when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Storage class of the throw-away volume; that of the instances' when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// Size of the throw-away volume; that of the instances' when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Quantity>,
    /// Seconds within which it has to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub deadline_seconds: Option<i64>,
}

/// To when a rehearsal restores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrillTarget {
    /// The latest that can be reached.
    #[default]
    Latest,
    /// A time at random among all that can be reached.
    Random,
}

/// What is checked of a restored database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillChecks {
    /// `pg_amcheck`: tables and their indexes. On when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amcheck: Option<bool>,
    /// `pg_checksums`: every page. On when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<bool>,
    /// Statements of the user's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub sql: Vec<SqlCheck>,
}

/// A statement, and what it has to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SqlCheck {
    /// Its name in results.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Database; `postgres` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// The statement.
    #[schemars(length(min = 1, max = 4096))]
    pub statement: String,
    /// The first value of its first row, as text. Without it the statement only must not fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// `checksums`, `amcheck`, or the name of a statement.
    pub name: String,
    /// It is as it should be.
    pub passed: bool,
    /// What was found.
    pub message: String,
    /// What it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
}

/// What is known of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillStatus {
    /// Its name.
    pub name: String,
    /// When it is done next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// The last time that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due: Option<Time>,
    /// The last one that ended: its `PerconaPGRestore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ended: Option<Time>,
    /// `Proven`, or the reason why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
    /// When one was proven last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_proven: Option<Time>,
    /// The backup that was used by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// What was wanted: the measured recovery point is what `reached` lies before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The last commit that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Time>,
    /// What copying took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_seconds: Option<i64>,
    /// What the replay of WAL took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<i64>,
    /// From its creation to a database that takes connections: the measured recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_seconds: Option<i64>,
}
