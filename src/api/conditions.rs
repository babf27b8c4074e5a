//! Conditions: one way to write them, so that transition times stay true.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::time;

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets the condition of that type, in place or at the end.
///
/// `lastTransitionTime` moves only when `status` changes. `observed_generation` is the generation of the object
/// from which this was concluded. `reason` must be a CamelCase word: the API server refuses others.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: Status,
    reason: &str,
    message: &str,
    observed_generation: Option<i64>,
    now: DateTime<Utc>,
) {
    let kept = find(conditions, type_)
        .filter(|condition| condition.status == status.as_str())
        .map(|condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: shortened(message),
        observed_generation,
        last_transition_time: kept.unwrap_or_else(|| time::to_kubernetes(now)),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        Some(place) => *place = condition,
        None => conditions.push(condition),
    }
}

/// Removes the condition of that type, if it is there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

/// The condition of that type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of that type is there and `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == Status::True.as_str())
}

/// The API server refuses a message of more than 32768 characters, and with it the whole status.
fn shortened(message: &str) -> String {
    const LIMIT: usize = 32_768;
    if message.chars().count() <= LIMIT {
        return message.to_owned();
    }
    message.chars().take(LIMIT - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "Ready",
            Status::False,
            "Waiting",
            "one",
            Some(1),
            at(10),
        );
        set(
            &mut conditions,
            "Ready",
            Status::False,
            "Waiting",
            "two",
            Some(2),
            at(20),
        );
        let ready = find(&conditions, "Ready").unwrap();
        assert_eq!(
            (ready.last_transition_time.clone(), ready.message.as_str()),
            (time::to_kubernetes(at(10)), "two")
        );
        assert_eq!(ready.observed_generation, Some(2));

        set(
            &mut conditions,
            "Ready",
            Status::True,
            "Done",
            "",
            Some(2),
            at(30),
        );
        assert_eq!(
            find(&conditions, "Ready").unwrap().last_transition_time,
            time::to_kubernetes(at(30))
        );
        assert!(is_true(&conditions, "Ready"));
    }

    #[test]
    fn other_conditions_and_their_order_are_left_alone() {
        let mut conditions = Vec::new();
        set(&mut conditions, "A", Status::True, "Yes", "", None, at(1));
        set(&mut conditions, "B", Status::True, "Yes", "", None, at(2));
        set(&mut conditions, "A", Status::Unknown, "Who", "", None, at(3));
        assert_eq!(
            conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["A", "B"]
        );
        remove(&mut conditions, "A");
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_message_that_the_server_would_refuse_is_cut() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "A",
            Status::True,
            "Yes",
            &"ä".repeat(40_000),
            None,
            at(1),
        );
        let message = &find(&conditions, "A").unwrap().message;
        assert_eq!(message.chars().count(), 32_768);
        assert!(message.ends_with('…'));
    }
}
