//! Which instance a backup's files were copied from: its role from the repository's catalogue, its name from the agent, which
//! saw whom pgBackRest's workers read from.

use k8s_openapi::api::core::v1::Pod;

use super::dereference::Observed;
use super::failure::{outcome, terminated};
use super::status::reported;
use crate::agent::report::Readers;
use crate::api::PerconaPGCluster;
use crate::api::backup::{CopiedFrom, SourceRole};
use crate::pgbackrest::repository::BackupEvidence;

/// The option that says whether a standby is wanted.
const OPTION: &str = "backup-standby";

/// Where a backup came from that the repository holds.
#[must_use]
pub fn copied_from(observed: &Observed, evidence: &BackupEvidence) -> CopiedFrom {
    let readers = observed.pods.iter().rev().find_map(readers).unwrap_or_default();
    let (role, pod) = if evidence.backup.from_standby {
        // Without a second worker of another server nothing was copied from a standby, as far as was seen.
        let other = readers.others.filter(|pod| readers.first.as_ref() != Some(pod));
        (SourceRole::Standby, other)
    } else {
        // One that was too quick to be seen read from whoever has led since before it began.
        let led = observed.leader.as_ref();
        let led = led.filter(|leader| leader.since < evidence.backup.started);
        let led = led.map(|leader| leader.pod.clone());
        (SourceRole::Primary, readers.first.or(led))
    };
    CopiedFrom {
        role,
        instance: pod.map(|pod| pod.strip_suffix("-0").unwrap_or(&pod).to_owned()),
    }
}

/// Of the Pod in which pgBackRest ended well.
fn readers(pod: &Pod) -> Option<Readers> {
    let last_words = terminated(pod)
        .map(outcome)
        .map(|outcome| (outcome.exit, outcome.readers));
    let progress = reported(pod).map(|reported| (reported.exit, reported.readers));
    [last_words, progress]
        .into_iter()
        .flatten()
        .find(|(exit, readers)| *exit == Some(0) && !readers.is_empty())
        .map(|(_, readers)| readers)
}

/// For messages.
#[must_use]
pub fn shown_source(source: &CopiedFrom) -> String {
    match &source.instance {
        Some(instance) => format!("the {} {instance}", source.role),
        None => format!("a {}", source.role).replace("a primary", "the primary"),
    }
}

/// Whether a standby was to be read and was not: there are several instances, and nobody chose the primary.
#[must_use]
pub fn is_second_choice(observed: &Observed, source: &CopiedFrom) -> bool {
    let options = &observed.backup.spec.options;
    let chosen = options.iter().any(|option| option.contains(OPTION));
    let configured = observed.user.options.get(OPTION);
    source.role == SourceRole::Primary
        && !chosen
        && configured.is_none_or(|value| value == "prefer")
        && observed.cluster.as_ref().is_some_and(has_replicas)
}

fn has_replicas(cluster: &PerconaPGCluster) -> bool {
    let replicas = cluster.spec.instances.iter().map(|set| set.replicas);
    replicas.sum::<i32>() > 1
}

#[cfg(test)]
mod tests;
