//! One reconcile, seen from outside: only while leading, counted, measured.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use futures::Stream;
use futures::stream;
use tokio::time::Instant;

use super::context::Context;
use super::fleet::Action;
use super::leadership::Claim;
use super::reading::ReadError;
use super::writer::WriteError;

/// Errors that have a stable name for metrics.
pub trait Categorized: Display {
    /// The name.
    fn category(&self) -> &'static str;
}

/// Why a reconcile that only reads and writes did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A read failed.
    #[error(transparent)]
    Dereference(#[from] ReadError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Failure {
    /// Another replica leads: it is the one to try again.
    fn is_lost_lead(&self) -> bool {
        matches!(self, Self::Write(WriteError::NotLeading))
    }

    /// What follows of it: `undone` is told, and tried again after a pause.
    #[must_use]
    pub fn again(&self, undone: &str, pause: Duration) -> Action {
        if self.is_lost_lead() {
            return Action::await_change();
        }
        tracing::warn!(category = self.category(), error = %self, "{undone}");
        Action::requeue(pause)
    }
}

impl Categorized for Failure {
    fn category(&self) -> &'static str {
        match self {
            Self::Dereference(error) => error.category(),
            Self::Write(error) => error.category(),
        }
    }
}

/// Runs one reconcile of a controller, whose name is the metric label. While another replica leads nothing happens: all objects
/// are reconciled again when leadership is gained.
pub async fn run<E: Categorized>(
    controller: &'static str,
    context: &Context,
    reconcile: impl Future<Output = Result<Action, E>>,
) -> Result<Action, E> {
    if !context.claim.is_current() {
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let result = reconcile.await;
    let category = result.as_ref().err().map(Categorized::category);
    context.metrics.reconciled(controller, begun.elapsed(), category);
    result
}

/// Time until the next try after a failure: soon, and then ever less often.
#[must_use]
pub fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(6))
}

/// An item each time leadership is gained.
pub fn leadership_gained(claim: Claim) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold((claim, 0), |(mut claim, seen)| async move {
        let term = claim.term_after(seen).await?;
        Some(((), (claim, term)))
    })
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _};

    use super::super::leadership::Claims;
    use super::*;

    #[tokio::test]
    async fn a_gain_of_leadership_is_told_even_when_nobody_saw_the_loss() {
        let (claims, claim) = Claims::new();
        let mut gains = std::pin::pin!(leadership_gained(claim.clone()));
        for _ in 0..3 {
            assert!(gains.next().now_or_never().is_none());
            claims.hold_until(Instant::now() + Duration::from_millis(50));
            assert!(gains.next().await.is_some());
            // The stream is not polled while the claim lapses and is gained again, as on a machine that was frozen.
            claim.clone().lost().await;
            claims.hold_until(Instant::now() + Duration::from_mins(1));
            assert!(gains.next().await.is_some());
            claims.end();
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let seconds: Vec<u64> = [0, 1, 5, 6, 60].map(|n| pause_after(n).as_secs()).to_vec();
        assert_eq!(seconds, [1, 2, 32, 64, 64]);
    }
}
