//! `fmr run FILE`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fmr::experiment::{Changes, Experiment};
use fmr::store::{Part, Published, RunStore};
use fmr::{FinishedRun, Prepared, Runner};

use super::shared::{ExperimentArguments, expect_local, prepare, print_finished};
use crate::failure::{self, Failure};
use crate::{Terminal, signals};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    #[command(flatten)]
    place: Place,
}

/// Which images, and where their results go.
#[derive(Args, Default)]
struct Place {
    /// Folder for the run [default: a new one below the experiment's `run.folder`]
    #[arg(long, value_name = "DIR", conflicts_with = "publish")]
    out: Option<PathBuf>,
    /// Do the images whose position is I modulo N, from 0/N on; `fmr merge` makes one run of all N. A shard that was begun
    /// goes on, a finished one stays as it is
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Part>,
    /// The same counted from 1, as earlier versions had it
    #[arg(long, value_name = "I/N", hide = true, conflicts_with = "shard")]
    part: Option<Part>,
    /// Work on a disk of this machine and put the finished run into DIR, whole or not at all: for file systems that several
    /// machines share
    #[arg(long, value_name = "DIR")]
    publish: Option<PathBuf>,
    /// With --publish: the folder to work in [default: one in the system's folder for temporary files]
    #[arg(long, value_name = "DIR", requires = "publish")]
    work: Option<PathBuf>,
}

/// `I/N`, counted from 0.
fn shard(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    let shard = numbers.and_then(|(index, of)| Part::new(index, of).ok());
    shard.ok_or_else(|| "write I/N with I from 0 to N - 1, e.g. 0/8 to 7/8".to_owned())
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    run_in(arguments.experiment.read()?, &arguments.place, out)
}

/// Runs a file in a new folder, and shows errors itself.
pub(crate) fn run_file(file: &Path, profile: Option<String>) -> ExitCode {
    let changes = Changes { profile, ..Changes::default() };
    let run = Experiment::read(file, &changes)
        .map_err(Failure::from)
        .and_then(|experiment| run_in(experiment, &Place::default(), &mut std::io::stdout().lock()));
    run.map_or_else(failure::show, |()| ExitCode::SUCCESS)
}

fn run_in(experiment: Experiment, place: &Place, out: &mut dyn Write) -> Result<(), Failure> {
    let dir = place.folder(&experiment);
    // Making components may take minutes; what can be refused before is.
    expect_local(dir.as_deref().unwrap_or(&experiment.run.folder))?;
    if let Some(dir) = dir.as_deref().filter(|dir| !place.goes_on(dir)) {
        RunStore::expect_new(dir)?;
    }
    let terminal = Terminal::default();
    let runner = Runner { events: &terminal, part: place.part(), ..Runner::default() };
    let prepared = prepare(experiment, &runner.interrupt)?;
    let published = place.publish.as_ref().map(|folder| folder.join(place.name(&prepared.experiment)));
    if let Some(folder) = published.as_deref()
        && runner.is_done_in(&prepared, folder)?
    {
        writeln!(out, "{}", folder.display())?;
        return Ok(());
    }
    signals::listen(&runner.interrupt);
    let run = place.work(&runner, &prepared, dir.as_deref());
    terminal.clear();
    let FinishedRun { store } = run?;
    let Some(folder) = published else { return print_finished(&prepared.experiment, &store, store.dir(), out) };
    let printed = print_finished(&prepared.experiment, &store, &folder, out);
    if store.publish(&folder)? == Published::Before {
        tracing::warn!("{} was published by a different process, with the same results", folder.display());
    }
    let work = store.dir().to_owned();
    drop(store);
    // What is published need not lie here too. A folder that stays costs space and nothing else.
    let _ = std::fs::remove_dir_all(work);
    printed
}

impl Place {
    fn part(&self) -> Part {
        self.shard.or(self.part).unwrap_or_default()
    }

    /// What the run's folder is called where the name must be the same each time.
    fn name(&self, experiment: &Experiment) -> String {
        let (name, part) = (fmr_files::safe_name(&experiment.name), self.part());
        if part.is_whole() { name } else { format!("{name}-shard-{:04}-of-{:04}", part.index(), part.of()) }
    }

    /// The folder to work in; `None` for a new one that is numbered.
    fn folder(&self, experiment: &Experiment) -> Option<PathBuf> {
        if self.publish.is_some() {
            let work = self.work.clone().unwrap_or_else(|| std::env::temp_dir().join("fmr-work"));
            return Some(work.join(self.name(experiment)));
        }
        let shard = self.shard.map(|_| experiment.run.folder.join(self.name(experiment)));
        self.out.clone().or(shard)
    }

    /// Whether a run that is in its folder already is to go on: those who start shards repeat the same command line.
    fn goes_on(&self, dir: &Path) -> bool {
        (self.shard.is_some() || self.publish.is_some()) && RunStore::is_in(dir)
    }

    fn work(&self, runner: &Runner<'_>, prepared: &Prepared, dir: Option<&Path>) -> Result<FinishedRun, fmr::Error> {
        match dir.filter(|dir| self.goes_on(dir)) {
            Some(dir) => {
                // Names what differs where it is a different run, or a different shard.
                runner.is_done_in(prepared, dir)?;
                runner.resume(prepared, dir)
            }
            None => runner.run(prepared, dir),
        }
    }
}
