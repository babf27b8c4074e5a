//! How long a restore will take, by what earlier ones and backups took. Pure.

/// What an earlier restore did and took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of the database.
    pub bytes: u64,
    /// Seconds that copying them took.
    pub copying: u64,
    /// WAL segments that were replayed.
    pub segments: u64,
    /// Seconds that replaying them took.
    pub replaying: u64,
    /// Seconds of the whole.
    pub whole: u64,
}

/// Seconds for a database of so many bytes and so much WAL. Nothing where nothing was measured.
///
/// Where no restore was, copying is taken to be as fast as the backups were (bytes and seconds of each), which is rather too slow, and
/// of the rest nothing is known.
#[must_use]
pub fn estimate(bytes: u64, segments: u64, restores: &[Measured], backups: &[(u64, u64)]) -> Option<u64> {
    let sum = |of: fn(&Measured) -> u64| restores.iter().map(of).fold(0, u64::saturating_add);
    let backed_up = || {
        let sum = |of: fn(&(u64, u64)) -> u64| backups.iter().map(of).fold(0, u64::saturating_add);
        share(bytes, sum(|backup| backup.1), sum(|backup| backup.0))
    };
    let copying = share(
        bytes,
        sum(|restore| restore.copying),
        sum(|restore| restore.bytes),
    )
    .or_else(backed_up)?;
    let replaying = share(
        segments,
        sum(|restore| restore.replaying),
        sum(|restore| restore.segments),
    );
    let beside = |restore: &Measured| {
        restore
            .whole
            .saturating_sub(restore.copying)
            .saturating_sub(restore.replaying)
    };
    let count = u64::try_from(restores.len()).unwrap_or(u64::MAX);
    let rest = share(1, sum(beside), count);
    Some(copying + replaying.unwrap_or_default() + rest.unwrap_or_default())
}

/// `much` times what one of `all` took, where all of them took `seconds`; whole seconds, not too few.
fn share(much: u64, seconds: u64, all: u64) -> Option<u64> {
    let total = u128::from(much) * u128::from(seconds);
    (all > 0).then(|| u64::try_from(total.div_ceil(u128::from(all))).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_was_measured_is_scaled_to_what_is_to_be_done() {
        let measured = [
            Measured {
                bytes: 10 * GIB,
                copying: 100,
                segments: 50,
                replaying: 25,
                whole: 155,
            },
            Measured {
                bytes: 10 * GIB,
                copying: 100,
                segments: 150,
                replaying: 75,
                whole: 185,
            },
        ];
        // 10 s for each GiB, 0.5 s for each segment, 20 s for stopping and starting.
        assert_eq!(estimate(30 * GIB, 40, &measured, &[(GIB, 1)]), Some(340));
    }

    #[test]
    fn without_a_restore_the_backups_tell_and_without_those_nobody() {
        assert_eq!(estimate(4 * GIB, 100, &[], &[(GIB, 5), (3 * GIB, 15)]), Some(20));
        assert_eq!(estimate(4 * GIB, 100, &[], &[]), None);
        assert_eq!(
            estimate(4 * GIB, 100, &[Measured::default()], &[(0, 5)]),
            None,
            "nothing was copied"
        );
    }
}
