//! Ctrl-C and termination signals.

use fmr::Interrupt;

/// Stops the run at the first signal, once its batches under way are finished, and the process at the second. Called
/// once a process.
pub(crate) fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Where no handler can be set, a signal ends the process at once, which costs the batches under way and no more.
    let _ = ctrlc::set_handler(move || {
        if interrupt.ask() {
            std::process::exit(130);
        }
        eprintln!("\nfinishing images in progress; press Ctrl-C again to quit now");
    });
}
