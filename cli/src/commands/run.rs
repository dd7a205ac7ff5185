//! `fmr run FILE`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fmr::Runner;
use fmr::experiment::{Changes, Experiment};

use super::shared::{ExperimentArguments, prepare, print_finished};
use crate::failure::{self, Failure};
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Folder for the run [default: a new one below the experiment's `run.folder`]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    run_in(arguments.experiment.read()?, arguments.out.as_deref())
}

/// Runs a file in a new folder, and shows errors itself.
pub(crate) fn run_file(file: &Path, profile: Option<String>) -> ExitCode {
    let changes = Changes { profile, ..Changes::default() };
    let run = Experiment::read(file, &changes).map_err(Failure::from).and_then(|experiment| run_in(experiment, None));
    run.map_or_else(failure::show, |()| ExitCode::SUCCESS)
}

fn run_in(experiment: Experiment, out: Option<&Path>) -> Result<(), Failure> {
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let run = runner.run(&prepared, out);
    terminal.clear();
    print_finished(&prepared.experiment, &run?.store)
}
