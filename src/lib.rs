//! Foundation Model-oriented Robustness (FMR): how robust an image classifier is, as a foundation model sees it.
//!
//! An experiment file ([`fmr_core::config`]) names data, targets, a generator and an oracle; [`prepare()`] makes them,
//! [`Runner`] perturbs the images and keeps the results ([`fmr_core::store`]), [`report`] says what they mean. The
//! command `fmr` and the examples are a few lines around these.

mod components;
mod error;
mod interrupt;
mod masks;
mod prepare;
mod progress;
pub mod report;
mod run;
mod samples;

pub use components::{registry, registry_of};
pub use error::{Error, WrongFile};
pub use interrupt::Interrupt;
pub use masks::{CellMask, LearnedMask, MASKS, MaskSource, learn_mask, save as save_mask};
pub use prepare::{Cell, Prepared, PreparedRow, prepare};
pub use run::{Finished, Runner};
pub use samples::Samples;

#[doc(inline)]
pub use fmr_core as core;

/// Runs an experiment file in a new folder, and shows progress on the terminal.
///
/// # Errors
/// The first thing that is wrong with the file, before any work starts, or what ended the run.
pub fn run_file(file: impl AsRef<std::path::Path>, changes: &core::config::Changes) -> Result<Finished, Error> {
    let experiment = core::config::Experiment::read(file.as_ref(), changes)?;
    let runner = Runner::default();
    let registry = registry_of(&experiment, &runner.interrupt);
    let prepared = prepare(experiment, &registry)?;
    runner.interrupt.listen();
    runner.run(&prepared, None)
}
