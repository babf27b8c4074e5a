//! Whether a volume has room for a second copy of a database.

use std::path::Path;

use super::Failed;
use super::report::Category;
use crate::domain::size::Bytes;

/// Refuses while nothing was changed.
pub fn is_enough(volume: &Path, wanted: u64) -> Result<(), Failed> {
    let found = rustix::fs::statvfs(volume).map_err(|error| Failed::volume("the volume", &error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let volume = tempfile::tempdir().unwrap();
        assert_eq!(is_enough(volume.path(), 1), Ok(()));
        let refused = is_enough(volume.path(), u64::MAX).unwrap_err();
        assert!(
            refused.message.contains("previousData: Discard"),
            "{}",
            refused.message
        );
        assert_eq!(refused.category, Category::NoRoom);
    }
}
