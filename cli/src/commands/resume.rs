//! `fmr resume RUN`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::Runner;
use fmr::store::RunStore;

use super::shared::{expect_local, experiment_of, prepare, print_finished};
use crate::failure::Failure;
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Resume although a plugin file has changed: you fixed the plugin after it ended the run. Not needed if it only
    /// failed on samples
    #[arg(long)]
    mended: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    expect_local(&arguments.run)?;
    let experiment = experiment_of(&RunStore::read(&arguments.run)?)?;
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let resume = if arguments.mended { Runner::resume_mended } else { Runner::resume };
    let run = resume(&runner, &prepared, &arguments.run);
    terminal.clear();
    let run = run?;
    print_finished(&prepared.experiment, &run.store, run.dir(), out)
}
