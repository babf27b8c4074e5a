//! What the user accepts to lose, and how long.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of seconds, minutes or hours, without a sum of several.
const DURATION_PATTERN: &str = "^[1-9][0-9]{0,5}(s|m|h)$";

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
        duration(self.recovery_point.as_deref()?)
    }
}

fn duration(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_minutes_and_hours_are_understood_and_nothing_else() {
        assert_eq!(duration("90s"), Some(TimeDelta::seconds(90)));
        assert_eq!(duration("5m"), Some(TimeDelta::minutes(5)));
        assert_eq!(duration("1h"), Some(TimeDelta::hours(1)));
        for other in ["", "5", "m", "1d", "-"] {
            assert_eq!(duration(other), None, "{other}");
        }
    }
}
