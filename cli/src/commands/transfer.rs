//! `fmr transfer RUN --target NAME --oracle NAME|FILE`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::Runner;
use fmr::experiment::{Changes, Experiment, oracle_tables};
use fmr::store::{EXPERIMENT_FILE, RunStore};
use serde_json::{Value, json};

use super::shared::{experiment_of, prepare, print_finished};
use crate::failure::Failure;
use crate::{Terminal, signals};

#[derive(Args)]
#[command(group = clap::ArgGroup::new("judges").required(true).multiple(true))]
pub(crate) struct Arguments {
    /// Folder of the run
    run: PathBuf,
    /// Target that is shown the run's originals and final images, by its name in the run's experiment file; repeatable
    #[arg(long = "target", value_name = "NAME", group = "judges")]
    targets: Vec<String>,
    /// Oracle that judges them: its name in the run's experiment file, or a TOML file with [oracles.NAME] tables; repeatable
    #[arg(long = "oracle", value_name = "NAME|FILE", group = "judges")]
    oracles: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let store = RunStore::read(&arguments.run)?;
    let (own, text) = (experiment_of(&store)?, store.plan().experiment.clone());
    drop(store);
    let mut values: Vec<(String, Value)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for oracle in &arguments.oracles {
        if oracle.ends_with(".toml") || Path::new(oracle).is_file() {
            for (name, table) in oracle_tables(Path::new(oracle))? {
                // The run's own oracles keep their names.
                let taken = |name: &String| own.oracles.contains_key(name) || names.contains(name);
                let free = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
                let name = free.into_iter().find(|name| !taken(name)).unwrap_or(name);
                values.push((format!("oracles.{name}"), table));
                names.push(name);
            }
        } else {
            names.push(oracle.clone());
        }
    }
    values.push(("evaluate".to_owned(), json!({ "also": arguments.targets, "oracles": names })));
    let changes = Changes { values, ..Changes::default() };
    let experiment = Experiment::parse(&arguments.run.join(EXPERIMENT_FILE), text, &arguments.run, &changes)?;
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    signals::listen(&runner.interrupt);
    let run = runner.transfer(&prepared, &arguments.run);
    terminal.clear();
    let run = run?;
    print_finished(&prepared.experiment, &run.store, run.dir(), out)
}
