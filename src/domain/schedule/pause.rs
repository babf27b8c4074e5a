//! How long it is between two times of a schedule at most.

use chrono::{DateTime, TimeDelta, Utc};

use super::cron::Schedule;

/// A pause that is shorter than this may be overlooked beside the times of a day.
const STEP: TimeDelta = TimeDelta::hours(6);
/// Pauses that are looked at: those of five weeks where times come often.
const MOST: usize = 140;
/// A schedule that comes seldom has shown its pauses in this time.
const HORIZON: TimeDelta = TimeDelta::days(400);

impl Schedule {
    /// The longest pause in the weeks or months from a moment on, exact where it is longer than six hours.
    #[must_use]
    pub fn longest_pause(&self, from: DateTime<Utc>) -> Option<TimeDelta> {
        let mut longest = None;
        let mut moment = from;
        for _ in 0..MOST {
            let Some(next) = self.next_after(moment) else {
                break;
            };
            let Some(last) = self.last_until(moment) else {
                break;
            };
            longest = longest.max(Some(next - last));
            moment = next.max(moment + STEP);
            if moment > from + HORIZON {
                break;
            }
        }
        longest
    }
}
