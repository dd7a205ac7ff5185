//! How far components are with what takes long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ComponentError;

/// Tells how far a component is with work that takes long, such as the inversion of one image, and whether the result is
/// still wanted.
///
/// A component takes it from the [`MakeContext`](crate::registry::MakeContext) that it is made with, and keeps it. Clones
/// share one board, from any thread.
///
/// ```
/// use fmr_core::Progress;
///
/// fn invert(progress: &Progress) -> Result<f32, fmr_core::ComponentError> {
///     let task = progress.begin("generator \"stylegan\"", "invert an image", 1000);
///     let mut loss = 1.0;
///     for step in 0..1000 {
///         task.reached(step)?;
///         loss *= 0.99;
///     }
///     Ok(loss)
/// }
///
/// assert!(invert(&Progress::default()).is_ok());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Progress {
    board: Arc<Mutex<Board>>,
    cancel: Option<Arc<AtomicBool>>,
    /// Told of each step as `(done, of)`, on the thread that does it; says whether the result is not wanted any more.
    relay: Option<fn(usize, usize) -> bool>,
}

#[derive(Debug, Default)]
struct Board {
    begun: u64,
    tasks: BTreeMap<u64, Working>,
}

/// Work under way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Working {
    /// Kind and name of the component.
    pub component: String,
    /// What it does, e.g. `invert an image`.
    pub what: String,
    /// Steps that are done.
    pub done: usize,
    /// All steps.
    pub of: usize,
}

/// Work of a component under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Task {
    progress: Progress,
    number: u64,
}

impl Progress {
    /// Progress of work whose result is wanted as long as the flag is not set.
    pub fn until(cancel: Arc<AtomicBool>) -> Self {
        Self { cancel: Some(cancel), ..Self::default() }
    }

    /// Progress of work that somebody else watches: `relay` is told of each step, as done and all steps, on the thread that
    /// does it, and says whether the result is not wanted any more.
    pub fn relayed(relay: fn(usize, usize) -> bool) -> Self {
        Self { relay: Some(relay), ..Self::default() }
    }

    /// Begins work of `of` steps.
    pub fn begin(&self, component: impl Into<String>, what: impl Into<String>, of: usize) -> Task {
        let working = Working { component: component.into(), what: what.into(), done: 0, of };
        let number = self.with(|board| {
            board.begun += 1;
            board.tasks.insert(board.begun, working);
            board.begun
        });
        Task { progress: self.clone(), number }
    }

    /// All work under way, in the order in which it began.
    pub fn now(&self) -> Vec<Working> {
        self.with(|board| board.tasks.values().cloned().collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Task {
    /// Tells that `done` steps are done.
    ///
    /// # Errors
    /// Nobody wants the result any more. The component should give this error back at once; it says nothing of the
    /// samples, which are done again when the run is resumed.
    pub fn reached(&self, done: usize) -> Result<(), ComponentError> {
        let asked = self.progress.with(|board| {
            let working = board.tasks.get_mut(&self.number)?;
            working.done = done;
            Some((working.component.clone(), working.what.clone(), working.of))
        });
        let told = |of: usize| self.progress.relay.is_some_and(|relay| relay(done, of));
        let cancelled = self.progress.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
            | asked.as_ref().is_some_and(|(.., of)| told(*of));
        match asked {
            Some((component, what, _)) if cancelled => {
                let error = ComponentError::new(component, what, "it was told to give up");
                Err(ComponentError { cancelled, ..error })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.progress.with(|board| board.tasks.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_seen_while_they_last_and_end_when_told_to() {
        let flag = Arc::new(AtomicBool::new(false));
        let progress = Progress::until(Arc::clone(&flag));
        let [first, second] = [10, 20].map(|of| progress.clone().begin("generator \"toy\"", "invert an image", of));
        assert!(first.reached(3).is_ok());
        let seen = |progress: &Progress| progress.now().iter().map(|w| (w.done, w.of)).collect::<Vec<_>>();
        assert_eq!(seen(&progress), [(3, 10), (0, 20)]);
        drop(first);
        assert_eq!(seen(&progress), [(0, 20)]);
        flag.store(true, Ordering::Relaxed);
        assert!(second.reached(1).is_err_and(|error| error.cancelled));
    }
}
