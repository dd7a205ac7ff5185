//! Stopping a run early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fmr_core::perturb::Observer;

/// Whether a run was asked to stop. Clones share one flag, so any thread may ask.
///
/// Batches under way are finished and kept. Plugins see the request too and may give up the batch they work on.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    hurried: Arc<AtomicBool>,
}

impl Interrupt {
    /// Asks the run to stop. True if it had been asked before.
    pub fn ask(&self) -> bool {
        self.asked.swap(true, Ordering::Relaxed)
    }

    /// Whether the run was asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks the run to stop and to drop the batches under way, which a resumed run does again: for callers who cannot
    /// wait for them.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
        self.ask();
    }

    /// The flag itself, for components that look at it while they work.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }
}

/// Ends batches under way where somebody is in a hurry.
impl Observer for Interrupt {
    fn keep_going(&self) -> bool {
        !self.hurried.load(Ordering::Relaxed)
    }
}
