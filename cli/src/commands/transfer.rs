//! `fmr transfer RUN --target NAME`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::Runner;
use fmr::experiment::{Changes, Experiment};
use fmr::store::{EXPERIMENT_FILE, RunStore};
use serde_json::json;

use super::shared::{prepare, print_finished};
use crate::failure::Failure;
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Target that is shown the run's originals and final images, by its name in the run's experiment file; repeatable
    #[arg(long = "target", value_name = "NAME", required = true)]
    targets: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let text = RunStore::read(&arguments.run)?.plan().experiment.clone();
    let also = vec![("evaluate.also".to_owned(), json!(arguments.targets))];
    let changes = Changes { values: also, ..Changes::default() };
    let experiment = Experiment::parse(&arguments.run.join(EXPERIMENT_FILE), text, &arguments.run, &changes)?;
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let run = runner.transfer(&prepared, &arguments.run);
    terminal.clear();
    print_finished(&prepared.experiment, &run?.store, out)
}
