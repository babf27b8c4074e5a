//! `repoN-retention-…`, as pgBackRest reads them.

use super::PolicyError;
use crate::domain::label::BackupType;
use crate::domain::retention::{ArchivePolicy, FullRetention, Policy};

/// What is kept of the backups and of the WAL of a repository. `get` gives the value of an option.
pub fn retention<'a>(
    repo: &str,
    get: impl Fn(&str) -> Option<&'a str>,
) -> Result<(Policy, ArchivePolicy), PolicyError> {
    let options = Options { repo, get };
    let by_time = options.word(
        "full-type",
        "type of retention: count or time",
        |word| match word {
            "count" => Some(false),
            "time" => Some(true),
            _ => None,
        },
    )?;
    let full = options.number("full")?.map(|number| {
        if by_time == Some(true) {
            FullRetention::Days(number)
        } else {
            FullRetention::Count(number as usize)
        }
    });
    let whole = |number: u32| number as usize;
    let policy = Policy {
        full,
        differential: options.number("diff")?.map(whole),
    };
    let counted = options.word("archive-type", "type of backup: full, diff or incr", |word| {
        word.parse().ok()
    })?;
    let archive = ArchivePolicy {
        counted: counted.unwrap_or(BackupType::Full),
        backups: options.number("archive")?.map(whole),
    };
    Ok((policy, archive))
}

struct Options<'r, F> {
    repo: &'r str,
    get: F,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Options<'_, F> {
    fn number(&self, name: &str) -> Result<Option<u32>, PolicyError> {
        self.word(name, "number above 0", |word| {
            word.parse().ok().filter(|number| *number > 0)
        })
    }

    fn word<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, PolicyError> {
        let option = format!("{}-retention-{name}", self.repo);
        let Some(value) = (self.get)(&option).map(str::trim) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(PolicyError::Retention {
                option,
                value: value.to_owned(),
                expected,
            }),
        }
    }
}
