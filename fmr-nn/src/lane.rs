//! burn's own parallel loops within the budget of threads.
//!
//! [`crate::kernels`] ask for the budget before they share work out. burn's operations do not: they share their loops
//! among the threads of rayon's pool, of which every dynamic library has one as large as the machine.

use std::cell::Cell;
use std::num::NonZeroUsize;

use fmr_core::threads::budget;

/// Keeps burn's operations that are asked for on this thread to this thread, where its budget is one. Plugins begin
/// each call with it.
///
/// The thread becomes the only one of a pool of its own, and rayon knows no way back: it stays alone under any budget
/// that it gets later. The threads on which plugins are called have one budget for life.
pub fn stay_within_budget() {
    thread_local! {
        static DECIDED: Cell<bool> = const { Cell::new(false) };
    }
    let alone = budget() == Some(NonZeroUsize::MIN);
    if alone && !DECIDED.replace(true) && rayon::current_thread_index().is_none() {
        // Without a pool of its own it shares the common one, as it would have anyway. Rayon never frees a pool that has
        // the thread which made it, so there is nothing to hold.
        if let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
            std::mem::forget(pool);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashSet;
    use std::thread::{self, ThreadId};

    use fmr_core::threads::set_budget;
    use rayon::prelude::*;

    use super::*;

    /// The threads that a parallel loop of a thread with that budget runs on, and that thread.
    fn threads(budget: Option<NonZeroUsize>) -> (HashSet<ThreadId>, ThreadId, usize) {
        let work = move || {
            set_budget(budget);
            stay_within_budget();
            stay_within_budget();
            let task = |_| {
                thread::sleep(std::time::Duration::from_millis(1));
                thread::current().id()
            };
            ((0..64).into_par_iter().map(task).collect(), thread::current().id(), rayon::current_num_threads())
        };
        thread::spawn(work).join().unwrap()
    }

    #[test]
    fn a_budget_of_one_thread_keeps_loops_on_it() {
        let (on, caller, pool) = threads(Some(NonZeroUsize::MIN));
        assert_eq!((on, pool), (HashSet::from([caller]), 1));
        // Several at a time are alone each, and others share the common pool as ever.
        let all: Vec<_> = (0..3).map(|_| thread::spawn(|| threads(Some(NonZeroUsize::MIN)))).collect();
        assert!(all.into_iter().map(|t| t.join().unwrap()).all(|(on, caller, _)| on == HashSet::from([caller])));
        let (on, caller, pool) = threads(None);
        assert!(!on.contains(&caller) && pool == rayon::current_num_threads());
    }
}
