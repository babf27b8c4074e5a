//! Which image each container gets: the user's, else the settings', else the database's.

use std::collections::BTreeMap;

use super::Refusal;
use crate::api::{PerconaPGClusterSpec, Reason};
use crate::controllers::cluster::validated::Images;
use crate::controllers::context::Settings;

/// Images used where the user names none.
#[derive(Debug, Clone, Default)]
pub struct ImageDefaults {
    /// The operator's own.
    pub holdfast: String,
    /// By major version.
    pub postgres: BTreeMap<i32, String>,
    pub pgbackrest: Option<String>,
    pub pgbouncer: Option<String>,
}

impl ImageDefaults {
    /// From the settings of the process.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            holdfast: settings.operator_image.clone(),
            postgres: settings.postgres_images.clone(),
            pgbackrest: settings.pgbackrest_image.clone(),
            pgbouncer: settings.pgbouncer_image.clone(),
        }
    }
}

/// Resolves them.
pub fn of(spec: &PerconaPGClusterSpec, defaults: &ImageDefaults) -> Result<Images, Refusal> {
    let version = spec.postgres_version;
    let postgres = spec
        .image
        .clone()
        .filter(|image| !image.is_empty())
        .or_else(|| defaults.postgres.get(&version).cloned())
        .ok_or_else(|| {
            Refusal::new(
                Reason::InvalidSpecification,
                format!("no image for PostgreSQL {version}: set spec.image, or RELATED_IMAGE_POSTGRES_{version} of the operator"),
            )
        })?;
    let named = |image: Option<String>| image.filter(|image| !image.is_empty());
    Ok(Images {
        pgbackrest: named(
            spec.backups
                .pgbackrest
                .as_ref()
                .and_then(|pgbackrest| pgbackrest.image.clone()),
        )
        .or_else(|| defaults.pgbackrest.clone())
        .unwrap_or_else(|| postgres.clone()),
        pgbouncer: named(
            spec.proxy
                .as_ref()
                .and_then(|proxy| proxy.pg_bouncer.image.clone()),
        )
        .or_else(|| defaults.pgbouncer.clone())
        .unwrap_or_else(|| postgres.clone()),
        holdfast: named(spec.init_container.as_ref().map(|init| init.image.clone()))
            .unwrap_or_else(|| defaults.holdfast.clone()),
        pull_policy: spec.image_pull_policy.clone(),
        pull_secrets: spec.image_pull_secrets.clone(),
        postgres,
    })
}
