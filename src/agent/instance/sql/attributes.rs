//! Role attributes: what a user wrote in `spec.users[].options`, read strictly, and the `ALTER ROLE` it takes.
//!
//! The text never reaches PostgreSQL as it is: it is read into values, and statements are built from these. Only
//! attributes that are named are compared and set; what somebody set by hand besides them stays.

use super::quote;

/// The text holds something that is not a role attribute.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("role option {0:?} is not known")]
pub struct AttributeError(pub String);

/// Attributes that are to be set, or that are set; `None` is "whatever it is".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes {
    /// Per [`FLAGS`] entry.
    flags: [Option<bool>; FLAGS.len()],
    /// `CONNECTION LIMIT`; -1 is none.
    pub connection_limit: Option<i32>,
    /// `VALID UNTIL`, as text for `timestamptz`.
    pub valid_until: Option<String>,
}

/// Keyword and `pg_authid` column of each boolean attribute.
pub const FLAGS: [(&str, &str); 7] = [
    ("SUPERUSER", "rolsuper"),
    ("CREATEDB", "rolcreatedb"),
    ("CREATEROLE", "rolcreaterole"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

impl Attributes {
    /// Sets one boolean attribute by its keyword; an unknown keyword changes nothing.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: bool) -> Self {
        for (flag, (name, _)) in self.flags.iter_mut().zip(FLAGS) {
            if name == keyword {
                *flag = Some(value);
            }
        }
        self
    }

    /// What a role has: those of [`FLAGS`] in that order, and its connection limit.
    #[must_use]
    pub fn of_role(flags: [Option<bool>; FLAGS.len()], connection_limit: i32) -> Self {
        Self {
            flags,
            connection_limit: Some(connection_limit),
            valid_until: None,
        }
    }

    /// Reads `CREATEDB NOINHERIT CONNECTION LIMIT 5 VALID UNTIL '2027-01-01'`; a later mention wins.
    pub fn parse(text: &str) -> Result<Self, AttributeError> {
        let refuse = |word: &str| AttributeError(word.to_owned());
        let words = shlex::split(text).ok_or_else(|| refuse(text))?;
        let mut words = words.iter();
        let mut attributes = Self::default();
        while let Some(word) = words.next() {
            let upper = word.to_ascii_uppercase();
            let (keyword, value) = match upper.strip_prefix("NO") {
                Some(rest) => (rest, false),
                None => (upper.as_str(), true),
            };
            if FLAGS.iter().any(|(name, _)| *name == keyword) {
                attributes = attributes.with(keyword, value);
                continue;
            }
            let second = words
                .next()
                .map(|word| word.to_ascii_uppercase())
                .unwrap_or_default();
            let argument = words.next();
            match (upper.as_str(), second.as_str(), argument) {
                ("CONNECTION", "LIMIT", Some(limit)) => {
                    attributes.connection_limit = Some(limit.parse().map_err(|_| refuse(limit))?);
                }
                ("VALID", "UNTIL", Some(time)) => attributes.valid_until = Some(time.clone()),
                _ => return Err(refuse(word)),
            }
        }
        Ok(attributes)
    }

    /// The clauses that lead from `current` to these; empty when there is nothing to do.
    /// `valid_until_holds` says whether [`Self::valid_until`] is already so, which only PostgreSQL can tell.
    #[must_use]
    pub fn clauses(&self, current: &Self, valid_until_holds: bool) -> Vec<String> {
        let mut clauses: Vec<String> = FLAGS
            .iter()
            .zip(self.flags.iter().zip(current.flags))
            .filter(|(_, (wanted, is))| wanted.is_some() && **wanted != *is)
            .map(|((keyword, _), (wanted, _))| {
                format!("{}{keyword}", if *wanted == Some(true) { "" } else { "NO" })
            })
            .collect();
        if let Some(limit) = self
            .connection_limit
            .filter(|limit| Some(*limit) != current.connection_limit)
        {
            clauses.push(format!("CONNECTION LIMIT {limit}"));
        }
        if let Some(time) = self.valid_until.as_ref().filter(|_| !valid_until_holds) {
            clauses.push(format!("VALID UNTIL {}", quote::literal(time)));
        }
        clauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_only_differences_are_set() {
        let wanted =
            Attributes::parse("createdb NOINHERIT connection limit 5 VALID UNTIL '2027-01-01 00:00+00'")
                .unwrap();
        let current = Attributes {
            connection_limit: Some(-1),
            ..Attributes::default()
                .with("CREATEDB", true)
                .with("INHERIT", true)
                .with("SUPERUSER", false)
        };
        assert_eq!(
            wanted.clauses(&current, false),
            [
                "NOINHERIT",
                "CONNECTION LIMIT 5",
                "VALID UNTIL '2027-01-01 00:00+00'"
            ]
        );
        assert_eq!(
            wanted.clauses(&current, true).len(),
            2,
            "a time that already holds is not set again"
        );
    }

    #[test]
    fn nothing_wanted_is_nothing_to_do() {
        assert!(
            Attributes::parse("  ")
                .unwrap()
                .clauses(&Attributes::default(), true)
                .is_empty()
        );
    }

    #[test]
    fn what_is_not_an_attribute_is_refused_by_name() {
        for text in [
            "PASSWORD 'x'",
            "CREATEDB; DROP ROLE a",
            "IN ROLE postgres",
            "NO",
            "CONNECTION LIMIT",
            "VALID UNTIL 'x",
        ] {
            assert!(Attributes::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Attributes::parse("LOGIN ADMIN x"),
            Err(AttributeError("ADMIN".into()))
        );
    }

    #[test]
    fn a_quote_in_a_time_stays_inside_its_literal() {
        let wanted = Attributes {
            valid_until: Some("x' SUPERUSER --".into()),
            ..Attributes::default()
        };
        assert_eq!(
            wanted.clauses(&Attributes::default(), false),
            ["VALID UNTIL 'x'' SUPERUSER --'"]
        );
    }
}
