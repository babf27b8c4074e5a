//! What all reconciles of clusters share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, stream};
use tokio::sync::{Semaphore, mpsc};

use super::record::Memory;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Fleet, Key};

/// So many repositories are looked at at once.
const LOOKS_AT_ONCE: usize = 32;

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    pub(super) fleet: Arc<Fleet>,
    pub(super) looking: Semaphore,
    pub(super) memory: Memory,
    /// Failures in a row, by object.
    failures: Mutex<HashMap<String, u32>>,
    /// Clusters of which a look has found something else.
    woken: mpsc::UnboundedSender<Key>,
    to_wake: Mutex<Option<mpsc::UnboundedReceiver<Key>>>,
}

impl Shared {
    /// With nothing looked up yet.
    #[must_use]
    pub fn new(context: Context, fleet: Arc<Fleet>) -> Self {
        let (woken, to_wake) = mpsc::unbounded_channel();
        Self {
            context,
            fleet,
            looking: Semaphore::new(LOOKS_AT_ONCE),
            memory: Memory::default(),
            failures: Mutex::default(),
            woken,
            to_wake: Mutex::new(Some(to_wake)),
        }
    }

    /// Forgets a cluster that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.context.looks.forget(uid);
        self.memory.forget(uid);
    }

    /// Has a cluster reconciled.
    pub(super) fn wake(&self, cluster: Key) {
        // Nobody listens any more when the process ends.
        let _ = self.woken.send(cluster);
    }

    /// Those that were woken; asked for once.
    pub(super) fn looked(&self) -> impl Stream<Item = Vec<Key>> + Send + use<> {
        let to_wake = self.to_wake.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::unfold(to_wake, |to_wake| async {
            let mut to_wake = to_wake?;
            let key = to_wake.recv().await?;
            Some((vec![key], Some(to_wake)))
        })
    }

    pub(super) fn failures<T>(&self, act: impl FnOnce(&mut HashMap<String, u32>) -> T) -> T {
        act(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
