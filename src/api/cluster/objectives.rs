//! What the user accepts to lose, and how long.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::duration::{self, DURATION_PATTERN};

/// Objectives of backups. Additive: not in the compatible operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Objectives {
    /// How far the latest restorable time may be behind a database that is written to, for example `90s`, `5m` or `1h`.
    /// The condition `RecoveryPointObjectiveMet` says whether it is kept. PostgreSQL's `archive_timeout` must be below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION_PATTERN))]
    pub recovery_point: Option<String>,
}

impl Objectives {
    /// The recovery point objective; `None` when there is none, or when it is no duration that the schema lets through.
    #[must_use]
    pub fn recovery_point(&self) -> Option<TimeDelta> {
        duration::parse(self.recovery_point.as_deref()?)
    }
}
