//! The account of one schedule from one look to the next: which time is run now, and what became of every other.
//!
//! Invariant: `due == started + missed + skipped`. A time that comes while nothing can be run is counted as skipped at once
//! and stays owed; it moves to `started` when it is run after all, at most once, and never after a later one. A clock that is
//! set back by more than replicas' clocks differ begins a new account: what is due again is due, and that a run exists at most
//! once is a matter of its name.

use chrono::{DateTime, TimeDelta, Utc};

use super::cron::Schedule;
use super::due::{CatchUp, Terms, account};

/// Clocks of two replicas may differ by this much.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// Why a time was not run; `H` is what the caller has to say about what holds runs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause<H> {
    /// Nobody looked while it was due, and a later one was run, or catching up is off.
    Unattended,
    /// It could not begin within its deadline.
    TooLate,
    /// The run before it has not ended.
    StillRunning,
    /// The user wants no runs for now.
    Suspended,
    /// Something holds all runs up.
    Held(H),
}

/// A time that was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omitted<H> {
    /// When it was due.
    pub due: DateTime<Utc>,
    /// Why.
    pub cause: Cause<H>,
}

/// What is remembered of one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// Times behind this one are counted.
    pub since: DateTime<Utc>,
    /// The last time in the counts.
    pub accounted: Option<DateTime<Utc>>,
    /// Times that came.
    pub due: u64,
    /// Of those: runs.
    pub started: u64,
    /// Of those: not run, and nobody was there to see it, or too late.
    pub missed: u64,
    /// Of those: not run for a reason that was there at the time.
    pub skipped: u64,
    /// The time that was skipped last, if it is still to be run.
    pub owed: Option<DateTime<Utc>>,
}

/// What is so now.
#[derive(Debug, Clone, Copy)]
pub struct Facts<H> {
    /// The clock.
    pub now: DateTime<Utc>,
    /// The user's terms.
    pub terms: Terms,
    /// The user wants no runs for now.
    pub suspended: bool,
    /// A run of this schedule has not ended.
    pub running: bool,
    /// What holds all runs up.
    pub held: Option<H>,
}

/// What comes of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look<H> {
    /// What is to be remembered.
    pub ledger: Ledger,
    /// To be run now, under the name of that time.
    pub run: Option<DateTime<Utc>>,
    /// Times that this look counted as missed or skipped: how many, and the last of them.
    pub omitted: Option<(u64, Omitted<H>)>,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
    /// The next time.
    pub next: Option<DateTime<Utc>>,
    /// The clock was set back, and the account begins anew.
    pub set_back: bool,
}

impl Ledger {
    /// An account that begins at a moment.
    #[must_use]
    pub const fn new(since: DateTime<Utc>) -> Self {
        Self {
            since,
            accounted: None,
            due: 0,
            started: 0,
            missed: 0,
            skipped: 0,
            owed: None,
        }
    }

    fn until(&self) -> DateTime<Utc> {
        self.accounted.unwrap_or(self.since).max(self.since)
    }

    /// Looks at the clock. `delay`: how long after its time a run begins.
    #[must_use]
    pub fn look<H: Copy>(
        mut self,
        schedule: &Schedule,
        facts: &Facts<H>,
        delay: &dyn Fn(DateTime<Utc>) -> TimeDelta,
    ) -> Look<H> {
        let now = facts.now;
        let mut since = self.until();
        let set_back = since > now + CLOCKS_DIFFER;
        if set_back {
            since = now;
            self = Self::new(now);
        }
        let account = account(schedule, since, now, facts.terms);
        let mut look = Look {
            ledger: self,
            run: None,
            omitted: None,
            wake: account.next,
            next: account.next,
            set_back,
        };
        let Some(last) = account.accounted else {
            look.settle_debt(facts);
            return look;
        };
        let free = !facts.suspended && !facts.running && facts.held.is_none();
        if let Some(run) = account.run.filter(|_| free) {
            let begins = run + bounded(delay(run), run, account.next);
            if begins > now {
                look.wake = Some(begins);
                return look;
            }
        }
        look.count(last, account.missed, account.run, facts);
        look
    }
}

/// A run begins before the next one is due.
fn bounded(delay: TimeDelta, run: DateTime<Utc>, next: Option<DateTime<Utc>>) -> TimeDelta {
    next.map_or(delay, |next| delay.min((next - run) / 2))
}

impl<H: Copy> Look<H> {
    fn count(&mut self, last: DateTime<Utc>, missed: u64, run: Option<DateTime<Utc>>, facts: &Facts<H>) {
        let ledger = &mut self.ledger;
        let all = missed + u64::from(run.is_some());
        ledger.accounted = Some(last);
        ledger.due += all;
        // Whatever was owed, a later time takes its place.
        ledger.owed = None;
        let cause = match (facts.suspended, run) {
            (true, _) => Some(Cause::Suspended),
            (false, None) if facts.terms.catch_up == CatchUp::Skip => Some(Cause::Unattended),
            (false, None) => Some(Cause::TooLate),
            (false, Some(_)) if facts.running => Some(Cause::StillRunning),
            (false, Some(_)) => facts.held.map(Cause::Held),
        };
        let Some(cause) = cause else {
            ledger.started += 1;
            ledger.missed += missed;
            self.run = run;
            if missed > 0 {
                // Which one was the last of them is of no use to anybody: the one behind it is run.
                let cause = Cause::Unattended;
                self.omitted = Some((missed, Omitted { due: last, cause }));
            }
            return;
        };
        self.omitted = Some((all, Omitted { due: last, cause }));
        match cause {
            Cause::Suspended => ledger.skipped += all,
            Cause::Unattended | Cause::TooLate => ledger.missed += all,
            Cause::StillRunning => {
                ledger.skipped += 1;
                ledger.missed += missed;
            }
            Cause::Held(_) => {
                ledger.skipped += 1;
                ledger.missed += missed;
                ledger.owed = run.filter(|_| facts.terms.catch_up == CatchUp::Once);
            }
        }
    }

    /// Runs what is owed, once nothing is in its way.
    fn settle_debt(&mut self, facts: &Facts<H>) {
        let Some(owed) = self.ledger.owed else { return };
        let too_late = facts
            .terms
            .deadline
            .is_some_and(|deadline| facts.now - owed > deadline);
        if too_late || facts.suspended || facts.terms.catch_up == CatchUp::Skip {
            self.ledger.owed = None;
        } else if !facts.running && facts.held.is_none() {
            self.ledger.owed = None;
            self.ledger.skipped = self.ledger.skipped.saturating_sub(1);
            self.ledger.started += 1;
            self.run = Some(owed);
        }
    }
}

#[cfg(test)]
mod tests;
