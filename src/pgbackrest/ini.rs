//! The ini dialect of pgBackRest's configuration files, as users write it in their Secrets.
//!
//! `[section]`, `key=value`, comments that start with `#`; blanks around keys and values do not count; there is
//! no quoting. A key may be given several times (for list options). Files hold credentials, so neither `Debug`
//! nor an error shows a value. Info files (`backup.info`) are stricter and are read by `info_file`.

use std::fmt;

/// Why a text is not such a file. Lines count from 1; no variant carries content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IniError {
    /// A line is neither a section, a comment nor `key=value`.
    #[error("line {line}: neither [section], key=value nor a comment")]
    Malformed {
        /// The line.
        line: usize,
    },
    /// A key comes before the first section.
    #[error("line {line}: a key outside of any [section]")]
    NoSection {
        /// The line.
        line: usize,
    },
    /// A key has no value, which pgBackRest refuses.
    #[error("line {line}: key '{key}' has no value")]
    NoValue {
        /// The line.
        line: usize,
        /// The key.
        key: String,
    },
}

impl IniError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-configuration"
    }
}

/// One `key=value` with the section it stands in.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    section: String,
    key: String,
    value: String,
}

/// A parsed file, in file order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ini {
    entries: Vec<Entry>,
}

impl Ini {
    /// Reads a configuration file.
    pub fn parse(text: &str) -> Result<Self, IniError> {
        let mut section: Option<String> = None;
        let mut entries = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let line = index + 1;
            let trimmed = raw.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if let Some(rest) = trimmed.strip_prefix('[') {
                let name = rest.strip_suffix(']').ok_or(IniError::Malformed { line })?;
                section = Some(name.to_owned());
                continue;
            }
            let (key, value) = trimmed.split_once('=').ok_or(IniError::Malformed { line })?;
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            if key.is_empty() {
                return Err(IniError::Malformed { line });
            }
            if value.is_empty() {
                return Err(IniError::NoValue { line, key });
            }
            let section = section.clone().ok_or(IniError::NoSection { line })?;
            entries.push(Entry { section, key, value });
        }
        Ok(Self { entries })
    }

    /// The value of a key, the first one where several are given.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).next()
    }

    /// All values of a key, in file order.
    pub fn values(&self, section: &str, key: &str) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |entry| entry.section == section && entry.key == key)
            .map(|entry| entry.value.as_str())
    }

    /// Every (section, key), in file order, repeated keys repeated.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (entry.section.as_str(), entry.key.as_str()))
    }
}

impl fmt::Debug for Ini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: &str =
        "# credentials\n[global]\nrepo1-s3-key = AK\nrepo1-s3-key-secret=a=b c\n\n[db]\npg1-user=x\n";

    #[test]
    fn sections_keys_and_values_are_read_as_pgbackrest_does() {
        let ini = Ini::parse(CLOUD).unwrap();
        assert_eq!(ini.get("global", "repo1-s3-key"), Some("AK"));
        assert_eq!(ini.get("global", "repo1-s3-key-secret"), Some("a=b c"));
        assert_eq!(ini.get("db", "pg1-user"), Some("x"));
        assert_eq!(ini.get("db", "repo1-s3-key"), None);
    }

    #[test]
    fn a_repeated_key_keeps_all_its_values() {
        let ini = Ini::parse("[global]\ntls-server-auth=a=db\ntls-server-auth=b=*\n").unwrap();
        assert_eq!(
            ini.values("global", "tls-server-auth").collect::<Vec<_>>(),
            ["a=db", "b=*"]
        );
    }

    #[test]
    fn errors_name_the_line_and_never_the_value() {
        assert_eq!(Ini::parse("x=1"), Err(IniError::NoSection { line: 1 }));
        assert_eq!(
            Ini::parse("[global]\nsecret"),
            Err(IniError::Malformed { line: 2 })
        );
        assert_eq!(Ini::parse("[global\n"), Err(IniError::Malformed { line: 1 }));
        let error = Ini::parse("[global]\nrepo1-path=").unwrap_err();
        assert_eq!(error.to_string(), "line 2: key 'repo1-path' has no value");
    }

    #[test]
    fn debug_shows_keys_without_values() {
        let shown = format!("{:?}", Ini::parse(CLOUD).unwrap());
        assert!(shown.contains("repo1-s3-key-secret"), "{shown}");
        assert!(!shown.contains("a=b c"), "{shown}");
    }
}
