//! Which of the times that have come are run, and which are only accounted for.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};
use sha2::{Digest as _, Sha256};

use super::cron::Schedule;

/// A run that begins within this time is not late: reconciles take turns.
const PROMPT: TimeDelta = TimeDelta::minutes(1);
/// Due times that are counted one by one; a schedule of every minute makes half a million in a year.
const MOST_COUNTED: u64 = 10_000;

/// What is done about a time that came while nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// The last one is run, once.
    #[default]
    Once,
    /// None is: the next time will do.
    Skip,
}

/// What the user says beside the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// A run that is later than this is not begun any more.
    pub deadline: Option<TimeDelta>,
    /// For times that were missed.
    pub catch_up: CatchUp,
    /// A run may be put off by this much on purpose, which makes it no later.
    pub jitter: TimeDelta,
}

/// What the times since the last account come to. Every one of them is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// The time that is to be run now.
    pub run: Option<DateTime<Utc>>,
    /// Times that came and are not run, bounded.
    pub missed: u64,
    /// The last of those.
    pub last_missed: Option<DateTime<Utc>>,
    /// The last time that came at all: the next account begins behind it.
    pub accounted: Option<DateTime<Utc>>,
    /// The next time.
    pub next: Option<DateTime<Utc>>,
}

/// Accounts for every due time behind `since` and up to `now`. A clock that was set back accounts for nothing twice.
#[must_use]
pub fn account(schedule: &Schedule, since: DateTime<Utc>, now: DateTime<Utc>, terms: Terms) -> Account {
    let mut times = schedule.after(since);
    let mut next = times.next();
    let (mut last, mut earlier, mut before_last) = (None, 0, None);
    while let Some(due) = next.filter(|due| *due <= now) {
        if earlier == MOST_COUNTED {
            last = schedule.last_until(now);
            next = schedule.next_after(now);
            break;
        }
        earlier += u64::from(last.is_some());
        before_last = last;
        last = Some(due);
        next = times.next();
    }
    let Some(last) = last else {
        return Account {
            next,
            ..Account::default()
        };
    };
    let late = || now - last - terms.jitter;
    let in_time = terms.deadline.is_none_or(|deadline| late() <= deadline);
    let wanted = terms.catch_up == CatchUp::Once || late() <= PROMPT;
    let runs = in_time && wanted;
    Account {
        run: runs.then_some(last),
        missed: earlier + u64::from(!runs),
        last_missed: if runs { before_last } else { Some(last) },
        accounted: Some(last),
        next,
    }
}

/// The name of a run, from which follows that there is one at most.
#[must_use]
pub fn run_name(cluster: &str, repo: &str, kind: &str, due: DateTime<Utc>) -> String {
    let due = due.naive_utc();
    let year = due.year().unsigned_abs();
    let mut name = String::with_capacity(cluster.len() + repo.len() + kind.len() + 15);
    for part in [cluster, repo, kind] {
        name.push_str(part);
        name.push('-');
    }
    // A format costs more than all that decides about the run.
    for pair in [
        year / 100,
        year % 100,
        due.month(),
        due.day(),
        due.hour(),
        due.minute(),
    ] {
        name.extend(
            [pair / 10, pair % 10]
                .iter()
                .filter_map(|digit| char::from_digit(*digit, 10)),
        );
    }
    name
}

/// How long after its due time a run begins, so that a thousand clusters do not begin at once: the same for the same run,
/// whoever asks.
#[must_use]
pub fn delay(run: &str, uid: &str, jitter: TimeDelta) -> TimeDelta {
    let Ok(bound) = u64::try_from(jitter.num_milliseconds()) else {
        return TimeDelta::zero();
    };
    let mut digest = Sha256::new();
    for part in [uid, "/", run] {
        digest.update(part);
    }
    let digest = digest.finalize();
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let milliseconds = number.checked_rem(bound).unwrap_or(0);
    TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(0))
}
