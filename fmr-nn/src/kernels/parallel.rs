//! Work shared among threads, without nesting.

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

/// Threads that a section started here may use: one inside another section or a lane of the engine.
pub fn threads() -> usize {
    if rayon::current_thread_index().is_some() || SERIAL.with(std::cell::Cell::get) {
        1
    } else {
        rayon::current_num_threads()
    }
}

thread_local! {
    static SERIAL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Makes the kernels called from this thread run on this thread alone, as fits a thread that is one lane among several.
pub fn run_serially_on_this_thread(serial: bool) {
    SERIAL.with(|s| s.set(serial));
}

/// Calls `f(0) … f(tasks - 1)`, on several threads where that is allowed and worth it.
pub fn for_each(tasks: usize, f: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || threads() == 1 {
        (0..tasks).for_each(f);
    } else {
        (0..tasks).into_par_iter().for_each(f);
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

/// Calls `f` with a thread's reusable scratch buffer of `len` floats, whose contents are arbitrary.
///
/// Nested calls get buffers of their own.
pub fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static FREE: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let mut buffer = FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = f(&mut buffer[..len]);
    FREE.with(|free| free.borrow_mut().push(buffer));
    result
}
