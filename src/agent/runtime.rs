//! The small runtime of an agent: one thread, logs on standard error, a token that SIGTERM cancels; orphans are reaped, and a
//! pgBackRest whose peer has vanished is ended.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::severed::end_severed;

/// Runs `agent` on the current thread; its token is cancelled at the first SIGTERM or SIGINT.
///
/// # Errors
/// When the runtime or the signal handlers cannot be set up.
pub fn run<F, T>(agent: impl FnOnce(CancellationToken) -> F) -> io::Result<T>
where
    F: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let cancel = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            cancel.cancel();
        });
        if std::process::id() == 1 {
            tokio::spawn(super::reaper::reap_orphans(stop.clone()));
        }
        let watched = stop.clone();
        tokio::spawn(async move { end_severed(&watched).await });
        Ok(agent(stop).await)
    })
}
