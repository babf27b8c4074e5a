//! Options that are never the user's to give, each with the reason, by families: what is new in a family is refused too.

/// PostgreSQL's own in its data directory: a backup without one of them cannot be restored.
const NEEDED: &[&str] = &[
    "PG_VERSION",
    "backup_label",
    "base",
    "global",
    "pg_commit_ts",
    "pg_logical",
    "pg_multixact",
    "pg_tblspc",
    "pg_twophase",
    "pg_xact",
    "tablespace_map",
];

/// Why an option, without `no-` or `reset-` before it, may not be given.
pub(super) fn reason(option: &str) -> Option<&'static str> {
    let starts = |prefix: &str| option.starts_with(prefix);
    let is = |names: &[&str]| names.contains(&option);
    Some(if is_secret(option) {
        "credentials belong in a Secret of spec.backups.pgbackrest.configuration, where no argument list shows them"
    } else if is(&["expire-auto"]) || starts("retention-") || is_retention(option) {
        "what a backup removes is decided by the retention of its repository, in spec.backups.pgbackrest.global"
    } else if starts("repo") || starts("backup-host") || is(BACKUP_HOST) || is(&["hardlink"]) {
        "the repository is spec.repoName, and its settings belong in spec.backups.pgbackrest.global"
    } else if is(&["stanza"]) {
        "the stanza of a cluster is always 'db'"
    } else if starts("pg") || is_former_name_of_an_instance(option) {
        "the instances are those of the cluster"
    } else if starts("config") || starts("cmd") {
        "the configuration is that of the cluster"
    } else if is(&["lock-path"]) {
        "the lock path is watched for progress"
    } else if is(&["spool-path"]) {
        "the directories of pgBackRest are those of the cluster"
    } else if starts("log") {
        "the output is read by the operator"
    } else if is(&["online", "force"]) {
        "a backup is always taken from a running PostgreSQL"
    } else if is(&["allow-root"]) {
        "nothing here runs as root"
    } else if is(&["neutral-umask"]) {
        "the repository host must be able to read what a backup writes"
    } else if starts("tls-") {
        "the certificates and ciphers are those of the cluster"
    } else if is(&[
        "exec-id",
        "process",
        "lock",
        "remote-type",
        "stop-auto",
        "sck-block",
        "beta",
    ]) {
        "it is pgBackRest's own and not for users"
    } else if is(&["compress"]) {
        "it is a former name: --compress-type=none is what --no-compress was"
    } else {
        return None;
    })
}

/// Former names of options of the repository's host.
const BACKUP_HOST: &[&str] = &["backup-cmd", "backup-config", "backup-ssh-port", "backup-user"];

fn is_secret(option: &str) -> bool {
    ["-key", "-key-secret", "-cipher-pass", "-token", "-passphrase"]
        .iter()
        .any(|end| option.ends_with(end))
}

fn is_retention(option: &str) -> bool {
    option.starts_with("repo") && option.contains("-retention-")
}

/// `db-path`, `db2-host`, … were `pgN-…`; `db-timeout` is none of them.
fn is_former_name_of_an_instance(option: &str) -> bool {
    let Some((head, rest)) = option.split_once('-') else {
        return false;
    };
    let number = head.strip_prefix("db");
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        && [
            "path",
            "host",
            "cmd",
            "config",
            "ssh-port",
            "user",
            "port",
            "socket-path",
        ]
        .contains(&rest)
}

/// Why a variable of the environment may not be set where pgBackRest takes a backup: `PGBACKREST_PG1_HOST` would turn it
/// to another server, as `--pg1-host` would. Settings and credentials of repositories may come this way.
#[must_use]
pub fn refused_variable(name: &str) -> Option<&'static str> {
    let option = name
        .strip_prefix("PGBACKREST_")?
        .to_ascii_lowercase()
        .replace('_', "-");
    let is = |names: &[&str]| names.contains(&option.as_str());
    let misleads = is(&[
        "stanza",
        "repo",
        "lock-path",
        "online",
        "force",
        "compress",
        "stop-auto",
    ]) || is(&["exec-id", "process", "lock", "remote-type"])
        || ["pg", "config", "cmd"]
            .iter()
            .any(|family| option.starts_with(family))
        || is_former_name_of_an_instance(&option);
    misleads.then(|| reason(&option)).flatten()
}

/// Why a path may not be left out of a backup.
pub(super) fn excluded(path: &str) -> Option<&'static str> {
    let first = path
        .split('/')
        .find(|part| !part.is_empty() && *part != ".")
        .unwrap_or_default();
    if path.split('/').any(|part| part == "..") || path.starts_with('/') {
        Some("must be a path below the data directory")
    } else if first.is_empty() || NEEDED.contains(&first) {
        Some("would leave out what PostgreSQL cannot be restored without")
    } else {
        None
    }
}
