//! What subcommands share: options that change an experiment file, and errors as people read them.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::experiment::{Changes, ConfigError, Experiment};
use fmr::report::{self, Report, TextOptions, WIDTH};
use fmr::store::RunStore;
use fmr::{Interrupt, Prepared};
use serde_json::Value;

use crate::failure::Failure;

/// An experiment file and what the command line changes of it.
#[derive(Args)]
pub(crate) struct ExperimentArguments {
    /// Experiment file (TOML)
    file: PathBuf,
    /// Use the file's profile `quick`: a few images, to see that everything works
    #[arg(long, conflicts_with_all = ["full", "profile"])]
    quick: bool,
    /// Use the file's profile `full`: all images
    #[arg(long, conflicts_with = "profile")]
    full: bool,
    /// Use this profile of the file
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Use at most this many images of each data set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Override a value of the file, e.g. `search.budget=5`; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
}

impl ExperimentArguments {
    /// Reads the file.
    pub(crate) fn read(&self) -> Result<Experiment, ConfigError> {
        let named = |set: bool, name: &str| set.then(|| name.to_owned());
        let profile = self.profile.clone().or(named(self.quick, "quick")).or(named(self.full, "full"));
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        Experiment::read(&self.file, &Changes { profile, values: self.set.clone(), limit })
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The same as words of a command line, with `file` for the file.
    pub(crate) fn as_arguments(&self, file: &Path) -> Vec<String> {
        let mut words = vec![file.to_string_lossy().into_owned()];
        let profile = self.profile.clone();
        let flags = [(self.quick, "--quick"), (self.full, "--full")];
        words.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.to_owned()));
        words.extend(profile.into_iter().flat_map(|name| ["--profile".to_owned(), name]));
        words.extend(self.limit.into_iter().flat_map(|limit| ["--limit".to_owned(), limit.to_string()]));
        for (key, value) in &self.set {
            // JSON's values are TOML's too, but for tables, which nobody writes on a command line.
            words.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        words
    }

    /// Reads the file and makes its components.
    pub(crate) fn prepare(&self, interrupt: &Interrupt) -> Result<Prepared, ConfigError> {
        prepare(self.read()?, interrupt)
    }
}

/// Refuses a folder in which no database can be written safely.
pub(crate) fn expect_local(dir: &Path) -> Result<(), Failure> {
    let Some(system) = fmr_files::network_file_system(dir) else { return Ok(()) };
    let dir = dir.display();
    Err(Failure::Text(format!(
        "{dir} is on a network file system ({system}), where a run's database cannot be written safely: add --publish {dir}, \
         which works on a disk of this machine and puts the finished run there"
    )))
}

/// Makes the components of an experiment, whose calls the interrupt reaches.
pub(crate) fn prepare(experiment: Experiment, interrupt: &Interrupt) -> Result<Prepared, ConfigError> {
    let registry = fmr::registry_of(&experiment, interrupt);
    fmr::prepare_until(experiment, &registry, interrupt)
}

/// `a.b=VALUE`, where VALUE is TOML, or else a text.
pub(crate) fn assignment(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}")).ok().and_then(|mut table| table.remove("v"));
    let value = match parsed {
        Some(value) => serde_json::to_value(value).map_err(|e| e.to_string())?,
        None => Value::String(value.trim().to_owned()),
    };
    Ok((key.trim().to_owned(), value))
}

/// The experiment that a run keeps.
pub(crate) fn experiment_of(store: &RunStore) -> Result<Experiment, ConfigError> {
    let dir = store.dir();
    let file = dir.join(fmr::store::EXPERIMENT_FILE);
    Experiment::parse(&file, store.plan().experiment.clone(), dir, &Changes::default())
}

/// Writes the reports of a run, and prints its tables and, on the last line, the folder `place`, where it is or will be. A file that could not be written
/// is an error after that; so are more failed samples than `run.failed-share` allows, which the first line says too.
pub(crate) fn print_finished(
    experiment: &Experiment,
    store: &RunStore,
    place: &Path,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let unwritten = report::unwritten(experiment, store)?;
    let failures = unwritten.report.failures(experiment.run.failed_share);
    let mut print = || -> Result<(), Failure> {
        if let Some(line) = &failures {
            writeln!(out, "{line}\n")?;
        }
        print_report(&unwritten.report, place, out)?;
        Ok(out.flush()?)
    };
    // The table first: a file that cannot be written costs no table. Then the files, even where nobody reads the table.
    let printed = print();
    let written = unwritten.write();
    printed?;
    if !written.problems.is_empty() {
        let problems: Vec<String> = written.problems.iter().map(ToString::to_string).collect();
        return Err(Failure::Text(format!("files of the report are missing:\n{}", problems.join("\n"))));
    }
    failures.map_or(Ok(()), |line| Err(Failure::Samples(line)))
}

/// Prints a report as wide as the terminal and, on the last line, the run's folder.
pub(crate) fn print_report(report: &Report, dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let width = terminal_width().unwrap_or(WIDTH);
    writeln!(out, "{}\n{}", report.to_text(&TextOptions { width, ..TextOptions::default() }), dir.display())?;
    Ok(())
}

/// Columns of the terminal that the command prints to; `None` where it prints to something else.
pub(crate) fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// A run with its experiment, for commands that look at several.
pub(crate) struct Opened {
    /// What the run is called: its folder.
    pub(crate) name: String,
    pub(crate) store: RunStore,
    pub(crate) experiment: Experiment,
}

impl Opened {
    /// Opens runs to look at them.
    pub(crate) fn all(folders: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        let open = |folder: &PathBuf| {
            let store = RunStore::read(folder)?;
            let experiment = experiment_of(&store)?;
            Ok(Self { name: folder.display().to_string(), store, experiment })
        };
        folders.iter().map(open).collect()
    }

    /// Its experiment, with the metrics of a different one, so that figures of several runs mean the same.
    pub(crate) fn experiment_read_as(&self, first: &Experiment) -> Experiment {
        let mut experiment = self.experiment.clone();
        experiment.metrics.clone_from(&first.metrics);
        experiment
    }
}
