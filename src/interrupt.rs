//! Stopping a run early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run was asked to stop. Clones share one flag, so any thread may ask.
///
/// Batches under way are finished and kept. Plugins see the request too and may give up the batch they work on.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks the run to stop. True if it had been asked before.
    pub fn ask(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether the run was asked to stop.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for components that look at it while they work.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
