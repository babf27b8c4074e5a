//! The certificates of a cluster: one authority of our own per cluster and the leaves it signs.
//!
//! Invariants: ECDSA P-256 throughout; the authority carries `basicConstraints` and `keyUsage=keyCertSign`, since
//! Python 3.13 and later (Patroni) refuse one without; a pair that is still good is returned unchanged, so a
//! reconcile without a reason to renew writes nothing. The clock is passed in; the random keys are the one thing that is not.

mod authority;
mod leaf;
mod pair;

pub use authority::Authority;
pub use leaf::{LeafProfile, Usage};
pub use pair::Pair;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for {subject}: {source}")]
pub struct PkiError {
    /// Common name of the certificate.
    pub subject: String,
    /// What rcgen said.
    pub source: rcgen::Error,
}

impl PkiError {
    /// Short stable name for metrics and Events.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "certificate"
    }

    fn of(subject: &str) -> impl FnOnce(rcgen::Error) -> Self {
        let subject = subject.to_owned();
        move |source| Self { subject, source }
    }
}

/// Sets the validity of `$params`: rcgen takes the times of a crate that nothing else here uses, and its own
/// constructor and a span reach any of them.
macro_rules! valid_between {
    ($params:expr, $from:expr, $to:expr) => {{
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let span = |at: chrono::DateTime<chrono::Utc>| {
            std::time::Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or(0))
        };
        $params.not_before = epoch + span($from);
        $params.not_after = epoch + span($to);
    }};
}
use valid_between;
