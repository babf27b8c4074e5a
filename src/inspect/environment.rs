//! Variables of the process, as values: so that what is read of them can be tested.

use std::collections::BTreeMap;

use crate::domain::secret::Secret;

/// Variables by name. `Debug` shows no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, Secret>);

impl Environment {
    /// Those of this process that are text.
    #[must_use]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_pairs(pairs)
    }

    /// These.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name, Secret::new(value)))
                .collect(),
        )
    }

    /// The first of these variables that is set, and not to nothing.
    #[must_use]
    pub fn first(&self, names: &[&str]) -> Option<&Secret> {
        names
            .iter()
            .filter_map(|name| self.0.get(*name))
            .find(|value| !value.expose().is_empty())
    }

    /// The same as text: for what is no secret.
    #[must_use]
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        self.first(names).map(Secret::expose)
    }

    /// pgBackRest's own.
    #[must_use]
    pub fn pgbackrest(&self) -> BTreeMap<String, Secret> {
        let own = self.0.iter().filter(|(name, _)| name.starts_with("PGBACKREST_"));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
