//! Which options a command takes from a user. A list: what is not on it is refused.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::known::{Known, find};
use super::{OptionError, shown, split};

/// What one command takes.
pub(in crate::domain) struct Admission {
    /// The options that a user may give.
    pub known: &'static [Known],
    /// Why an option is not the user's to give, where that can be said of it.
    pub refusal: fn(&str) -> Option<&'static str>,
    /// Why all others are refused.
    pub others: &'static str,
    /// What is wrong with the value of one option in particular.
    pub check: fn(&str, &str) -> Result<(), OptionError>,
}

/// An option that may be given.
pub(in crate::domain) struct Admitted {
    /// Its name, without `no-`.
    pub name: &'static str,
    /// Its value, where it has one.
    pub value: Option<String>,
    /// `--name` or `--name=value`, for an argument vector and never for a shell.
    pub argument: String,
}

impl Admission {
    /// The options in these texts, in their order, each or what is wrong with it.
    pub fn admit<S: AsRef<str>>(
        &self,
        texts: &[S],
    ) -> Result<impl Iterator<Item = Result<Admitted, OptionError>>, OptionError> {
        let mut words = split(texts)?.into_iter().peekable();
        let mut given = Vec::new();
        Ok(std::iter::from_fn(move || {
            let word = words.next()?;
            let (name, value) = match self.named(&word, &mut words) {
                Ok(named) => named,
                Err(error) => return Some(Err(error)),
            };
            let admitted = self.one(name, value, &given);
            given.extend(admitted.as_ref().map(|option| option.name));
            Some(admitted)
        }))
    }

    /// Name and value of an option. The word behind one that wants a value is its value.
    fn named<'a>(
        &self,
        word: &'a str,
        words: &mut Peekable<IntoIter<String>>,
    ) -> Result<(&'a str, Option<String>), OptionError> {
        let Some(body) = word.strip_prefix("--").filter(|body| !body.is_empty()) else {
            return Err(OptionError::NotAnOption {
                word: word.chars().take(40).collect(),
            });
        };
        if let Some((name, value)) = body.split_once('=') {
            return Ok((name, Some(value.to_owned())));
        }
        let wants_value = find(self.known, body).is_some_and(|known| known.value.is_wanted());
        let value = words.next_if(|next| wants_value && !next.starts_with("--"));
        Ok((body, value))
    }

    fn one(
        &self,
        name: &str,
        value: Option<String>,
        given: &[&'static str],
    ) -> Result<Admitted, OptionError> {
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
        if let Some(reason) = (self.refusal)(bare) {
            return refuse(reason);
        }
        let Some(known) = find(self.known, bare).filter(|_| !name.starts_with("reset-")) else {
            return refuse(self.others);
        };
        let wrong = |problem: String| OptionError::Value {
            option: shown(name),
            problem,
        };
        if !known.repeats && given.contains(&known.name) {
            return Err(wrong("is given twice".to_owned()));
        }
        if let Some(value) = &value {
            (self.check)(known.name, value)?;
        }
        let argument = known
            .value
            .argument(name, bare, value.as_deref())
            .map_err(wrong)?;
        Ok(Admitted {
            name: known.name,
            value,
            argument,
        })
    }
}
