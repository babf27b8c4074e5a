//! Whether a volume has room for a second copy of a database.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Failed;
use super::report::Category;
use crate::domain::size::Bytes;

/// Refuses while nothing was changed.
///
/// What a tablespace needs of it is not known, so what is free on all volumes counts; one that is too small for its part is found
/// out by pgBackRest, while the previous data are there still.
pub fn is_enough(volumes: &[&Path], wanted: u64) -> Result<(), Failed> {
    let free = free(volumes).map_err(|error| Failed::volume("the volumes", &error))?;
    if free >= wanted {
        return Ok(());
    }
    Err(Failed::permanent(
        Category::NoRoom,
        format!(
            "the claim has {} free, and beside the previous data directory {} are needed: enlarge the claim, or give the previous data up with previousData: Discard",
            Bytes(free),
            Bytes(wanted)
        ),
    ))
}

/// Bytes that are free on all of these volumes together.
pub fn free(volumes: &[&Path]) -> io::Result<u64> {
    let mut free_of = BTreeMap::new();
    for volume in volumes {
        let (device, found) = (rustix::fs::stat(*volume)?.st_dev, rustix::fs::statvfs(*volume)?);
        // What is kept for root is not PostgreSQL's.
        free_of.insert(device, found.f_bavail.saturating_mul(found.f_frsize));
    }
    Ok(free_of.into_values().fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let volume = tempfile::tempdir().unwrap();
        assert_eq!(is_enough(&[volume.path(), volume.path()], 1), Ok(()));
        let refused = is_enough(&[volume.path()], u64::MAX).unwrap_err();
        assert!(
            refused.message.contains("previousData: Discard"),
            "{}",
            refused.message
        );
        assert_eq!(refused.category, Category::NoRoom);
    }
}
