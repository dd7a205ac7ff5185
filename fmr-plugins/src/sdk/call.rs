//! What the host wishes of the call that is under way, for components that take long or use threads.
//!
//! Each function speaks of the call that this thread is in. Outside of one, nothing is cancelled, and there is nobody to
//! tell.

use std::cell::Cell;
use std::num::NonZeroUsize;

use fmr_core::{ComponentError, threads};

use crate::abi;

thread_local! {
    static CURRENT: Cell<Option<abi::Call>> = const { Cell::new(None) };
}

/// How serious a message to the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// Something is wrong.
    Error = abi::LEVEL_ERROR,
    /// Something is odd.
    Warn = abi::LEVEL_WARN,
    /// Something worth knowing.
    Info = abi::LEVEL_INFO,
    /// Details.
    Debug = abi::LEVEL_DEBUG,
}

/// Makes a call the current one, and its thread budget this thread's, until it is dropped.
pub(super) struct Scope {
    outer: Option<abi::Call>,
    budget: Option<NonZeroUsize>,
}

impl Scope {
    pub(super) fn enter(call: abi::Call) -> Self {
        let budget = threads::set_budget(NonZeroUsize::new(call.threads as usize));
        Self { outer: CURRENT.replace(Some(call)), budget }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
        threads::set_budget(self.budget);
    }
}

/// Whether the result is not wanted any more.
pub fn cancelled() -> bool {
    CURRENT.get().is_some_and(|call| {
        // SAFETY: the host's callbacks are valid while the call is under way, which the scope stands for.
        call.cancelled.is_some_and(|f| unsafe { f(call.context) } != 0)
    })
}

/// An error to return where the result is not wanted any more, for use with `?` inside long loops.
///
/// # Errors
/// The call was cancelled.
pub fn check(component: &str, asked: &str) -> Result<(), ComponentError> {
    if !cancelled() {
        return Ok(());
    }
    Err(ComponentError { cancelled: true, ..ComponentError::new(component, asked, "cancelled") })
}

/// Tells how far the call is.
pub fn progress(done: u64, total: u64) {
    if let Some(call) = CURRENT.get()
        && let Some(f) = call.progress
    {
        // SAFETY: as in `cancelled`.
        unsafe { f(call.context, done, total) };
    }
}

/// Passes a step of a component's [`fmr_core::Progress`] on; says whether the result is not wanted any more.
pub(super) fn relay(done: usize, of: usize) -> bool {
    progress(done as u64, of as u64);
    cancelled()
}

/// Tells the host something.
pub fn log(level: Level, text: &str) {
    if let Some(call) = CURRENT.get()
        && let Some(f) = call.log
    {
        // SAFETY: as in `cancelled`; the text outlives the callback.
        unsafe { f(call.context, level as u32, abi::Str::new(text)) };
    }
}

/// Threads that may be kept busy; `None` leaves it to the component. [`fmr_core::threads::budget`] says the same.
pub fn threads() -> Option<usize> {
    CURRENT.get().map(|call| call.threads as usize).filter(|n| *n > 0)
}

/// Seed of all randomness; 0 outside a call.
pub fn seed() -> u64 {
    CURRENT.get().map_or(0, |call| call.seed)
}
