//! Memory of outputs, used again from one operation to the next.
//!
//! A pass through a model makes and drops hundreds of tensors of a few sizes, the same in every iteration. New memory is
//! dear: the system clears its pages and the program its values, a tenth of a small model's time. So operations ask here
//! for buffers, and give back those of tensors that they were the last to use. Each thread has its own, and leaves them
//! to the others when it ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Shorter buffers are left to the allocator.
const LEAST: usize = 1024;
/// Requests after which a buffer that nobody took is freed: several iterations of the largest models.
const PATIENCE: u64 = 4096;
/// Free floats of a thread, beyond which new memory takes the place of the buffers that have waited longest: 160 MiB.
const KEPT: usize = 40 << 20;

/// Free buffers by capacity, each with the number of requests when it was given back.
struct Pool {
    requests: u64,
    free: BTreeMap<usize, Vec<(u64, Vec<f32>)>>,
    /// Sum of the capacities.
    held: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { requests: 0, free: BTreeMap::new(), held: 0 }
    }

    /// The smallest buffer that is large enough without wasting half of itself; of several the one used last, which is
    /// the likeliest to be in the cache.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        self.requests += 1;
        if self.requests.is_multiple_of(PATIENCE / 8) {
            while self.oldest().is_some_and(|(given, _)| given + PATIENCE < self.requests) {
                self.drop_oldest();
            }
        }
        let Some(capacity) = self.free.range(len..2 * len).next().map(|(capacity, _)| *capacity) else {
            let least = self.held.saturating_sub(len).max(KEPT);
            while self.held > least {
                self.drop_oldest();
            }
            return None;
        };
        self.remove(capacity, Vec::pop)
    }

    fn give(&mut self, buffer: Vec<f32>) {
        self.held += buffer.capacity();
        self.free.entry(buffer.capacity()).or_default().push((self.requests, buffer));
    }

    /// When the buffer that has waited longest was given, and its capacity.
    fn oldest(&self) -> Option<(u64, usize)> {
        self.free.iter().filter_map(|(capacity, buffers)| Some((buffers.first()?.0, *capacity))).min()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, capacity)) = self.oldest() {
            drop(self.remove(capacity, |buffers| Some(buffers.remove(0))));
        }
    }

    fn remove(
        &mut self,
        capacity: usize,
        choose: impl FnOnce(&mut Vec<(u64, Vec<f32>)>) -> Option<(u64, Vec<f32>)>,
    ) -> Option<Vec<f32>> {
        let buffers = self.free.get_mut(&capacity)?;
        let (_, buffer) = choose(buffers)?;
        if buffers.is_empty() {
            self.free.remove(&capacity);
        }
        self.held -= capacity;
        Some(buffer)
    }
}

/// What threads that have ended left.
static LEFT: Mutex<Pool> = Mutex::new(Pool::new());

/// The pool of a thread.
struct Own(RefCell<Pool>);

impl Drop for Own {
    fn drop(&mut self) {
        // A pool is whole between any two of its operations, none of which runs foreign code.
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, buffer) in std::mem::take(&mut self.0.get_mut().free).into_values().flatten() {
            left.give(buffer);
        }
    }
}

thread_local! {
    static POOL: Own = const { Own(RefCell::new(Pool::new())) };
}

/// A buffer for `len` values that the caller overwrites, every one of them: they are arbitrary.
pub fn take(len: usize) -> Vec<f32> {
    if len < LEAST {
        return vec![0.0; len];
    }
    // A thread that is ending has no pool any more.
    let own = POOL.try_with(|pool| pool.0.borrow_mut().take(len)).ok().flatten();
    let known = own.or_else(|| LEFT.lock().unwrap_or_else(PoisonError::into_inner).take(len));
    let mut buffer = known.unwrap_or_else(|| vec![0.0; len]);
    buffer.resize(len, 0.0);
    // A kernel that leaves something out is found out by its tests.
    if cfg!(test) {
        buffer.fill(f32::NAN);
    }
    buffer
}

/// Gives a buffer, of whatever origin, to those to come on this thread.
pub fn give(buffer: Vec<f32>) {
    if buffer.capacity() >= LEAST {
        let _ = POOL.try_with(|pool| pool.0.borrow_mut().give(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs on a thread of its own, with a pool of its own.
    fn alone(test: impl FnOnce() + Send + 'static) {
        assert!(std::thread::spawn(test).join().is_ok());
    }

    #[test]
    fn the_best_fit_is_used_again() {
        alone(|| {
            let [small, large] = [4000, 6000].map(Vec::with_capacity);
            let [at_small, at_large]: [*const f32; 2] = [small.as_ptr(), large.as_ptr()];
            give(large);
            give(small);
            let first = take(3500);
            assert_eq!((first.as_ptr(), first.len()), (at_small, 3500));
            let second = take(3500);
            assert_eq!(second.as_ptr(), at_large);
            give(second);
            // Half of it would be wasted.
            let third = take(3000);
            assert_ne!(third.as_ptr(), at_large);
            let fourth = take(6000);
            assert_eq!(fourth.as_ptr(), at_large);
        });
    }

    #[test]
    fn what_nobody_takes_is_freed() {
        alone(|| {
            give(Vec::with_capacity(5000));
            for _ in 0..2 * PATIENCE {
                give(take(LEAST));
            }
            assert_eq!(POOL.with(|pool| pool.0.borrow().free.keys().copied().collect::<Vec<_>>()), [LEAST]);
        });
    }

    #[test]
    fn new_memory_takes_the_place_of_free_memory() {
        alone(|| {
            // Too small for what is asked for next, and together more than is kept.
            give(Vec::with_capacity(KEPT / 2));
            give(Vec::with_capacity(KEPT / 2 + 1));
            let taken = take(2 * KEPT);
            assert_eq!(taken.len(), 2 * KEPT);
            assert_eq!(POOL.with(|pool| pool.0.borrow().held), KEPT / 2 + 1);
        });
    }

    #[test]
    fn what_a_thread_leaves_is_used_by_others() {
        // A size that no other test asks for.
        const LEN: usize = 7_654_321;
        let buffer: Vec<f32> = Vec::with_capacity(LEN);
        let at = buffer.as_ptr() as usize;
        alone(|| give(buffer));
        alone(move || {
            let found = take(LEN);
            assert_eq!(found.as_ptr() as usize, at);
        });
    }

    #[test]
    fn short_buffers_are_cleared() {
        assert_eq!(take(3), [0.0; 3]);
        give(vec![1.0; 3]);
    }
}
