//! Whether libpq and PostgreSQL will accept the permissions of a private key.
//!
//! Both have the same rule: 0600 or less; 0640 or less when root owns it. A Secret mounted with mode 0440 and an
//! fsGroup is owned by root, so no copy of it is needed. Said here, since Patroni's message would be a Python trace.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::PostgresError;

pub(super) fn check(key: &Path) -> Result<(), PostgresError> {
    // A key that is not there is Patroni's to report: it knows whether it needs it.
    let Ok(metadata) = fs::metadata(key) else {
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o777;
    if accepted(mode, metadata.uid()) {
        return Ok(());
    }
    Err(PostgresError::OpenKey {
        path: key.to_owned(),
        mode,
        owner: metadata.uid(),
    })
}

// The masks are the rule as PostgreSQL writes it.
#[allow(clippy::verbose_bit_mask)]
fn accepted(mode: u32, owner: u32) -> bool {
    if owner == 0 {
        mode & 0o037 == 0
    } else {
        mode & 0o077 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_key_may_be_read_by_the_group_and_ours_may_not() {
        assert!(accepted(0o440, 0) && accepted(0o640, 0) && accepted(0o600, 26));
        assert!(!accepted(0o440, 26) && !accepted(0o644, 0) && !accepted(0o660, 0));
    }
}
