//! Ctrl-C, termination and hang-up signals.

use fmr::Interrupt;

/// Stops the run at the first signal, once its batches in progress are finished, and the process at the second. Called
/// once a process.
///
/// A process that began with one of the signals ignored keeps it so: `nohup fmr run` outlives its terminal. No signal is
/// handled there, and those that are not ignored end the process at once. That, and a system on which no handler can be
/// set, costs the batches in progress and no more.
pub(crate) fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    let _ = ctrlc::try_set_handler(move || {
        if interrupt.ask() {
            std::process::exit(130);
        }
        eprintln!("\nfinishing images in progress; press Ctrl-C again to quit now");
    });
}
