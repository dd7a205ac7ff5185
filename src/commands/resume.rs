//! `fmr resume RUN`

use std::path::PathBuf;

use clap::Args;
use fmr::core::store::RunStore;
use fmr::{Interrupt, Runner};

use super::shared::{Failure, experiment_of, prepare};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run.
    run: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let experiment = experiment_of(&RunStore::read(&arguments.run)?)?;
    let prepared = prepare(experiment)?;
    let runner = Runner { interrupt: Interrupt::on_signals(), quiet: false };
    println!("{}", runner.resume(&prepared, &arguments.run)?);
    Ok(())
}
