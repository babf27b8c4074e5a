//! `spec.options` of a backup: written as for a shell, checked, and handed to pgBackRest as an argument list.
//!
//! Upstream pastes these texts into a shell command, so users quote them (`--annotation="a"="b"`). They are split
//! and unquoted here by a shell's rules with no shell involved: nothing is expanded or run. What may pass is a list:
//! everything that chooses a repository, a server, a file or a credential is decided by the cluster and refused.

use std::str::FromStr as _;

use super::label::BackupType;

/// Options with a value.
const VALUED: &[&str] = &[
    "annotation",
    "archive-timeout",
    "backup-standby",
    "buffer-size",
    "compress-level",
    "compress-level-network",
    "compress-type",
    "db-timeout",
    "exclude",
    "io-timeout",
    "manifest-save-threshold",
    "priority",
    "process-max",
    "protocol-timeout",
    "tcp-keep-alive-count",
    "tcp-keep-alive-idle",
    "tcp-keep-alive-interval",
    "type",
];

/// Options that are on, or off with `no-` before them.
const SWITCHES: &[&str] = &[
    "archive-check",
    "archive-copy",
    "archive-mode-check",
    "backup-standby",
    "checksum-page",
    "delta",
    "expire-auto",
    "page-header-check",
    "resume",
    "sck-keep-alive",
    "start-fast",
];

/// Annotations under this prefix are ours, for finding a backup again.
const OUR_ANNOTATIONS: &str = "percona.com/";

/// Why options are refused. The text names the option and the reason; values are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// A quote without its end, or a backslash at the end.
    #[error("option {position} of spec.options has a quote without its end")]
    Unbalanced {
        /// Counted from 1.
        position: usize,
    },
    /// A word that is no option.
    #[error("'{word}' in spec.options is no option of pgBackRest: options begin with '--'")]
    NotAnOption {
        /// The word's beginning.
        word: String,
    },
    /// An option that is not the user's to give.
    #[error("option '--{option}' may not be given in spec.options: {reason}")]
    Refused {
        /// Its name.
        option: String,
        /// Why.
        reason: &'static str,
    },
    /// A value is missing or wrong.
    #[error("option '--{option}' in spec.options {problem}")]
    Value {
        /// Its name.
        option: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl OptionError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-options"
    }
}

/// Options of a backup that may be handed to pgBackRest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupOptions {
    arguments: Vec<String>,
    backup_type: Option<BackupType>,
}

impl BackupOptions {
    /// Checks the list of `spec.options`.
    pub fn parse<S: AsRef<str>>(options: &[S]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        let mut words = split(options)?.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(body) = word.strip_prefix("--").filter(|body| !body.is_empty()) else {
                return Err(OptionError::NotAnOption {
                    word: word.chars().take(40).collect(),
                });
            };
            let (name, mut value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            if value.is_none() && VALUED.contains(&name) {
                value = words.next_if(|next| !next.starts_with("--"));
            }
            parsed.add(name, value)?;
        }
        Ok(parsed)
    }

    /// The arguments, each `--name` or `--name=value`, for an argument vector and never for a shell.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// `--type`, where it is given; pgBackRest's default is incremental.
    #[must_use]
    pub fn backup_type(&self) -> Option<BackupType> {
        self.backup_type
    }

    fn add(&mut self, name: &str, value: Option<String>) -> Result<(), OptionError> {
        let bare = name.strip_prefix("no-").unwrap_or(name);
        if let Some(reason) = refusal(bare) {
            return Err(OptionError::Refused {
                option: shown(name),
                reason,
            });
        }
        let wrong = |problem| {
            Err(OptionError::Value {
                option: shown(name),
                problem,
            })
        };
        match value {
            Some(value) if VALUED.contains(&name) => {
                if value.is_empty() || value.contains('\0') {
                    return wrong("has no value");
                }
                match name {
                    "annotation" => check_annotation(&value)?,
                    "type" if self.backup_type.is_some() => return wrong("is given twice"),
                    "type" => match BackupType::from_str(&value) {
                        Ok(backup_type) => self.backup_type = Some(backup_type),
                        Err(_) => return wrong("must be full, diff or incr"),
                    },
                    _ => {}
                }
                self.arguments.push(format!("--{name}={value}"));
            }
            Some(value) if SWITCHES.contains(&name) => match value.as_str() {
                "y" => self.arguments.push(format!("--{name}")),
                "n" => self.arguments.push(format!("--no-{name}")),
                _ => return wrong("is a switch: '--option' or '--no-option'"),
            },
            Some(_) if SWITCHES.contains(&bare) => return wrong("takes no value"),
            None if SWITCHES.contains(&bare) => self.arguments.push(format!("--{name}")),
            None if VALUED.contains(&name) => return wrong("needs a value"),
            _ => {
                let reason = "it is not among the options that a backup takes";
                return Err(OptionError::Refused {
                    option: shown(name),
                    reason,
                });
            }
        }
        Ok(())
    }
}

/// Splits texts into words by a shell's rules. Each text may hold several words; nothing is expanded.
pub fn split<S: AsRef<str>>(texts: &[S]) -> Result<Vec<String>, OptionError> {
    let mut words = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let more = shlex::split(text.as_ref()).ok_or(OptionError::Unbalanced { position: index + 1 })?;
        words.extend(more);
    }
    Ok(words)
}

fn check_annotation(value: &str) -> Result<(), OptionError> {
    let wrong = |problem| {
        Err(OptionError::Value {
            option: "annotation".into(),
            problem,
        })
    };
    match value.split_once('=') {
        Some((key, _)) if key.trim_start().starts_with(OUR_ANNOTATIONS) => Err(OptionError::Refused {
            option: shown(&format!("annotation={key}")),
            reason: "annotations under percona.com/ are the operator's, by which it finds its backups",
        }),
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok(()),
        _ => wrong("must be of the form key=value"),
    }
}

/// Families of options that are never the user's to give, each with its reason.
fn refusal(option: &str) -> Option<&'static str> {
    let starts = |prefix: &str| option.starts_with(prefix);
    let secret = ["-key", "-key-secret", "-cipher-pass", "-token", "-passphrase"]
        .iter()
        .any(|end| option.ends_with(end));
    Some(if secret {
        "credentials belong in a Secret of spec.backups.pgbackrest.configuration, where no argument list shows them"
    } else if starts("repo") {
        "the repository is spec.repoName, and its settings belong in spec.backups.pgbackrest.global"
    } else if option == "stanza" {
        "the stanza of a cluster is always 'db'"
    } else if starts("pg") {
        "the instances are those of the cluster"
    } else if starts("config") || starts("cmd") {
        "the configuration is that of the cluster"
    } else if option == "lock-path" {
        "the lock path is watched for progress"
    } else if starts("log") {
        "the output is read by the operator"
    } else if option == "online" || option == "force" {
        "a backup is always taken from a running PostgreSQL"
    } else if option == "allow-root" {
        "nothing here runs as root"
    } else if starts("tls-") {
        "the certificates are those of the cluster"
    } else {
        return None;
    })
}

/// A name short enough for a message, without control characters.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests;
