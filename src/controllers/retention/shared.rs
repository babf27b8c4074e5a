//! What all reconciles of retention share.

use std::sync::Arc;

use super::memory::Memory;
use crate::controllers::context::Context;
use crate::controllers::fleet::Fleet;

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    pub(super) fleet: Arc<Fleet>,
    pub(super) memory: Memory,
}

impl Shared {
    /// With nothing known yet.
    #[must_use]
    pub fn new(context: Context, fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            memory: Memory::default(),
            context,
        }
    }

    /// Forgets a cluster that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.memory.forget(uid);
    }
}
