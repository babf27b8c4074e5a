//! What the status of a backup goes on saying once it has begun. Pure.
//!
//! Not by the status alone: what was read may be older than what was written when it began, and a status that leaves out what it
//! has said takes that away. A backup without its destination would outlive the one in the repository.

use super::dereference::Observed;

/// Where it goes, once it has a Job.
pub fn destination(observed: &Observed) -> Option<String> {
    let status = observed.backup.status.as_ref();
    if let Some(told) = status.and_then(|status| status.destination.clone()) {
        return Some(told);
    }
    let (cluster, _begun) = (observed.cluster.as_ref()?, observed.job.as_ref()?);
    let wanted = observed.backup.spec.repo_name.as_ref()?;
    let mut repositories = cluster.spec.backups.repositories().iter();
    let repository = repositories.find(|repository| repository.name == *wanted)?;
    let access = observed.access(cluster, repository);
    access.ok().map(|access| access.destination())
}

/// The image of its Job.
pub fn image(observed: &Observed) -> String {
    let of_job = || {
        let pod = observed.job.as_ref()?.spec.as_ref()?.template.spec.as_ref()?;
        pod.containers.first()?.image.clone()
    };
    let status = observed.backup.status.as_ref();
    let told = status.and_then(|status| status.image.clone());
    told.filter(|image| !image.is_empty())
        .or_else(of_job)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pgbackrest::ini::Ini;
    use crate::pgbackrest::user_options::UserOptions;

    /// As it is read from a watch that has not yet seen what was written when it began.
    #[test]
    fn a_status_that_was_read_too_early_loses_neither_destination_nor_image() {
        let secret = "[global]\nrepo1-s3-key=k\nrepo1-s3-key-secret=s\n";
        let options = UserOptions {
            files: vec![Ini::parse(secret).unwrap()],
            ..UserOptions::default()
        };
        let job = json!({"spec": {"template": {"spec": {"containers": [{"name": "pgbackrest", "image": "postgres:18"}]}}}});
        let backup = json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": {"name": "b", "namespace": "n"},
            "spec": {"pgCluster": "c", "repoName": "repo1"},
        });
        let cluster = json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"postgresVersion": 18, "instances": [], "backups": {"pgbackrest": {
                "global": {"repo1-path": "/p"},
                "repos": [{"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}}]}}},
        });
        let mut observed = Observed::nothing_but(
            serde_json::from_value(backup).unwrap(),
            serde_json::from_value(cluster).unwrap(),
        );
        observed.user.options = options;
        assert_eq!(
            (destination(&observed), image(&observed)),
            (None, String::new()),
            "not begun"
        );
        observed.job = Some(serde_json::from_value(job).unwrap());
        assert!(destination(&observed).unwrap().starts_with("s3://b"));
        assert_eq!(image(&observed), "postgres:18");
    }
}
