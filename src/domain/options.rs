//! `spec.options` of a backup: written as for a shell, checked, and handed to pgBackRest as an argument list.
//!
//! Upstream pastes these texts into a shell command, so users quote them (`--annotation="a"="b"`). They are split
//! and unquoted here by a shell's rules with no shell involved: nothing is expanded or run. What may pass is a list:
//! everything that chooses a repository, a server, a file or a credential is decided by the cluster and refused.

mod known;
mod refused;

use std::str::FromStr as _;

pub(in crate::domain) use self::known::{DAY, Known, SECOND, Value, find, many, one};
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
        for word in named(options, |name| find(known::KNOWN, name))? {
            let (name, value) = word?;
            parsed.add(&name, value)?;
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

    fn add(&mut self, name: &str, value: Option<String>) -> Result<(), OptionError> {
        let bare = name
            .strip_prefix("no-")
            .or_else(|| name.strip_prefix("reset-"))
            .unwrap_or(name);
        let refuse = |reason| {
            Err(OptionError::Refused {
                option: shown(name),
                reason,
            })
        };
        if let Some(reason) = refused::reason(bare) {
            return refuse(reason);
        }
        let Some(known) = find(known::KNOWN, bare).filter(|_| !name.starts_with("reset-")) else {
            return refuse("it is not among the options that a backup takes, by their full names");
        };
        let wrong = |problem: String| OptionError::Value {
            option: shown(name),
            problem,
        };
        if !known.repeats && self.given.contains(&known.name) {
            return Err(wrong("is given twice".to_owned()));
        }
        if let Some(value) = &value {
            check(known.name, value)?;
        }
        let argument = known
            .value
            .argument(name, bare, value.as_deref())
            .map_err(wrong)?;
        if known.name == "type" {
            self.backup_type = value.and_then(|value| BackupType::from_str(&value).ok());
        }
        self.given.push(known.name);
        self.arguments.push(argument);
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

/// Name and value of an option, or what is wrong with a word in its place.
type Named = Result<(String, Option<String>), OptionError>;

/// The options in these texts, in their order. The word behind one that wants a value is its value.
pub(in crate::domain) fn named<S: AsRef<str>>(
    texts: &[S],
    known: impl Fn(&str) -> Option<&'static Known>,
) -> Result<Vec<Named>, OptionError> {
    let mut found = Vec::new();
    let mut words = split(texts)?.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(body) = word.strip_prefix("--").filter(|body| !body.is_empty()) else {
            found.push(Err(OptionError::NotAnOption {
                word: word.chars().take(40).collect(),
            }));
            continue;
        };
        let (name, mut value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        if value.is_none() && known(name).is_some_and(|known| known.value.is_wanted()) {
            value = words.next_if(|next| !next.starts_with("--"));
        }
        found.push(Ok((name.to_owned(), value)));
    }
    Ok(found)
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
