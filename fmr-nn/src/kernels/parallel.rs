//! Work shared among threads, without nesting.

use std::num::NonZeroUsize;

use fmr_core::threads::{budget, set_budget};
use rayon::prelude::*;

/// A pointer that several threads may write through, each to its own part.
#[derive(Clone, Copy)]
pub struct Shared(*mut f32, usize);

// SAFETY: `Shared::slice` hands out parts under the caller's promise that they do not overlap.
unsafe impl Send for Shared {}
// SAFETY: as for `Send`.
unsafe impl Sync for Shared {}

impl Shared {
    /// Shares `data` for the duration of a parallel section.
    pub fn new(data: &mut [f32]) -> Self {
        Self(data.as_mut_ptr(), data.len())
    }

    /// The place `start`, for parts in pieces, all of which lie before `start + len`.
    ///
    /// # Safety
    /// The shared slice must outlive all use of the pointer, and no place may be used by two threads.
    pub unsafe fn place(&self, start: usize, len: usize) -> *mut f32 {
        assert!(start + len <= self.1, "place outside the shared slice");
        // SAFETY: inside the slice by the assertion.
        unsafe { self.0.add(start) }
    }

    /// The part `start..start + len`.
    ///
    /// # Safety
    /// The shared slice must outlive the part, and no two parts in use at a time may overlap.
    #[expect(clippy::mut_from_ref, reason = "the contract forbids overlap")]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.1, "part outside the shared slice");
        // SAFETY: inside the slice by the assertion, alone by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// Threads that a section started here may use: one inside another section, else those of this thread's budget.
pub fn threads() -> usize {
    // A budget of one is asked for first: the pool is made only where somebody may use it.
    if budget() == Some(NonZeroUsize::MIN) || rayon::current_thread_index().is_some() {
        return 1;
    }
    let all = rayon::current_num_threads();
    budget().map_or(all, |most| all.min(most.get()))
}

/// Makes the kernels called from this thread run on this thread alone, as fits a thread that is one lane among several.
pub fn run_serially_on_this_thread(serial: bool) {
    set_budget(serial.then_some(NonZeroUsize::MIN));
}

/// Calls `f(0) … f(tasks - 1)`, on several threads where that is allowed and worth it.
pub fn for_each(tasks: usize, f: impl Fn(usize) + Sync + Send) {
    let threads = if tasks <= 1 { 1 } else { threads() };
    if threads == 1 {
        (0..tasks).for_each(f);
    } else if threads == rayon::current_num_threads() {
        (0..tasks).into_par_iter().for_each(f);
    } else {
        // No more side by side than the budget has threads.
        (0..threads).into_par_iter().for_each(|first| (first..tasks).step_by(threads).for_each(&f));
    }
}

/// Runs `f(offset, part)` over `data` in parts whose lengths are multiples of `unit`.
pub fn for_parts(data: &mut [f32], unit: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let unit = unit.max(1);
    let parts = if data.len() < 32 * 1024 { 1 } else { threads() };
    if parts <= 1 {
        f(0, data);
        return;
    }
    let size = data.len().div_ceil(unit).div_ceil(parts) * unit;
    data.par_chunks_mut(size).enumerate().for_each(|(i, part)| f(i * size, part));
}

/// Floats of a line of the cache.
const LINE: usize = 16;

/// Calls `f` with a thread's reusable scratch buffer of `len` floats, whose contents are arbitrary and which begins with a
/// line of the cache.
///
/// Nested calls get buffers of their own.
pub fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static FREE: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let mut buffer = FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default();
    if buffer.len() < len + LINE {
        buffer.resize(len + LINE, 0.0);
    }
    let first = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    let result = f(&mut buffer[first..first + len]);
    FREE.with(|free| free.borrow_mut().push(buffer));
    result
}

/// `f(plane, scratch)` for every plane, a share of them to each thread. The scratch of so many floats is arbitrary.
pub fn for_planes(planes: usize, scratch: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let share = planes.div_ceil(4 * threads()).max(1);
    for_each(planes.div_ceil(share), |i| {
        with_scratch(scratch, |scratch| {
            for plane in i * share..((i + 1) * share).min(planes) {
                f(plane, scratch);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_is_done_once_within_the_budget() {
        let pool = rayon::current_num_threads();
        for most in [None, NonZeroUsize::new(1), NonZeroUsize::new(2), NonZeroUsize::new(1000)] {
            let before = set_budget(most);
            let (inside, busiest) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let done = Mutex::new(Vec::new());
            for_each(9, |task| {
                busiest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if let Ok(mut done) = done.lock() {
                    done.push(task);
                }
                std::thread::yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
            });
            assert_eq!(threads(), most.map_or(pool, |most| pool.min(most.get())));
            assert!(busiest.into_inner() <= threads());
            let mut done = done.into_inner().unwrap_or_default();
            done.sort_unstable();
            assert_eq!(done, (0..9).collect::<Vec<_>>());
            set_budget(before);
        }
    }
}
