//! Kubernetes times (jiff) to and from chrono, the one time type used everywhere else.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// A Kubernetes time as chrono has it.
///
/// Both count from the Unix epoch; jiff's range lies inside chrono's, so nothing is lost.
#[must_use]
pub fn from_kubernetes(time: &Time) -> DateTime<Utc> {
    from_jiff(time.0)
}

/// A Kubernetes time with microseconds (Leases, Events) as chrono has it.
#[must_use]
pub fn from_kubernetes_micro(time: &MicroTime) -> DateTime<Utc> {
    from_jiff(time.0)
}

/// A chrono time for a Kubernetes object, which keeps whole seconds.
#[must_use]
pub fn to_kubernetes(time: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A chrono time for a Lease or an Event, which keep microseconds.
#[must_use]
pub fn to_kubernetes_micro(time: DateTime<Utc>) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(time.timestamp_micros()).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn from_jiff(time: Timestamp) -> DateTime<Utc> {
    let nanoseconds = u32::try_from(time.subsec_nanosecond().max(0)).unwrap_or(0);
    // jiff's nanoseconds carry the sign of the whole; a negative part counts back from the second.
    let base = DateTime::from_timestamp(time.as_second(), nanoseconds).unwrap_or_default();
    base - chrono::Duration::nanoseconds(i64::from((-time.subsec_nanosecond()).max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_way_to_kubernetes_and_back() {
        for text in [
            "2026-02-28T23:59:59Z",
            "1969-12-31T23:59:58Z",
            "1970-01-01T00:00:00Z",
        ] {
            let time: DateTime<Utc> = text.parse().unwrap();
            assert_eq!(from_kubernetes(&to_kubernetes(time)), time);
        }
    }

    #[test]
    fn microseconds_survive_in_leases_even_before_the_epoch() {
        for text in ["2026-02-28T23:59:59.123456Z", "1969-12-31T23:59:58.250000Z"] {
            let time: DateTime<Utc> = text.parse().unwrap();
            assert_eq!(from_kubernetes_micro(&to_kubernetes_micro(time)), time);
        }
    }

    #[test]
    fn the_wire_form_is_rfc_3339_in_whole_seconds() {
        let time: DateTime<Utc> = "2026-02-28T23:59:59.9Z".parse().unwrap();
        assert_eq!(
            serde_json::to_value(to_kubernetes(time)).unwrap(),
            "2026-02-28T23:59:59Z"
        );
    }
}
