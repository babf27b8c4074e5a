//! `spec.options` of a restore: read into a target and a backup, and the rest handed to pgBackRest as an argument list.
//!
//! What chooses a repository, a server, a directory or what happens at the target is the operator's to say and refused, as for a backup.

use std::str::FromStr as _;

use super::target::{Stop, Target, TargetError, Timeline};
use crate::domain::label::Label;
use crate::domain::options::{Admission, Admitted, DAY, Known, OptionError, SECOND, Value, many, one};

/// The options that a user may give, each with what pgBackRest 2.60 takes.
const KNOWN: &[Known] = &[
    one("buffer-size", Value::Buffer),
    one("compress-level-network", Value::Number(-5, 12)),
    many("db-exclude", Value::Text),
    many("db-include", Value::Text),
    one("delta", Value::Switch),
    one("io-timeout", Value::Time(100, DAY / 24)),
    one("job-retry", Value::Number(0, 360)),
    one("job-retry-interval", Value::Time(0, 15 * 60 * SECOND)),
    one("priority", Value::Number(0, 19)),
    one("process-max", Value::Number(1, 999)),
    one("protocol-timeout", Value::Time(100, 7 * DAY)),
    one("sck-keep-alive", Value::Switch),
    one("set", Value::Text),
    one("target", Value::Text),
    one("target-exclusive", Value::Switch),
    one("target-timeline", Value::Text),
    one("tcp-keep-alive-count", Value::Number(1, 32)),
    one("tcp-keep-alive-idle", Value::Number(1, 3600)),
    one("tcp-keep-alive-interval", Value::Number(1, 900)),
    one(
        "type",
        Value::Word(&["default", "immediate", "lsn", "name", "time", "xid"]),
    ),
];

/// Options by which a repository, a place or the end of a recovery would be chosen, each with the reason why they are not the user's.
fn refusal(option: &str) -> Option<&'static str> {
    let starts = |prefix: &str| option.starts_with(prefix);
    Some(match option {
        "stanza" => "the stanza of a cluster is always 'db'",
        "target-action" => "a restored database is checked before it takes writes, and takes them then",
        "archive-mode" => "archiving is off until the restored database was checked, and on from then",
        "recovery-option" => "the settings of a recovery are written by the operator, which watches it",
        "link-map" | "link-all" | "tablespace-map" | "tablespace-map-all" => {
            "where files lie is said by the cluster's claims"
        }
        "force" => "what may be overwritten is decided by what is known of the data directory",
        _ if starts("repo") => {
            "the repository is spec.repoName, and its settings belong in spec.backups.pgbackrest.global"
        }
        _ if starts("pg") || starts("recovery-") => "the instance is the cluster's",
        _ if starts("config") || starts("cmd") => "the configuration is that of the cluster",
        _ if starts("log") => "the output is read by the operator",
        _ if starts("lock") || starts("spool") => "the directories of pgBackRest are those of the cluster",
        _ if starts("tls-") => "the certificates and ciphers are those of the cluster",
        _ => return None,
    })
}

/// What a restore takes.
const ADMISSION: Admission = Admission {
    known: KNOWN,
    refusal,
    others: "it is not among the options that a restore takes, by their full names",
    check: |_, _| Ok(()),
};

/// What a user asks of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreOptions {
    /// Where it stops.
    pub target: Target,
    /// The backup that it is to begin from.
    pub set: Option<Label>,
    /// `--delta` or `--no-delta`, where it is given.
    pub delta: Option<bool>,
    /// What else is handed to pgBackRest, for an argument vector and never for a shell.
    pub arguments: Vec<String>,
}

impl RestoreOptions {
    /// Checks the list of `spec.options`.
    pub fn parse<S: AsRef<str>>(options: &[S]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        let mut kind = None;
        let mut target = None;
        for option in ADMISSION.admit(options)? {
            let Admitted {
                name,
                value,
                argument,
            } = option?;
            let wrong = |error: &dyn std::fmt::Display| OptionError::Value {
                option: name.to_owned(),
                problem: format!("is wrong: {error}"),
            };
            match (name, value) {
                ("type", value) => kind = value,
                ("target", value) => target = value,
                ("target-timeline", Some(value)) => {
                    parsed.target.timeline = Timeline::read(&value).map_err(|error| wrong(&error))?;
                }
                ("target-exclusive", _) => parsed.target.exclusive = !argument.starts_with("--no-"),
                ("set", Some(value)) if value == "latest" => {}
                ("set", Some(value)) => {
                    parsed.set = Some(Label::from_str(&value).map_err(|error| wrong(&error))?);
                }
                ("delta", _) => parsed.delta = Some(!argument.starts_with("--no-")),
                _ => parsed.arguments.push(argument),
            }
        }
        parsed.target.stop = stop(kind.as_deref(), target.as_deref())?;
        if parsed.target.exclusive
            && !matches!(parsed.target.stop, Stop::Time(_) | Stop::Lsn(_) | Stop::Xid(_))
        {
            return Err(OptionError::Value {
                option: "target-exclusive".to_owned(),
                problem: "has a meaning with --type=time, lsn or xid only".to_owned(),
            });
        }
        Ok(parsed)
    }
}

