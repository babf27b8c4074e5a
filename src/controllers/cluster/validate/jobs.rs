//! What users may say of the Jobs that take backups, beyond what the schema can say.
//!
//! A mistake here keeps backups from being taken and nothing else: the database and its archiving go on.

use k8s_openapi::api::core::v1::{EnvVar, PodSecurityContext};

use crate::api::cluster::backups::PgBackRest;
use crate::api::cluster::jobs::BackupJobs;
use crate::domain::options::refused_variable;

/// Where a container of ours knows itself from.
const OURS: &str = "HOLDFAST_";
/// What it logs is no part of that.
const LOGGING: &str = "HOLDFAST_LOG";

/// What no Job can be made with; nothing when there is no such thing.
#[must_use]
pub fn problem(pgbackrest: &PgBackRest) -> Option<String> {
    let jobs = pgbackrest.jobs.as_deref();
    jobs.and_then(of_jobs)
        .map(|what| format!("spec.backups.pgbackrest.jobs.{what}"))
        .or_else(|| of_variables(&pgbackrest.env).map(|what| format!("spec.backups.pgbackrest.env: {what}")))
}

fn of_jobs(jobs: &BackupJobs) -> Option<String> {
    if let Some(policy) = jobs
        .restart_policy
        .as_deref()
        .filter(|policy| !["Never", "OnFailure"].contains(policy))
    {
        return Some(format!(
            "restartPolicy is '{policy}': the Pods of a Job may have Never or OnFailure"
        ));
    }
    if let Some(limit) = jobs.backoff_limit.filter(|limit| *limit < 0) {
        return Some(format!(
            "backoffLimit is {limit}: there cannot be fewer than 0 retries"
        ));
    }
    let what = of_security(jobs.security_context.as_ref()?)?;
    Some(format!("securityContext.{what}"))
}

fn of_security(security: &PodSecurityContext) -> Option<&'static str> {
    let seccomp = security.seccomp_profile.as_ref();
    if security.run_as_user == Some(0) {
        Some("runAsUser is 0: nothing here runs as root. Name another user, or none for that of the image")
    } else if seccomp.is_some_and(|profile| profile.type_ == "Unconfined") {
        Some("seccompProfile.type is Unconfined: use RuntimeDefault, Localhost, or none")
    } else {
        None
    }
}

/// Variables that may not be set in a Job, by whoever wants to.
#[must_use]
pub fn of_variables(variables: &[EnvVar]) -> Option<String> {
    variables.iter().find_map(|variable| {
        let name = variable.name.as_str();
        if name == "POD_NAME" || name.starts_with(OURS) && !name.starts_with(LOGGING) {
            return Some(format!(
                "{name} is the operator's, by which the Job knows what to do"
            ));
        }
        Some(format!("{name} may not be set: {}", refused_variable(name)?))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn told(pgbackrest: &Value) -> Option<String> {
        let mut whole = json!({"repos": []});
        whole
            .as_object_mut()
            .unwrap()
            .extend(pgbackrest.as_object().unwrap().clone());
        problem(&serde_json::from_value(whole).unwrap())
    }

    #[rstest]
    #[case(json!({"jobs": {"securityContext": {"runAsUser": 0}}}), "jobs.securityContext.runAsUser is 0")]
    #[case(
        json!({"jobs": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
        "jobs.securityContext.seccompProfile.type is Unconfined"
    )]
    #[case(json!({"jobs": {"restartPolicy": "Always"}}), "jobs.restartPolicy is 'Always'")]
    #[case(json!({"jobs": {"backoffLimit": -1}}), "jobs.backoffLimit is -1")]
    #[case(json!({"env": [{"name": "PGBACKREST_PG1_HOST", "value": "x"}]}), "env: PGBACKREST_PG1_HOST")]
    #[case(json!({"env": [{"name": "HOLDFAST_BACKUP_JOB", "value": "x"}]}), "the operator's")]
    fn what_no_job_can_be_made_with_is_named(#[case] pgbackrest: Value, #[case] expected: &str) {
        let told = told(&pgbackrest).unwrap();
        assert!(told.contains(expected), "{told}");
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"jobs": {"securityContext": {"runAsUser": 26, "seccompProfile": {"type": "Localhost"}},
        "restartPolicy": "OnFailure", "backoffLimit": 0}}))]
    #[case(json!({"env": [{"name": "PGBACKREST_REPO1_S3_KEY", "value": "x"}, {"name": "HTTPS_PROXY", "value": "x"},
    {"name": "HOLDFAST_LOG", "value": "debug"}]}))]
    fn all_else_may_be_said(#[case] pgbackrest: Value) {
        assert_eq!(told(&pgbackrest), None);
    }
}
