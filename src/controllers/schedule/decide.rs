//! What is due now, and what the accounts say then. Pure: the resource, the runs that exist and the clock decide.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use super::plan::{Entry, Plan};
use super::runs;
use crate::api::conditions;
use crate::api::schedules::{OmittedRun, RunResult, ScheduleStatus, ScheduledRun};
use crate::api::{ConditionType, PerconaPGBackup, PerconaPGCluster, Reason, time};
use crate::domain::schedule::{Cause, Facts, Ledger, Look, blackout, delay, run_name};

/// A run that the API server refuses is tried again after this time.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// What a look at one schedule comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The account, to be written after the run exists.
    pub status: ScheduleStatus,
    /// The run to make: when it was due, and its name.
    pub run: Option<(DateTime<Utc>, String)>,
    /// What was omitted since the last look: how many times, and why.
    pub omitted: Option<(u64, Reason)>,
    /// The clock was set back.
    pub set_back: bool,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
    /// What the API server says against the run.
    pub refused: Option<String>,
}

impl Decision {
    /// The run cannot be made: the account stays as it was, and it is tried again.
    #[must_use]
    pub fn refused(self, cluster: &PerconaPGCluster, error: String, now: DateTime<Utc>) -> Self {
        let known = cluster.status.clone().unwrap_or_default().schedules;
        let (repo, kind) = (&self.status.repo, &self.status.kind);
        let status = known.into_iter().find(|known| known.is_of(repo, kind));
        Self {
            status: status.unwrap_or_else(|| ScheduleStatus {
                repo: repo.clone(),
                kind: kind.clone(),
                schedule: self.status.schedule.clone(),
                since: self.status.since.clone(),
                ..ScheduleStatus::default()
            }),
            run: None,
            omitted: None,
            set_back: false,
            wake: Some(now + TRY_AGAIN),
            refused: Some(error),
        }
    }
}

/// Decides about every schedule. `runs`: the scheduled backups of the cluster.
#[must_use]
pub fn decide(
    cluster: &PerconaPGCluster,
    plan: &Plan,
    runs: &[PerconaPGBackup],
    now: DateTime<Utc>,
) -> Vec<Decision> {
    let blackout = blackout::until(&plan.blackouts, now);
    let known = cluster.status.clone().unwrap_or_default().schedules;
    let held = held(cluster);
    plan.entries
        .iter()
        .map(|entry| {
            let known = known
                .iter()
                .find(|known| known.is_of(&entry.repo, entry.scheduled.field));
            let held = held
                .or(entry.archiving_suspended.then_some(Reason::ArchivingSuspended))
                .or(blackout.map(|_| Reason::BlackoutWindow));
            let mut decision = one(cluster, entry, known, runs, held, now);
            if decision.status.owed.is_some() {
                decision.wake = decision.wake.into_iter().chain(blackout).min();
            }
            decision
        })
        .collect()
}

/// Why no backup of this cluster would begin now.
fn held(cluster: &PerconaPGCluster) -> Option<Reason> {
    let status = cluster.status.clone().unwrap_or_default();
    let ready = conditions::find(&status.conditions, ConditionType::ReadyForBackup.as_str());
    match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(Reason::from_word(&ready.reason).unwrap_or(Reason::ClusterNotReady)),
        None => Some(Reason::ClusterNotReady),
    }
}

fn one(
    cluster: &PerconaPGCluster,
    entry: &Entry,
    known: Option<&ScheduleStatus>,
    existing: &[PerconaPGBackup],
    held: Option<Reason>,
    now: DateTime<Utc>,
) -> Decision {
    let (repo, kind) = (&entry.repo, entry.scheduled.field);
    let shown = entry.scheduled.shown();
    // Times of another expression are another account; the runs that it made are runs all the same.
    let same = known.filter(|known| known.schedule == shown);
    let ledger = same.map_or_else(|| Ledger::new(now), ledger);
    let last_run = known.and_then(|known| runs::followed(known, existing));
    let facts = Facts {
        now,
        terms: entry.terms,
        suspended: entry.suspended,
        running: last_run
            .as_ref()
            .is_some_and(|run| run.result == RunResult::Unfinished),
        held,
    };
    let name = |due: DateTime<Utc>| run_name(&cluster.name_any(), repo, entry.scheduled.kind.as_str(), due);
    let uid = cluster.uid().unwrap_or_default();
    let look = ledger.look(&entry.scheduled.schedule, &facts, &|due| {
        delay(&name(due), &uid, entry.terms.jitter)
    });
    let run = look.run.map(|due| (due, name(due)));
    let mut status = ScheduleStatus {
        repo: repo.clone(),
        kind: kind.to_owned(),
        schedule: shown,
        last_success: known.and_then(|known| runs::last_success(known, existing)),
        last_omitted: same.and_then(|known| known.last_omitted.clone()),
        last_run,
        ..ScheduleStatus::default()
    };
    write(&mut status, &look);
    if let Some((due, name)) = &run {
        status.last_run = Some(ScheduledRun {
            name: name.clone(),
            due: Some(time::to_kubernetes(*due)),
            result: RunResult::Unfinished,
        });
    }
    Decision {
        status,
        run,
        omitted: look
            .omitted
            .map(|(count, omitted)| (count, reason(omitted.cause))),
        set_back: look.set_back,
        wake: look.wake,
        refused: None,
    }
}

fn ledger(known: &ScheduleStatus) -> Ledger {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let moment = |time: &Option<_>| time.as_ref().map(time::from_kubernetes);
    Ledger {
        since: moment(&known.since).unwrap_or_default(),
        accounted: moment(&known.last_due),
        due: count(known.due),
        started: count(known.started),
        missed: count(known.missed),
        skipped: count(known.skipped),
        owed: moment(&known.owed),
    }
}

fn write(status: &mut ScheduleStatus, look: &Look<Reason>) {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let ledger = &look.ledger;
    status.since = Some(time::to_kubernetes(ledger.since));
    status.last_due = ledger.accounted.map(time::to_kubernetes);
    status.next_due = look.next.map(time::to_kubernetes);
    status.due = count(ledger.due);
    status.started = count(ledger.started);
    status.missed = count(ledger.missed);
    status.skipped = count(ledger.skipped);
    status.owed = ledger.owed.map(time::to_kubernetes);
    if let Some((_, omitted)) = &look.omitted {
        status.last_omitted = Some(OmittedRun {
            due: Some(time::to_kubernetes(omitted.due)),
            reason: reason(omitted.cause).as_str().to_owned(),
        });
    }
}

fn reason(cause: Cause<Reason>) -> Reason {
    match cause {
        Cause::Unattended => Reason::Unattended,
        Cause::TooLate => Reason::DeadlineExceeded,
        Cause::StillRunning => Reason::PreviousRunActive,
        Cause::Suspended => Reason::SchedulesSuspended,
        Cause::Held(reason) => reason,
    }
}
