//! Looking at the repository: before a backup is started, and to believe that one has succeeded.

use std::time::Duration;

use super::build::job_name;
use super::decide::Accepted;
use super::dereference::Observed;
use super::failure::Trouble;
use crate::api::Reason;
use crate::pgbackrest::access::RepositoryAccess;
use crate::pgbackrest::check::{self, Problem, RepositoryState, StanzaState};
use crate::pgbackrest::failure::{FailureKind, Permanence};
use crate::pgbackrest::repository::{BackupEvidence, Repository, Wanted};

/// One look for a finished backup ends within this time.
const PATIENCE: Duration = Duration::from_secs(25);

/// What the repository says.
#[derive(Debug, Clone)]
pub enum Look {
    /// Nothing stands in the way.
    Good,
    /// It cannot be used; `true`: not before somebody changes something.
    Bad(Trouble, bool),
}

/// How to reach the repository of a backup.
pub fn access(observed: &Observed, accepted: &Accepted) -> Result<RepositoryAccess, Trouble> {
    if let Some((reason, what)) = observed.user.problems.first() {
        return Err(Trouble::new(*reason, what));
    }
    let name = &accepted.repository.name;
    let Some(cluster) = &observed.cluster else {
        return Err(Trouble::new(Reason::ClusterMissing, ""));
    };
    let access = observed.access(cluster, &accepted.repository);
    access.map_err(|error| of_problem(name, &Problem::from(&error)))
}

fn of_problem(repository: &str, problem: &Problem) -> Trouble {
    Trouble::new(problem.reason(), format!("{repository}: {}", problem.what))
}

/// Looks before a backup is started.
pub async fn before(access: &RepositoryAccess, observed: &Observed, accepted: &Accepted) -> Look {
    let name = &accepted.repository.name;
    match check::check(access, own(observed)).await {
        RepositoryState::Ready {
            stanza: StanzaState::Present(_),
            ..
        } => Look::Good,
        RepositoryState::Ready { .. } => {
            let what = format!("{name}: the stanza is created once the primary is up");
            Look::Bad(Trouble::new(Reason::StanzaMissing, what), false)
        }
        RepositoryState::Problem(problem) => Look::Bad(
            of_problem(name, &problem),
            problem.kind.permanence() == Permanence::Permanent,
        ),
    }
}

/// The kind of what is wrong with the repository now, and its text, as evidence for why a Job failed.
pub async fn evidence(
    access: &Result<RepositoryAccess, Trouble>,
    observed: &Observed,
    accepted: &Accepted,
) -> Option<(FailureKind, String)> {
    let access = access.as_ref().ok()?;
    match check::check(access, own(observed)).await {
        RepositoryState::Problem(problem) => Some((
            problem.kind,
            format!("{}: {}", accepted.repository.name, problem.what),
        )),
        RepositoryState::Ready { .. } => None,
    }
}

/// Looks for what the Job made. `Ok(None)`: it is not in the catalogue.
pub async fn after(
    access: &RepositoryAccess,
    observed: &Observed,
) -> Result<Option<BackupEvidence>, Trouble> {
    let job = job_name(&observed.backup);
    let look = async {
        let repository = Repository::open(access)
            .await
            .map_err(|error| Problem::from(&error))?;
        repository
            .verify_backup(Wanted::Job(&job))
            .await
            .map_err(|error| Problem::from(&error))
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(problem)) => Err(of_problem(
            &observed.backup.spec.repo_name.clone().unwrap_or_default(),
            &problem,
        )),
        Err(_) => Err(Trouble::new(
            Reason::EndpointUnreachable,
            format!(
                "{} gave no answer within {} s",
                access.destination(),
                PATIENCE.as_secs()
            ),
        )),
    }
}

/// The identity of the cluster's database, where it is known.
fn own(observed: &Observed) -> Option<u64> {
    observed.cluster.as_ref()?.system_identifier()
}
