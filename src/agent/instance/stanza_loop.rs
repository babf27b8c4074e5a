//! Keeps the stanza reports current while the local PostgreSQL is the writable primary.
//!
//! A repository is looked at until the stanza is ready in it, then left alone until the desired stanza or the
//! database's identity changes. No repository waits for another one: a store that does not answer costs minutes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kube::Client;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;

use super::database_loop::Local;
use super::stanza::Stanzas;
use super::watch::Known;
use crate::agent::desired::{DesiredRepository, DesiredStanza};
use crate::agent::environment::InstanceEnvironment;
use crate::agent::report::StanzaReport;

/// First and longest pause before a repository is tried again: a removed cause shows within the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(15));

/// The stanza, and the system identifier that it is wanted for.
type Subject = (DesiredStanza, String);

/// The loop and what it remembers.
pub struct StanzaLoop {
    stanzas: Arc<Stanzas>,
    known: Receiver<Known>,
    local: Receiver<Local>,
    reports: Sender<Vec<StanzaReport>>,
    subject: Option<Subject>,
    states: States,
    /// Looks that are under way, each with the number of the subject that it is about.
    looks: FuturesUnordered<BoxFuture<'static, (u64, StanzaReport)>>,
    number: u64,
}

impl StanzaLoop {
    /// Nothing is done before [`Self::run`].
    #[must_use]
    pub fn new(
        client: Client,
        environment: InstanceEnvironment,
        known: Receiver<Known>,
        local: Receiver<Local>,
        reports: Sender<Vec<StanzaReport>>,
    ) -> Self {
        Self {
            stanzas: Arc::new(Stanzas::new(client, environment)),
            known,
            local,
            reports,
            subject: None,
            states: States::default(),
            looks: FuturesUnordered::new(),
            number: 0,
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        loop {
            let wanted = subject(
                &self.known.borrow_and_update(),
                &self.local.borrow_and_update(),
                self.subject.as_ref(),
            );
            if wanted != self.subject {
                self.subject = wanted;
                self.number += 1;
                self.states = States::default();
            }
            self.begin_due_looks();
            self.publish();
            let next = self.states.next_due();
            let pause = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((number, report)) = self.looks.next() => {
                    // What was found out about something else than is wanted now is forgotten.
                    if number == self.number {
                        self.states.remember(report, Instant::now());
                    }
                }
                () = pause => {}
                Ok(()) = self.known.changed() => {}
                Ok(()) = self.local.changed() => {}
                else => return,
            }
        }
    }

    fn begin_due_looks(&mut self) {
        let Some((stanza, system)) = &self.subject else {
            return;
        };
        for repository in self.states.take_due(&stanza.repos, Instant::now()) {
            let (stanzas, stanza, system) = (self.stanzas.clone(), stanza.clone(), system.clone());
            let number = self.number;
            self.looks.push(Box::pin(async move {
                (number, stanzas.ensure(&stanza, &repository, &system).await)
            }));
        }
    }

    fn publish(&self) {
        let reports = self.states.reports();
        self.reports.send_if_modified(|known| {
            let changed = *known != reports;
            *known = reports;
            changed
        });
    }
}

/// What is wanted now; nothing on a standby. A PostgreSQL that does not answer just now changes nothing.
fn subject(known: &Known, local: &Local, before: Option<&Subject>) -> Option<Subject> {
    let Some(seen) = &local.observation else {
        return before.cloned();
    };
    if seen.in_recovery {
        return None;
    }
    let stanza = known.desired.as_ref()?.stanza.clone()?;
    Some((stanza, seen.system_identifier.clone()))
}

/// How each repository stands, by name.
#[derive(Default)]
struct States(BTreeMap<String, State>);

struct State {
    /// Absent before the first look has ended.
    report: Option<StanzaReport>,
    /// When to look again; absent while a look is under way, and once the stanza is ready.
    due: Option<Instant>,
    pause: Duration,
}

impl States {
    /// Repositories to be looked at now; they are under way from here on.
    fn take_due(&mut self, repositories: &[DesiredRepository], now: Instant) -> Vec<DesiredRepository> {
        let mut taken = Vec::new();
        for repository in repositories {
            let state = self.0.entry(repository.name.clone()).or_insert(State {
                report: None,
                due: Some(now),
                pause: BACK_OFF.0,
            });
            if state.due.is_some_and(|due| due <= now) {
                state.due = None;
                taken.push(repository.clone());
            }
        }
        taken
    }

    fn remember(&mut self, mut report: StanzaReport, now: Instant) {
        let Some(state) = self.0.get_mut(&report.repo) else {
            return;
        };
        if report.ready {
            tracing::info!(repo = report.repo, "stanza is ready");
        } else {
            tracing::warn!(
                repo = report.repo,
                exit = report.exit,
                error = report.error,
                "stanza is not ready"
            );
            state.due = Some(now + state.pause);
            state.pause = (state.pause * 2).min(BACK_OFF.1);
        }
        if let Some(before) = &state.report {
            let at = std::mem::replace(&mut report.at, before.at);
            if report != *before {
                report.at = at;
            }
        }
        state.report = Some(report);
    }

    fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(|state| state.due).min()
    }

    fn reports(&self) -> Vec<StanzaReport> {
        self.0.values().filter_map(|state| state.report.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::observe::Observation;
    use super::*;
    use crate::agent::desired::Desired;

    fn repositories() -> Vec<DesiredRepository> {
        [("repo1", 1), ("repo2", 2)]
            .map(|(name, key)| DesiredRepository {
                name: name.to_owned(),
                key,
            })
            .into()
    }

    fn found(ready: bool, second: i64) -> StanzaReport {
        let at: Option<DateTime<Utc>> = DateTime::from_timestamp(second, 0);
        StanzaReport {
            repo: "repo1".to_owned(),
            ready,
            at,
            ..StanzaReport::default()
        }
    }

    #[test]
    fn a_repository_is_looked_at_again_with_growing_pauses_until_it_is_ready() {
        let (mut states, start) = (States::default(), Instant::now());
        assert_eq!(states.take_due(&repositories(), start).len(), 2);
        assert!(
            states.take_due(&repositories(), start).is_empty(),
            "both are under way"
        );
        states.remember(found(false, 1), start);
        assert_eq!(states.next_due(), Some(start + BACK_OFF.0));
        let later = start + BACK_OFF.0;
        assert_eq!(states.take_due(&repositories(), later)[0].name, "repo1");
        states.remember(found(false, 2), later);
        assert_eq!(states.next_due(), Some(later + BACK_OFF.0 * 2));
        assert_eq!(
            states.reports()[0].at,
            found(false, 1).at,
            "it has been so since the first time"
        );
        let last = later + BACK_OFF.1;
        states.take_due(&repositories(), last);
        states.remember(found(true, 3), last);
        assert_eq!(
            (states.next_due(), states.reports()[0].at),
            (None, found(true, 3).at)
        );
    }

    #[test]
    fn a_standby_wants_nothing_and_a_silent_postgresql_changes_nothing() {
        let desired = Desired {
            stanza: Some(DesiredStanza::default()),
            ..Desired::default()
        };
        let known = Known {
            desired: Some(Arc::new(desired)),
            unreadable: false,
        };
        let seen = |in_recovery| Local {
            observation: Some(Observation {
                in_recovery,
                ..Observation::default()
            }),
            ..Local::default()
        };
        let wanted = subject(&known, &seen(false), None);
        assert!(wanted.is_some());
        assert_eq!(subject(&known, &Local::default(), wanted.as_ref()), wanted);
        assert_eq!(subject(&known, &seen(true), wanted.as_ref()), None);
    }
}
