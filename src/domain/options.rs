//! `spec.options` of a backup: written as for a shell, checked, and handed to pgBackRest as an argument list.
//!
//! Upstream pastes these texts into a shell command, so users quote them (`--annotation="a"="b"`). They are split
//! and unquoted here by a shell's rules with no shell involved: nothing is expanded or run. What may pass is a list:
//! everything that chooses a repository, a server, a file or a credential is decided by the cluster and refused.

mod admission;
mod known;
mod refused;

use std::str::FromStr as _;

pub(in crate::domain) use self::admission::{Admission, Admitted};
pub(in crate::domain) use self::known::{DAY, Known, SECOND, Value, many, one};
pub use self::refused::refused_variable;
use super::label::BackupType;

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
        problem: String,
    },
}

impl OptionError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-options"
    }
}

/// What a backup takes.
const ADMISSION: Admission = Admission {
    known: known::KNOWN,
    refusal: refused::reason,
    others: "it is not among the options that a backup takes, by their full names",
    check,
};

/// Options of a backup that may be handed to pgBackRest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupOptions {
    arguments: Vec<String>,
    /// Names of the options that they are.
    given: Vec<&'static str>,
    backup_type: Option<BackupType>,
}

impl BackupOptions {
    /// Checks the list of `spec.options`.
    pub fn parse<S: AsRef<str>>(options: &[S]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for option in ADMISSION.admit(options)? {
            let option = option?;
            if option.name == "type" {
                let value = option.value.as_deref();
                parsed.backup_type = value.and_then(|value| BackupType::from_str(value).ok());
            }
            parsed.given.push(option.name);
            parsed.arguments.push(option.argument);
        }
        Ok(parsed)
    }

    /// The arguments, each `--name` or `--name=value`, for an argument vector and never for a shell.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Whether the option of that name is given, in any form.
    #[must_use]
    pub fn gives(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// `--type`, where it is given; pgBackRest's default is incremental.
    #[must_use]
    pub fn backup_type(&self) -> Option<BackupType> {
        self.backup_type
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

/// What is wrong with the value of one option in particular.
fn check(name: &str, value: &str) -> Result<(), OptionError> {
    let wrong = |problem: &str| {
        Err(OptionError::Value {
            option: name.to_owned(),
            problem: problem.to_owned(),
        })
    };
    match (name, value.split_once('=')) {
        ("annotation", Some((key, _))) if key.trim_start().starts_with(OUR_ANNOTATIONS) => {
            Err(OptionError::Refused {
                option: shown(&format!("annotation={key}")),
                reason: "annotations under percona.com/ are the operator's, by which it finds its backups",
            })
        }
        ("annotation", Some((key, value))) if !key.is_empty() && !value.is_empty() => Ok(()),
        ("annotation", _) => wrong("must be of the form key=value"),
        ("exclude", _) => refused::excluded(value).map_or(Ok(()), wrong),
        _ => Ok(()),
    }
}

/// A name short enough for a message, without control characters.
pub(in crate::domain) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests;
