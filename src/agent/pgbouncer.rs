//! `holdfast agent pgbouncer`: keeps `PgBouncer` running and reloads it when its mounted files change.
//!
//! A reload cuts no connection, also with new certificates. A stop is `PgBouncer`'s safe shutdown (SIGINT):
//! transactions that are under way end first.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::environment;
use super::supervise::Supervised;

/// The configuration, unless `HOLDFAST_PGBOUNCER_INI` names another file.
const CONFIGURATION: &str = "/etc/pgbouncer/pgbouncer.ini";
/// Kubernetes kills after 30 s unless told otherwise.
const GRACE: Duration = Duration::from_secs(25);

/// Runs until `stop` is cancelled. `watched` are further files and directories besides the configuration's own.
pub async fn run(watched: Vec<PathBuf>, stop: CancellationToken) {
    supervised(watched, environment::variable).run(&stop).await;
}

fn supervised(mut watched: Vec<PathBuf>, read: impl Fn(&str) -> Option<String>) -> Supervised {
    let configuration = environment::optional(read, "HOLDFAST_PGBOUNCER_INI")
        .map_or_else(|| PathBuf::from(CONFIGURATION), PathBuf::from);
    watched.extend(configuration.parent().map(PathBuf::from));
    Supervised {
        program: "pgbouncer".into(),
        arguments: vec![configuration.into()],
        watched,
        stop_signal: Signal::INT,
        grace: GRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_the_configuration_is_watched_too() {
        let supervised = supervised(vec!["/tls".into()], |_| Some("/etc/pgbouncer/~x.ini".to_owned()));
        assert_eq!(supervised.arguments, ["/etc/pgbouncer/~x.ini"]);
        assert_eq!(
            supervised.watched,
            [PathBuf::from("/tls"), PathBuf::from("/etc/pgbouncer")]
        );
    }
}
