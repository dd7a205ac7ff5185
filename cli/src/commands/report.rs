//! `fmr report RUN`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::report;
use fmr::store::RunStore;

use super::shared::{experiment_of, print_finished, print_report};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Print the tables without writing files
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let store = RunStore::read(&arguments.run)?;
    let experiment = experiment_of(&store)?;
    if arguments.print {
        return print_report(&report::report(&experiment, &store)?, store.dir(), out);
    }
    print_finished(&experiment, &store, store.dir(), out)
}
