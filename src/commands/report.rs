//! `fmr report RUN`

use std::path::PathBuf;

use clap::Args;
use fmr::core::store::RunStore;
use fmr::{Finished, report};

use super::shared::{Failure, experiment_of};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run.
    run: PathBuf,
    /// Only print the table, write nothing.
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let store = RunStore::read(&arguments.run)?;
    let experiment = experiment_of(&store)?;
    let table = if arguments.print { report::table(&experiment, &store)? } else { report::write(&experiment, &store)? };
    println!("{}", Finished { dir: arguments.run.clone(), table });
    Ok(())
}
