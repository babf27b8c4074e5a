//! `holdfast inspect`: what can be restored from a repository, told in a terminal or as JSON. Needs no Kubernetes.
//!
//! The repository is named by a URL or a directory, with credentials from the environment as the stores' own tools
//! expect them, or by pgBackRest's configuration file. No secret is an argument or part of an output. Nothing is written.

mod configuration;
mod deep;
mod drawing;
mod environment;
mod error;
mod lists;
mod location;
mod report;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode};

use chrono::{TimeDelta, Utc};

pub use environment::Environment;
pub use error::InspectError;
pub use report::Report;
pub use text::Paper;

use crate::{
    pgbackrest::{access::RepositoryAccess, repository::Repository},
    survey::{ArchiveRetention, KnownRepository, Terms},
};

/// There is a gap, or damage, or nothing can be restored.
pub const BROKEN: u8 = 1;
/// Segments that are read to find commit times. More are needed only where thousands in a row hold no commit.
const MOST_SEGMENTS: u64 = 20_000;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// A URL or a directory; `None` where configuration files name the repository.
    pub repository: Option<String>,
    /// pgBackRest's configuration files.
    pub configuration: Vec<PathBuf>,
    /// N of `repoN` in these.
    pub key: Option<u32>,
    /// The stanza.
    pub stanza: String,
    /// Options of the store.
    pub store: StoreOptions,
    /// How long a gap may be visible before it counts.
    pub grace: TimeDelta,
    /// `repoN-retention-archive`, where no configuration file says it.
    pub retention: Option<ArchiveRetention>,
    /// Prove content too.
    pub deep: bool,
}

/// Options that a URL does not say. Where they are absent, variables of the environment count.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Host, with a port if it is not 443.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: Option<String>,
    /// Bucket or account in the path instead of the host's name. `None`: in the path where an endpoint is given.
    pub path_style: Option<bool>,
    /// Authority to trust instead of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub trust_anyone: bool,
    /// A file whose first line is the passphrase of the repository.
    pub cipher_pass_file: Option<PathBuf>,
}

/// Where the repository is and what its options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) access: RepositoryAccess,
    pub(crate) retention: Option<ArchiveRetention>,
}

/// Looks at a repository.
pub async fn inspect(request: &Request, environment: &Environment) -> Result<Report, InspectError> {
    let located = match &request.repository {
        Some(place) => Located {
            access: location::access(place, &request.store, environment)?,
            retention: None,
        },
        None => configuration::locate(request, environment)?,
    };
    let access = &located.access;
    let repository = Repository::open(access).await?.of_stanza(&request.stanza);
    let terms = Terms {
        now: Utc::now(),
        grace: request.grace,
        retention: request.retention.clone().or(located.retention),
        most_segments: MOST_SEGMENTS,
    };
    let picture = KnownRepository::default().look(&repository, &terms).await?;
    let deep = if request.deep {
        Some(deep::prove(&repository).await?)
    } else {
        None
    };
    let place = report::place(access);
    Ok(Report::new(place, &request.stanza, picture, deep))
}

/// The process's exit code for a report.
#[must_use]
pub fn exit_code(report: &Report) -> ExitCode {
    if report.is_broken() {
        ExitCode::from(BROKEN)
    } else {
        ExitCode::SUCCESS
    }
}
