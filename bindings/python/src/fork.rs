//! Threads do not survive a fork: a child that computes would wait for them for ever.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::raise;

/// The process that computed first; 0: none has.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Makes this the process that computes.
///
/// # Errors
/// It is a fork of one that computed before.
pub(crate) fn claim(py: Python<'_>) -> PyResult<()> {
    let here = std::process::id();
    match OWNER.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(owner) if owner == here => Ok(()),
        Err(_) => Err(raise::named(
            py,
            "FmrError",
            "fmr computed before this process forked, and its threads are gone here: start processes by `spawn` \
             (multiprocessing.get_context(\"spawn\")), or fork before the first call of fmr",
        )),
    }
}
