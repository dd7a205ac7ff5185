//! `fmr run FILE`

use std::path::PathBuf;

use clap::Args;
use fmr::Runner;

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
    let runner = Runner::default();
    let prepared = arguments.experiment.prepare(&runner.interrupt)?;
    runner.interrupt.listen();
    println!("{}", runner.run(&prepared, arguments.out.as_deref())?);
    Ok(())
}
