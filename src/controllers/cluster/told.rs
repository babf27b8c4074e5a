//! What was told of the repositories before this process began, and stands until somebody has looked.
//!
//! A new leader has looked at no repository yet. Were it to say so, each of a thousand clusters would be written twice, its objects
//! without its repositories and then with them, and a person would see them go and come. So what the status says stands, as long
//! as everything else is as it was when that was said; where anything differs, only a look tells.

use super::dereference::Observed;
use super::repositories::Verdict;
use crate::api::conditions::Status;
use crate::api::{ConditionType, Reason};

/// What the status says of every repository, in the order of the specification; nothing where it does not say it of all, or
/// says it of another specification.
pub fn verdicts(observed: &Observed) -> Option<Vec<Verdict>> {
    let cluster = &observed.cluster;
    // It begins with what a look finds.
    if cluster.is_standby() {
        return None;
    }
    let status = cluster.status.as_ref()?;
    if status.observed_generation != cluster.metadata.generation {
        return None;
    }
    let repositories = cluster.spec.backups.repositories().iter();
    repositories
        .map(|repository| {
            let kind = ConditionType::RepositoryReady.of_repository(&repository.name);
            let told = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind)?;
            let reason = Reason::from_word(&told.reason).filter(|reason| *reason != Reason::InProgress)?;
            let usable = told.status == Status::True.as_str();
            Some(Verdict {
                repo: repository.name.clone(),
                cleared: usable || reason == Reason::StanzaMissing,
                stanza: usable,
                // Whether it needs a first backup is for a look to tell.
                empty: false,
                database: None,
                reason,
                message: told.message.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::cluster::build::tests::SMALL;

    /// A cluster of which its status says something about its repository, of generation 3.
    fn said(status: &str, reason: &str) -> Value {
        let mut cluster: Value = serde_saphyr::from_str(SMALL).unwrap();
        cluster["metadata"]["generation"] = json!(3);
        let condition = json!({
            "type": "RepositoryReady-repo1", "status": status, "reason": reason, "message": "so it is",
            "lastTransitionTime": "2026-11-21T00:00:00Z",
        });
        cluster["status"] = json!({ "observedGeneration": 3, "conditions": [condition] });
        cluster
    }

    fn told(cluster: Value) -> Option<Vec<Verdict>> {
        verdicts(&Observed::nothing_but(serde_json::from_value(cluster).unwrap()))
    }

    #[test]
    fn what_the_status_says_of_a_repository_is_told_again() {
        let good = told(said("True", "AsSpecified")).unwrap();
        assert!(good[0].cleared && good[0].stanza && !good[0].empty);
        assert_eq!(
            (good[0].repo.as_str(), good[0].message.as_str()),
            ("repo1", "so it is")
        );
        let missing = told(said("False", "StanzaMissing")).unwrap();
        assert!(missing[0].cleared && !missing[0].stanza);
        let foreign = told(said("False", "SystemIdentifierMismatch")).unwrap();
        assert!(!foreign[0].cleared && !foreign[0].stanza);
    }

    #[test]
    fn nothing_is_told_of_another_specification_of_what_was_not_known_or_of_a_standby() {
        assert!(told(said("False", "InProgress")).is_none());
        assert!(told(said("False", "a word of another time")).is_none());
        let mut newer = said("True", "AsSpecified");
        newer["metadata"]["generation"] = json!(4);
        assert!(told(newer).is_none());
        let mut silent = said("True", "AsSpecified");
        silent["status"]["conditions"] = json!([]);
        assert!(told(silent).is_none());
        let mut standby = said("True", "AsSpecified");
        standby["spec"]["standby"] = json!({ "enabled": true, "repoName": "repo1" });
        assert!(told(standby).is_none());
    }
}
