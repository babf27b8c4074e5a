//! The command line of the backup.

use super::Request;
use crate::agent::environment::{self, EnvironmentError};
use crate::pgbackrest::user_options::UserOptions;

/// The option that says where files are copied from.
const STANDBY: &str = "--backup-standby";

/// Annotation of each backup with the name of its custom resource. Upstream's name.
pub const NAME_ANNOTATION: &str = "percona.com/backup-name";
/// Annotation of each backup with the name of its Job. Upstream's name.
pub const JOB_ANNOTATION: &str = "percona.com/backup-job-name";

/// Whose backup it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Marks {
    /// Name of the custom resource.
    pub name: String,
    /// Name of the Job, unique to one custom resource.
    pub job: String,
}

impl Marks {
    /// Reads `HOLDFAST_BACKUP_NAME` and `HOLDFAST_BACKUP_JOB`.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        Ok(Self {
            name: environment::required(&read, "HOLDFAST_BACKUP_NAME")?,
            job: environment::required(&read, "HOLDFAST_BACKUP_JOB")?,
        })
    }
}

/// All arguments. Ours give way where the user has set the same option, since pgBackRest refuses an option set twice.
pub fn arguments(request: &Request, marks: &Marks) -> Vec<String> {
    let log = [
        ("--log-level-console", "info"),
        ("--log-level-stderr", "off"),
        ("--log-timestamp", "n"),
    ];
    let mut arguments = vec![
        format!("--stanza={}", request.stanza),
        format!("--repo={}", request.repository),
        format!("--annotation={NAME_ANNOTATION}={}", marks.name),
        format!("--annotation={JOB_ANNOTATION}={}", marks.job),
    ];
    arguments.extend(
        request
            .lock_path
            .iter()
            .map(|path| format!("--lock-path={}", path.display())),
    );
    arguments.extend(
        log.iter()
            .filter(|(option, _)| !sets(&request.options, option))
            .map(|(option, value)| format!("{option}={value}")),
    );
    // What retention lets go is the controller's to decide: pgBackRest knows nothing of what is held.
    arguments.push("--no-expire-auto".to_owned());
    arguments.push("backup".to_owned());
    arguments.extend(request.options.iter().cloned());
    arguments
}

/// The same for a backup whose files come from the primary, whatever was asked for.
pub fn arguments_for_primary(request: &Request, marks: &Marks) -> Vec<String> {
    let given = |option: &String| sets(std::slice::from_ref(option), STANDBY);
    let options = request.options.iter().filter(|option| !given(option)).cloned();
    let request = Request {
        options: options.chain([format!("{STANDBY}=n")]).collect(),
        ..request.clone()
    };
    arguments(&request, marks)
}

/// Whether pgBackRest prefers a standby and may do without one: where it must have one, or was told of none, no other way
/// than the wanted one is taken.
pub fn may_do_without_standby(request: &Request, configured: &UserOptions) -> bool {
    let wanted = |option: &&String| sets(std::slice::from_ref(*option), STANDBY);
    if let Some(option) = request.options.iter().rfind(wanted) {
        return *option == format!("{STANDBY}=prefer");
    }
    let of_backup = |section: &str| configured.file_sets(section, "backup-standby");
    !of_backup("global:backup")
        && !of_backup("db:backup")
        && configured.get("backup-standby") == Some("prefer")
}

/// Whether an option is among those of the user: `--x`, `--x=…` or `--no-x`.
fn sets(options: &[String], option: &str) -> bool {
    let negated = option.replacen("--", "--no-", 1);
    options.iter().any(|given| {
        let name = given.split('=').next().unwrap_or_default();
        name == option || name == negated
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgbackrest::ini::Ini;

    fn request(options: &[&str]) -> Request {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Request {
            stanza: "db".into(),
            repository: 2,
            lock_path: None,
            stall: std::time::Duration::from_mins(1),
            options,
        }
    }

    fn marks() -> Marks {
        Marks {
            name: "daily".into(),
            job: "daily-x1".into(),
        }
    }

    #[test]
    fn stanza_repository_and_marks_come_first_and_the_users_options_last() {
        assert_eq!(
            arguments(&request(&["--type=full", "--annotation=a=b c"]), &marks()),
            [
                "--stanza=db",
                "--repo=2",
                "--annotation=percona.com/backup-name=daily",
                "--annotation=percona.com/backup-job-name=daily-x1",
                "--log-level-console=info",
                "--log-level-stderr=off",
                "--log-timestamp=n",
                "--no-expire-auto",
                "backup",
                "--type=full",
                "--annotation=a=b c",
            ]
        );
    }

    #[test]
    fn the_locks_of_a_volume_are_on_it() {
        let request = Request {
            lock_path: Some("/pgbackrest/repo2/lock".into()),
            ..request(&[])
        };
        let arguments = arguments(&request, &marks());
        assert!(arguments.contains(&"--lock-path=/pgbackrest/repo2/lock".to_owned()));
    }

    #[test]
    fn a_log_option_of_the_user_is_not_set_twice() {
        let arguments = arguments(
            &request(&["--log-level-console=detail", "--no-log-timestamp"]),
            &marks(),
        );
        assert_eq!(
            arguments
                .iter()
                .filter(|argument| argument.contains("log-level-console"))
                .count(),
            1
        );
        assert!(!arguments.contains(&"--log-timestamp=n".to_owned()));
    }

    fn configured(file: &str) -> UserOptions {
        UserOptions {
            files: vec![Ini::parse(file).unwrap()],
            ..UserOptions::default()
        }
    }

    #[test]
    fn only_where_a_standby_is_preferred_may_the_primary_be_read_instead() {
        let prefers = configured("[global]\nbackup-standby=prefer\n");
        assert!(may_do_without_standby(&request(&["--type=full"]), &prefers));
        assert!(!may_do_without_standby(&request(&["--backup-standby"]), &prefers));
        assert!(!may_do_without_standby(
            &request(&["--no-backup-standby"]),
            &prefers
        ));
        let must = configured("[global]\nbackup-standby=y\n");
        assert!(!may_do_without_standby(&request(&[]), &must));
        assert!(may_do_without_standby(
            &request(&["--backup-standby=prefer"]),
            &must
        ));
        assert!(!may_do_without_standby(
            &request(&[]),
            &configured("[global]\ndelta=y\n")
        ));
        let of_command = "[global]\nbackup-standby=prefer\n[global:backup]\nbackup-standby=y\n";
        assert!(!may_do_without_standby(&request(&[]), &configured(of_command)));
    }

    #[test]
    fn the_users_wish_for_a_standby_is_replaced_when_the_primary_is_read() {
        let arguments = arguments_for_primary(&request(&["--backup-standby=prefer", "--delta"]), &marks());
        assert_eq!(
            arguments[arguments.len() - 2..],
            ["--delta", "--backup-standby=n"]
        );
        assert!(!arguments.contains(&"--backup-standby=prefer".to_owned()));
    }
}
