//! `fmr score BENCHMARK --target MODEL=WEIGHTS`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::benchmark::{self, Benchmark, Entrant};
use fmr::experiment::{Changes, Experiment, LabelMatch};
use fmr::report::{Report, WIDTH};
use fmr::{Error, Interrupt};

use crate::failure::Failure;
use crate::signals;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the benchmark, as `fmr export --benchmark` wrote it
    benchmark: PathBuf,
    /// Target: an architecture that `fmr models` lists with its weights, `MODEL=WEIGHTS`, or a name in --experiment;
    /// repeatable
    #[arg(long = "target", value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Experiment file that knows the targets without weights
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    /// Take the order of the target's logits for that of the benchmark's classes, whatever their names
    #[arg(long)]
    by_position: bool,
    /// Device for targets with weights
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Write the table as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let found = Benchmark::open(&arguments.benchmark).map_err(Error::from)?;
    found.verify().map_err(Error::from)?;
    let interrupt = Interrupt::default();
    signals::listen(&interrupt);
    let experiment = match &arguments.experiment {
        Some(file) => Some(Experiment::read(file, &Changes::default())?),
        None => None,
    };
    let entrants =
        arguments.targets.iter().map(|target| entrant(arguments, target, &found, experiment.as_ref(), &interrupt));
    let entrants = entrants.collect::<Result<Vec<_>, _>>()?;
    let grid = benchmark::score(&found, &entrants, &interrupt)?;
    let report = Report { title: grid.title.clone(), grids: vec![grid], ..Report::default() };
    let width = terminal_size::terminal_size_of(std::io::stdout()).map_or(WIDTH, |(width, _)| usize::from(width.0));
    writeln!(out, "{}", report.to_tables(width))?;
    if let Some(path) = &arguments.json {
        let json = report.to_json().map_err(Error::from)?;
        std::fs::write(path, json).map_err(|e| Failure::Text(format!("{}: {e}", path.display())))?;
    }
    Ok(())
}

fn entrant(
    arguments: &Arguments,
    target: &str,
    found: &Benchmark,
    experiment: Option<&Experiment>,
    interrupt: &Interrupt,
) -> Result<Entrant, Failure> {
    let label_match = if arguments.by_position { LabelMatch::Position } else { LabelMatch::Name };
    match (target.split_once('='), experiment) {
        (Some((model, weights)), _) => {
            let registry = fmr::registry();
            let weights = Path::new(weights);
            Ok(benchmark::published(model, weights, &arguments.device, found, label_match, &registry)?)
        }
        (None, Some(experiment)) => Ok(benchmark::named(experiment, target, found, label_match, interrupt)?),
        (None, None) => Err(Failure::Text(format!(
            "target {target:?} has no weights: write {target}=WEIGHTS, or name the experiment file that knows it with \
             --experiment FILE"
        ))),
    }
}
