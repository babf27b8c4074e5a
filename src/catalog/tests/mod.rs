//! The catalog in a `SQLite` file: what holds for any database, and what can happen to a file.

mod broken;
mod restart;
mod suite;

use std::{path::Path, time::Duration};

use super::{Bounds, Catalog, CatalogMetrics, CatalogPlace};
// So that the suite names everything as a user of the library does.
use crate as holdfast;

/// With no pause, so that a test need not wait for its end.
const BOUNDS: Bounds = Bounds {
    open: Duration::from_secs(20),
    work: Duration::from_secs(20),
    pause: Duration::ZERO,
};

fn in_file(path: &Path) -> Catalog {
    Catalog::new(CatalogPlace::File(path.into()), BOUNDS, CatalogMetrics::default())
}

macro_rules! suite {
    ($($behaviour:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $behaviour() {
            let directory = tempfile::tempdir().unwrap();
            // Its directory is missing too.
            let path = directory.path().join("holdfast/catalog.db");
            suite::$behaviour(|| in_file(&path)).await;
        })+
    };
}

suite!(
    what_is_known_comes_back,
    the_last_picture_stays_until_there_is_a_newer_one,
    places_are_kept_apart,
    backups_that_went_are_remembered,
    gaps_that_closed_are_remembered,
    drills_are_remembered,
    sizes_are_sampled_and_thinned,
);
