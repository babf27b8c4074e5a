//! Writes the report to the annotation of our own Pod: when it has changed, and not more often than every few seconds.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch::Receiver;

use super::database_loop::Local;
use super::watch::Known;
use crate::agent::environment::InstanceEnvironment;
use crate::agent::report::{
    ArchiveFailure, ArchiverReport, INSTANCE_ANNOTATION, InstanceReport, Problem, StanzaReport,
};

/// Shortest time between two writes.
const INTERVAL: Duration = Duration::from_secs(5);
/// Changes that come together are written together.
const SETTLE: Duration = Duration::from_millis(200);
/// An API server that does not answer is asked again after this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gathers what the loops know.
pub struct Publisher {
    api: Api<Pod>,
    pod: String,
    known: Receiver<Known>,
    local: Receiver<Local>,
    stanzas: Receiver<Vec<StanzaReport>>,
    failures: Receiver<Option<ArchiveFailure>>,
}

impl Publisher {
    /// Nothing is written before [`Self::run`].
    #[must_use]
    pub fn new(
        client: Client,
        environment: &InstanceEnvironment,
        known: Receiver<Known>,
        local: Receiver<Local>,
        stanzas: Receiver<Vec<StanzaReport>>,
        failures: Receiver<Option<ArchiveFailure>>,
    ) -> Self {
        let api = Api::namespaced(client, &environment.namespace);
        Self {
            api,
            pod: environment.pod.clone(),
            known,
            local,
            stanzas,
            failures,
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut written = None;
        loop {
            let report = report(
                &self.known.borrow_and_update(),
                &self.local.borrow_and_update(),
                &self.stanzas.borrow_and_update(),
                self.failures.borrow_and_update().as_ref(),
            );
            if written.as_ref() != Some(&report) {
                if self.write(&report).await {
                    written = Some(report);
                }
                tokio::time::sleep(INTERVAL).await;
                if self.has_changed() || written.is_none() {
                    continue;
                }
            }
            tokio::select! {
                Ok(()) = self.known.changed() => {}
                Ok(()) = self.local.changed() => {}
                Ok(()) = self.stanzas.changed() => {}
                Ok(()) = self.failures.changed() => {}
                else => return,
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    fn has_changed(&self) -> bool {
        [
            self.known.has_changed(),
            self.local.has_changed(),
            self.stanzas.has_changed(),
            self.failures.has_changed(),
        ]
        .into_iter()
        .any(|changed| changed.unwrap_or(false))
    }

    async fn write(&self, report: &InstanceReport) -> bool {
        let Ok(text) = serde_json::to_string(report) else {
            return false;
        };
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { INSTANCE_ANNOTATION: text } } }));
        let parameters = PatchParams {
            field_manager: Some("holdfast-agent".into()),
            ..PatchParams::default()
        };
        let writing = self.api.patch_metadata(&self.pod, &parameters, &patch);
        match tokio::time::timeout(PATIENCE, writing).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot write the report");
                false
            }
            Err(_) => {
                tracing::warn!("the API server does not answer");
                false
            }
        }
    }
}

fn report(
    known: &Known,
    local: &Local,
    stanzas: &[StanzaReport],
    failure: Option<&ArchiveFailure>,
) -> InstanceReport {
    let mut problems = local.problems.clone();
    if known.unreadable {
        problems.insert(
            0,
            Problem {
                what: "desired".to_owned(),
                code: "unreadable".to_owned(),
                message: "the desired document cannot be read; the last one stays in force".to_owned(),
            },
        );
    }
    let seen = local.observation.as_ref();
    InstanceReport {
        revision: local.revision.clone(),
        system_identifier: seen.map(|seen| seen.system_identifier.clone()),
        in_recovery: seen.map(|seen| seen.in_recovery),
        timeline: seen.map(|seen| seen.timeline),
        postgres_version: seen.map(|seen| seen.version.clone()),
        stanzas: stanzas.to_vec(),
        archiver: seen
            .and_then(|seen| seen.archiver.clone())
            .map(|archiver| ArchiverReport {
                failure: failure.filter(|_| archiver.is_failing()).cloned(),
                ..archiver
            }),
        standby: local.standby.clone(),
        problems,
    }
}

#[cfg(test)]
mod tests {
    use super::super::observe::Observation;
    use super::*;

    #[test]
    fn a_replica_reports_what_it_is_and_no_revision() {
        let observation = Observation {
            system_identifier: "75".into(),
            in_recovery: true,
            timeline: 3,
            ..Observation::default()
        };
        let local = Local {
            observation: Some(observation),
            ..Local::default()
        };
        let report = report(&Known::default(), &local, &[], None);
        assert_eq!(
            (report.in_recovery, report.timeline, report.revision),
            (Some(true), Some(3), None)
        );
    }

    #[test]
    fn without_postgresql_nothing_is_claimed_of_it() {
        let report = report(
            &Known {
                unreadable: true,
                ..Known::default()
            },
            &Local::default(),
            &[],
            None,
        );
        assert_eq!((report.in_recovery, report.system_identifier), (None, None));
        assert_eq!(report.problems[0].what, "desired");
    }

    #[test]
    fn a_failure_of_archiving_is_told_only_while_it_lasts() {
        let failure = ArchiveFailure {
            exit: 104,
            ..ArchiveFailure::default()
        };
        let told = |archived: i64, failed: i64| {
            let at = |second| chrono::DateTime::from_timestamp(second, 0);
            let observation = Observation {
                archiver: Some(ArchiverReport {
                    last_archived_at: at(archived),
                    last_failed_at: at(failed),
                    ..ArchiverReport::default()
                }),
                ..Observation::default()
            };
            let local = Local {
                observation: Some(observation),
                ..Local::default()
            };
            let report = report(&Known::default(), &local, &[], Some(&failure));
            report.archiver.unwrap().failure
        };
        assert_eq!(told(1, 2), Some(failure.clone()));
        assert_eq!(told(3, 2), None);
    }
}
