//! `fmr run FILE`

use std::path::PathBuf;

use clap::Args;
use fmr::{Interrupt, Runner};

use super::shared::{ExperimentArguments, Failure};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Folder for the run; a new one below the experiment's `run.folder` unless given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = arguments.experiment.prepare()?;
    let runner = Runner { interrupt: Interrupt::on_signals(), quiet: false };
    println!("{}", runner.run(&prepared, arguments.out.as_deref())?);
    Ok(())
}
