//! Ctrl-C: the first press lets the batches under way finish, the second ends the process. Plugins are told of the first,
//! and those that look give up the batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens to Ctrl-C and termination signals from now on. Once a process.
    pub fn listen(&self) {
        let asked = self.clone();
        // Where no handler can be set the signal ends the process as ever, which costs the batch under way and no more.
        let _ = ctrlc::set_handler(move || {
            if asked.0.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after the images under way; once more ends at once");
        });
    }

    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What is set once the run was asked to stop, for components that look at it while they work.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether the run was asked to stop.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
