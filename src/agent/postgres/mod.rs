//! `holdfast agent postgres`: makes the volumes ready, then becomes Patroni.
//!
//! Invariants: nothing that may hold data is deleted; a data directory of another major version, or of another
//! owner, is refused with a sentence that says so. Patroni replaces this process, so it is process 1 and reaps.

mod adoption;
mod data_directory;
mod key_file;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment::{self, EnvironmentError};
use super::restore::journal::Journal;

/// Why PostgreSQL is not started.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The controller's and this binary's idea of the container differ.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A path cannot be used.
    #[error("{path}: {source}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A restore is under way, or was left half done.
    #[error(
        "a restore is at work on this volume ({stage}): not starting on what is half restored; the restore brings it to its end or \
         the previous data back"
    )]
    Restoring {
        /// How far it is.
        stage: String,
    },
    /// Data of another major version, where this version's should be.
    #[error(
        "{path} holds data of PostgreSQL {found}, and this cluster runs {wanted}: not starting, so that nothing is lost; \
         a major upgrade is a step of its own"
    )]
    OtherVersion {
        /// Where it was found.
        path: PathBuf,
        /// Its `PG_VERSION`.
        found: String,
        /// `spec.postgresVersion`.
        wanted: String,
    },
    /// The image has another PostgreSQL than the cluster wants.
    #[error(
        "the image has PostgreSQL {found}, and this cluster runs {wanted}: choose an image of that version"
    )]
    OtherImage {
        /// What `postgres --version` says.
        found: String,
        /// `spec.postgresVersion`.
        wanted: String,
    },
    /// PostgreSQL would refuse to start on a directory that is not its own.
    #[error("{path} belongs to user {owner}, and this container runs as user {user}")]
    OtherOwner {
        /// The data directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// libpq and PostgreSQL would refuse the key.
    #[error(
        "private key {path} has mode {mode:o} and owner {owner}: it must be 0600, or 0640 and owned by root"
    )]
    OpenKey {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
}

impl PostgresError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::Path { .. } | Self::OtherOwner { .. } | Self::OpenKey { .. } => "volume",
            Self::Restoring { .. } => "restore",
            Self::OtherVersion { .. } | Self::OtherImage { .. } => "version",
        }
    }

    fn path(path: &Path, source: io::Error) -> Self {
        Self::Path {
            path: path.to_owned(),
            source,
        }
    }
}

/// What has to be ready.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// `PGDATA`.
    pub data: PathBuf,
    /// Major version, such as `18`.
    pub version: String,
    /// Directory of the WAL, outside `data`; made by initdb, not by us.
    pub wal: PathBuf,
    /// Where tablespaces belong: a directory on each of their volumes.
    pub tablespaces: Vec<PathBuf>,
    /// Directory of the Unix socket.
    pub socket: PathBuf,
    /// Private keys that PostgreSQL and libpq will read.
    pub keys: Vec<PathBuf>,
    /// Where the data and the WAL of a volume that was taken over are, by name, until they are moved.
    pub adopted: (Option<String>, Option<String>),
}

impl Layout {
    /// Reads it from environment variables.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let data = PathBuf::from(environment::required(&read, "PGDATA")?);
        let version = environment::required(&read, "HOLDFAST_POSTGRES_VERSION")?;
        let volume = data.parent().map(Path::to_owned).unwrap_or_default();
        let socket = environment::optional(&read, "PGHOST").unwrap_or_else(|| "/tmp/postgres".to_owned());
        Ok(Self {
            wal: environment::optional(&read, "HOLDFAST_WAL_DIRECTORY")
                .map_or_else(|| volume.join(format!("pg{version}_wal")), PathBuf::from),
            tablespaces: environment::tablespaces(&read),
            adopted: (
                environment::optional(&read, "HOLDFAST_ADOPTED_DATA"),
                environment::optional(&read, "HOLDFAST_ADOPTED_WAL"),
            ),
            data,
            version,
            socket: socket.into(),
            keys: ["/pgconf/tls/tls.key", "/pgconf/tls/replication/tls.key"]
                .map(PathBuf::from)
                .into(),
        })
    }

    /// Roots of the volumes that hold tables.
    #[must_use]
    pub fn volumes(&self) -> Vec<&Path> {
        let tablespaces = self.tablespaces.iter().filter_map(|place| place.parent());
        [self.volume()].into_iter().chain(tablespaces).collect()
    }

    /// Root of the data volume, where the data directory lies.
    #[must_use]
    pub fn volume(&self) -> &Path {
        self.data.parent().unwrap_or(Path::new("/"))
    }
}

/// Makes a directory that PostgreSQL accepts as its own, if it is not there.
pub fn make_private(path: &Path) -> io::Result<()> {
    make(path, 0o700)
}

/// Makes the volumes ready and becomes Patroni; returns only when that is not possible.
#[must_use]
pub fn run() -> PostgresError {
    let layout = match Layout::read(environment::variable) {
        Ok(layout) => layout,
        Err(error) => return error.into(),
    };
    let checked = image_version(&layout.version).and_then(|()| prepare(&layout));
    if let Err(error) = checked {
        return error;
    }
    let configuration = Path::new("/etc/patroni");
    tracing::info!(data = %layout.data.display(), wal = %layout.wal.display(), "ready: starting Patroni");
    let error = Command::new("patroni").arg(configuration).exec();
    PostgresError::path(Path::new("patroni"), error)
}

/// Checks and makes directories. Idempotent.
pub fn prepare(layout: &Layout) -> Result<(), PostgresError> {
    let volume = layout.volume();
    let journal = Journal::read(volume).map_err(|source| PostgresError::path(volume, source))?;
    if let Some(journal) = journal.filter(|journal| !journal.stage.is_over()) {
        let stage = format!("{:?}", journal.stage).to_lowercase();
        return Err(PostgresError::Restoring { stage });
    }
    adoption::take_over(layout)?;
    data_directory::check_versions(layout)?;
    data_directory::prepare(layout)?;
    for directory in ["pgbackrest-spool", "pgbackrest-lock"] {
        make_directory(&volume.join(directory), 0o750)?;
    }
    for tablespace in &layout.tablespaces {
        make_directory(tablespace, 0o700)?;
    }
    make_directory(&layout.socket, 0o755)?;
    for key in &layout.keys {
        key_file::check(key)?;
    }
    Ok(())
}

fn image_version(wanted: &str) -> Result<(), PostgresError> {
    let program = Path::new("postgres");
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|source| PostgresError::path(program, source))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major_version(&text) {
        Some(found) if found != wanted => Err(PostgresError::OtherImage {
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// `postgres (PostgreSQL) 18.6 (Debian 18.6-1)` is 18, `… 19beta1` is 19.
fn major_version(text: &str) -> Option<&str> {
    let number = text.split_once("(PostgreSQL) ")?.1;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..end).filter(|major| !major.is_empty())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), PostgresError> {
    if !path.is_dir() {
        make(path, mode).map_err(|source| PostgresError::path(path, source))?;
    }
    Ok(())
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests;
