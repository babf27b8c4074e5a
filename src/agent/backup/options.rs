//! The command line of the backup.

use super::Request;
use crate::agent::environment::{self, EnvironmentError};

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
}
