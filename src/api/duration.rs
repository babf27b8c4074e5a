//! Durations as users write them here: `90s`, `5m`, `1h`.

use chrono::TimeDelta;

/// A number of seconds, minutes or hours, without a sum of several.
pub const DURATION_PATTERN: &str = "^[1-9][0-9]{0,5}(s|m|h)$";

/// Reads one; `None` for what the pattern does not let through.
#[must_use]
pub fn parse(text: &str) -> Option<TimeDelta> {
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
        assert_eq!(parse("90s"), Some(TimeDelta::seconds(90)));
        assert_eq!(parse("5m"), Some(TimeDelta::minutes(5)));
        assert_eq!(parse("1h"), Some(TimeDelta::hours(1)));
        for other in ["", "5", "m", "1d", "-"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