fn stop(kind: Option<&str>, target: Option<&str>) -> Result<Stop, OptionError> {
    let wrong = |option: &str, problem: String| OptionError::Value {
        option: option.to_owned(),
        problem,
    };
    let kind = kind.unwrap_or("default");
    let wants_target = !matches!(kind, "default" | "immediate");
    match target {
        None if wants_target => {
            return Err(wrong(
                "type",
                format!("'{kind}' needs --target, which says where to stop"),
            ));
        }
        Some(_) if !wants_target => {
            return Err(wrong(
                "target",
                "needs --type=time, lsn, xid or name, which says how to read it".to_owned(),
            ));
        }
        _ => {}
    }
    let read = Stop::read(kind, target.unwrap_or_default());
    let told = |error: TargetError| wrong("target", format!("is wrong: {error}"));
    // The list of types has no other.
    Ok(read.map_err(told)?.unwrap_or(Stop::Latest))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::wal::Lsn;

    fn parse(options: &[&str]) -> RestoreOptions {
        RestoreOptions::parse(options).unwrap()
    }

    #[test]
    fn what_upstreams_users_write_is_understood() {
        let parsed = parse(&["--type=time", r#"--target="2022-11-30 15:12:11+03""#]);
        let expected = "2022-11-30T12:12:11Z".parse().unwrap();
        assert_eq!(parsed.target, Target::of(Stop::Time(expected)));
        assert_eq!((parsed.set, parsed.delta), (None, None));
        assert!(parsed.arguments.is_empty());
        assert_eq!(parse(&[]).target, Target::default());
        assert_eq!(
            parse(&["--type=immediate --set=latest"]).target.stop,
            Stop::Immediate
        );
    }

    #[test]
    fn target_backup_branch_and_the_rest_are_told_apart() {
        let parsed = parse(&[
            "--type=lsn --target 0/5000028 --target-exclusive",
            "--target-timeline=2 --set=20261121-013455F_20261122-013000I",
            "--no-delta --db-include=shop --db-include=crm --process-max=4",
        ]);
        assert_eq!(
            parsed.target,
            Target {
                stop: Stop::Lsn(Lsn(0x500_0028)),
                exclusive: true,
                timeline: Timeline::Number(2),
            }
        );
        assert_eq!(
            parsed.set.as_ref().map(Label::as_str),
            Some("20261121-013455F_20261122-013000I")
        );
        assert_eq!(parsed.delta, Some(false));
        assert_eq!(
            parsed.arguments,
            ["--db-include=shop", "--db-include=crm", "--process-max=4"]
        );
    }

    #[rstest]
    #[case("--repo=2")]
    #[case("--repo1-path=/other")]
    #[case("--stanza=other")]
    #[case("--pg1-path=/tmp")]
    #[case("--target-action=shutdown")]
    #[case("--link-map=pg_wal=/wal")]
    #[case("--recovery-option=archive_cleanup_command=rm")]
    #[case("--archive-mode=off")]
    #[case("--force")]
    #[case("--log-level-console=off")]
    #[case("--no-such-option")]
    fn what_is_not_the_users_to_say_is_refused_with_the_reason(#[case] option: &str) {
        assert!(
            matches!(RestoreOptions::parse(&[option]), Err(OptionError::Refused { .. })),
            "{option}"
        );
    }

    #[rstest]
    #[case(&["--type=time"])]
    #[case(&["--target=0/5000028"])]
    #[case(&["--type=immediate", "--target=0/5000028"])]
    #[case(&["--type=standby"])]
    #[case(&["--type=time", "--target=noon"])]
    #[case(&["--type=name", "--target=here", "--target-exclusive"])]
    #[case(&["--set=yesterday"])]
    #[case(&["--set=20261121-013455F", "--set=20261122-013455F"])]
    #[case(&["--target-timeline=newest"])]
    #[case(&["--process-max=0"])]
    fn what_does_not_fit_together_is_refused(#[case] options: &[&str]) {
        assert!(
            matches!(RestoreOptions::parse(options), Err(OptionError::Value { .. })),
            "{options:?}"
        );
    }

    #[test]
    fn a_name_of_several_words_is_one_word_in_quotes() {
        let parsed = parse(&["--type=name", "'--target=before the migration'"]);
        assert_eq!(parsed.target.stop, Stop::Name("before the migration".to_owned()));
        assert!(RestoreOptions::parse(&["--type=name --target=before the"]).is_err());
    }
}
