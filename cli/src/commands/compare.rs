//! `fmr compare RUN [RUN]`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::experiment::Experiment;
use fmr::report::{Caption, Compared, Contender, Results, WIDTH, caption, contenders};
use fmr::store::RunStore;

use super::shared::{experiment_of, terminal_width};
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of the runs; the metrics are read as the first one says
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let stores = arguments.runs.iter().map(|run| RunStore::read(run)).collect::<Result<Vec<_>, _>>()?;
    let experiments = stores.iter().map(experiment_of).collect::<Result<Vec<Experiment>, _>>()?;
    let results = stores.iter().map(Results::read).collect::<Result<Vec<_>, _>>().map_err(fmr::Error::from)?;
    let Some(first) = experiments.first() else { return Ok(()) };
    let mut all: Vec<Contender<'_>> = Vec::new();
    let mut captions: Vec<Caption> = Vec::new();
    for ((experiment, results), run) in experiments.iter().zip(&results).zip(&arguments.runs) {
        let mut experiment = experiment.clone();
        experiment.metrics.clone_from(&first.metrics);
        let mut rows = contenders(&experiment, results);
        if arguments.runs.len() > 1 {
            rows.iter_mut().for_each(|row| row.run = run.display().to_string());
        }
        all.extend(rows);
        captions.push(caption(&experiment, results));
    }
    let compared = Compared::of(&all, &first.metrics);
    let mut grids = compared.grids(&first.metrics, first.report.digits);
    if grids.is_empty() {
        let reasons = compared.apart.iter().map(|(name, why)| format!("\n{name} is not compared: {why}"));
        return Err(Failure::Text(format!(
            "no two rows can be compared: they must differ in their target alone{}",
            reasons.collect::<String>()
        )));
    }
    if let Some(grid) = grids.first_mut() {
        let confidence = grid.caption.confidence;
        grid.caption = Caption { confidence, ..merged(captions) };
    }
    for (at, grid) in grids.iter().enumerate() {
        let space = if at > 0 { "\n" } else { "" };
        writeln!(out, "{space}{}\n{}", grid.title, grid.to_text(terminal_width().unwrap_or(WIDTH)).trim_end())?;
    }
    Ok(())
}

/// One caption of all runs: a fact in which they differ has all values.
fn merged(captions: Vec<Caption>) -> Caption {
    let mut all = captions.into_iter();
    let mut merged = all.next().unwrap_or_default();
    for caption in all {
        merged.paper_setting &= caption.paper_setting;
        for (list, more) in [(&mut merged.worlds, caption.worlds), (&mut merged.remarks, caption.remarks)] {
            for sentence in more {
                if !list.contains(&sentence) {
                    list.push(sentence);
                }
            }
        }
        for (name, value) in caption.facts {
            match merged.facts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) if known.split(" or ").any(|one| one == value) => {}
                Some((_, known)) => *known = format!("{known} or {value}"),
                None => merged.facts.push((name, value)),
            }
        }
    }
    merged
}
