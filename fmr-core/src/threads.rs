//! How many threads a piece of work may keep busy.
//!
//! A run whose lanes fill the cores says so to each lane's thread, and kernels ask before they share work out. The budget
//! travels with each call into a plugin, because a dynamic library has thread-locals and thread pools of its own.

use std::cell::Cell;
use std::num::NonZeroUsize;

thread_local! {
    static BUDGET: Cell<Option<NonZeroUsize>> = const { Cell::new(None) };
}

/// Threads that work started by this thread may keep busy, itself included; `None`: as many as there are.
pub fn budget() -> Option<NonZeroUsize> {
    BUDGET.get()
}

/// Sets the budget of this thread and gives the one before.
pub fn set_budget(budget: Option<NonZeroUsize>) -> Option<NonZeroUsize> {
    BUDGET.replace(budget)
}
