//! `fmr resume RUN`

use std::path::PathBuf;

use clap::Args;
use fmr::Runner;
use fmr::core::store::RunStore;

use super::shared::{Failure, experiment_of, prepare};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run.
    run: PathBuf,
    /// Go on though a plugin's file is another: it was mended after it ended the run. Where it only failed on samples,
    /// this is not needed.
    #[arg(long)]
    mended: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let experiment = experiment_of(&RunStore::read(&arguments.run)?)?;
    let runner = Runner::default();
    let prepared = prepare(experiment, &runner.interrupt)?;
    runner.interrupt.listen();
    let resume = if arguments.mended { Runner::resume_mended } else { Runner::resume };
    println!("{}", resume(&runner, &prepared, &arguments.run)?);
    Ok(())
}
