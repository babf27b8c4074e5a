//! What goes wrong with watches: told, and never a long silence.
//!
//! The pauses stay short, since nothing is reconciled on what is old. An error that repeats is logged once in a while and not
//! each time.

use std::fmt::Display;
use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher;
use tokio::time::Instant;

/// First and longest pause after the error of a watch.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// The same error is not logged again within this time.
const QUIET: Duration = Duration::from_secs(30);

/// Pauses after errors of watches: each twice as long as the one before, up to a bound.
#[derive(Debug)]
pub struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.0;
        self.0 = (now * 2).min(PAUSES.1);
        Some(now)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Logs what goes wrong with the watch of one kind.
pub struct Complaints {
    kind: String,
    last: Option<(String, Instant)>,
}

impl Complaints {
    /// `kind` names the watch in the log.
    #[must_use]
    pub const fn new(kind: String) -> Self {
        Self { kind, last: None }
    }

    /// Logs one error where it is news.
    pub fn hear(&mut self, error: &watcher::Error) {
        if self.is_news(error, Instant::now()) {
            tracing::warn!(kind = self.kind, %error, "a watch failed and begins anew");
        }
    }

    fn is_news(&mut self, error: &impl Display, now: Instant) -> bool {
        let text = error.to_string();
        let known = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == text && now.duration_since(*at) < QUIET);
        if !known {
            self.last = Some((text, now));
        }
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_short_and_begin_anew() {
        let mut pauses = Pauses::default();
        let of_seven_watches: Duration = pauses.by_ref().take(7).sum();
        assert!(of_seven_watches < Duration::from_secs(11), "{of_seven_watches:?}");
        pauses.reset();
        assert_eq!(pauses.next(), Some(PAUSES.0));
    }

    #[test]
    fn a_repeated_error_is_told_once_in_a_while() {
        let (mut complaints, now) = (Complaints::new("pods".to_owned()), Instant::now());
        assert!(complaints.is_news(&"refused", now));
        assert!(!complaints.is_news(&"refused", now + QUIET / 2));
        assert!(complaints.is_news(&"refused", now + QUIET));
        assert!(complaints.is_news(&"forbidden", now + QUIET));
    }
}
