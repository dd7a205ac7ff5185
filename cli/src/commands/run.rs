//! `fmr run FILE`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fmr::Runner;
use fmr::experiment::{Changes, Experiment};
use fmr::store::{Part, RunStore};

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
    /// Do every N-th image only, from image I on; `fmr merge` makes one run of all N parts
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    part: Part,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    run_in(arguments.experiment.read()?, arguments.out.as_deref(), arguments.part, out)
}

/// Runs a file in a new folder, and shows errors itself.
pub(crate) fn run_file(file: &Path, profile: Option<String>) -> ExitCode {
    let changes = Changes { profile, ..Changes::default() };
    let run = Experiment::read(file, &changes)
        .map_err(Failure::from)
        .and_then(|experiment| run_in(experiment, None, Part::WHOLE, &mut std::io::stdout().lock()));
    run.map_or_else(failure::show, |()| ExitCode::SUCCESS)
}

fn run_in(experiment: Experiment, dir: Option<&Path>, part: Part, out: &mut dyn Write) -> Result<(), Failure> {
    // Making components may take minutes; what can be refused before is.
    if let Some(dir) = dir {
        RunStore::expect_new(dir)?;
    }
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, part, ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let run = runner.run(&prepared, dir);
    terminal.clear();
    print_finished(&prepared.experiment, &run?.store, out)
}
