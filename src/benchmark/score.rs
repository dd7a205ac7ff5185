//! Targets on a static benchmark.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fmr_benchmark::{Benchmark, Sample};
use fmr_core::logits::prediction;
use fmr_core::metrics::{Counts, FmrReading, Indicators, Proportion, Ratio};
use fmr_core::perturb::{PerturbError, logits_of_originals};
use fmr_core::registry::{MakeContext, Registry, Settings};
use fmr_core::{ComponentError, Target};
use fmr_experiment::{Experiment, LabelMatch};
use fmr_report::{Cell, CellOf, Column, Grid, Row};
use serde_json::json;

use super::{TOGETHER, batch, damaged};
use crate::classes::{DataClasses, matched};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::prepare;

const CONFIDENCE: f64 = 0.95;

/// A target that is evaluated on a benchmark.
pub struct Entrant {
    /// What people read.
    pub label: String,
    /// Its logits have the order of the benchmark's classes.
    pub target: Arc<dyn Target>,
}

/// The target that an experiment knows by a name.
///
/// # Errors
/// There is no such target, it cannot be made, or its classes are not the benchmark's.
pub fn named(
    experiment: &Experiment,
    name: &str,
    benchmark: &Benchmark,
    label_match: LabelMatch,
    interrupt: &Interrupt,
) -> Result<Entrant, Error> {
    let registry = crate::components::registry_of(experiment, interrupt);
    let target = prepare::target(experiment, &registry, name, benchmark.card().image, interrupt)?;
    let label = experiment.targets.get(name).map_or_else(|| name.to_owned(), |table| table.label.clone());
    entrant(label, target, benchmark, label_match)
}

/// A classifier of the zoo by the name of its architecture (`fmr models` lists them), with a file of weights.
///
/// # Errors
/// There is no such model or file, the file does not fit, or the classes are not the benchmark's.
pub fn published(
    model: &str,
    weights: &Path,
    device: &str,
    benchmark: &Benchmark,
    label_match: LabelMatch,
    registry: &Registry,
) -> Result<Entrant, Error> {
    let refuse = |problem: String| Error::Target { target: model.to_owned(), problem };
    if !weights.is_file() {
        return Err(refuse(format!("there is no file {}", weights.display())));
    }
    let weights: PathBuf = std::path::absolute(weights).unwrap_or_else(|_| weights.to_owned());
    let mut settings = Settings::default();
    settings.0.insert("model".to_owned(), json!(model));
    settings.0.insert("weights".to_owned(), json!(weights));
    let context = MakeContext::new(registry, benchmark.card().image).with_device(device);
    let target = registry.make::<dyn Target>("zoo", &settings, &context);
    let target = target.map_err(|error| refuse(error.to_string()))?;
    entrant(model.to_owned(), Arc::from(target), benchmark, label_match)
}

fn entrant(
    label: String,
    target: Arc<dyn Target>,
    benchmark: &Benchmark,
    label_match: LabelMatch,
) -> Result<Entrant, Error> {
    let names: Vec<String> = benchmark.card().classes.iter().map(|class| class.name.clone()).collect();
    let logits = target.spec().classes;
    if logits != names.len() {
        let problem = format!("gives {logits} logits, the benchmark has {} classes", names.len());
        return Err(Error::Target { target: label, problem });
    }
    let target = match label_match {
        LabelMatch::Position => target,
        LabelMatch::Name => {
            matched(target, DataClasses { own: &names, shown: &names })
                .map_err(|problem| Error::Target { target: label.clone(), problem })?
                .target
        }
    };
    Ok(Entrant { label, target })
}

/// Accuracy of targets on the perturbed images of a benchmark, beside that on their originals.
///
/// # Errors
/// A file cannot be read, a target fails, or the user stops it.
pub fn score(benchmark: &Benchmark, entrants: &[Entrant], interrupt: &Interrupt) -> Result<Grid, Error> {
    let card = benchmark.card();
    // Pairs of equals, as a training set has them, say nothing of perturbed images.
    let samples: Vec<&Sample> = benchmark.samples().iter().filter(|sample| sample.produced).collect();
    let own = samples.iter().map(|sample| [sample.original_prediction, sample.prediction]);
    let made_for = "made for it";
    let mut rows = vec![(Row::new([card.target.as_str(), made_for]), Paired::of(&samples, own))];
    for entrant in entrants {
        let mut seen = Vec::with_capacity(samples.len());
        for samples in samples.chunks(TOGETHER) {
            if interrupt.asked() {
                return Err(Error::Stopped);
            }
            let failed = |error: ComponentError| Error::from(PerturbError::from(error));
            let ask = |name: &dyn Fn(&Sample) -> &str| {
                let files = samples.iter().map(|sample| benchmark.file(name(sample))).collect::<Result<Vec<_>, _>>()?;
                let labels: Vec<usize> = samples.iter().map(|sample| sample.label).collect();
                let batch = batch(&files, card.image, &labels).map_err(|problem| damaged(benchmark.dir(), &problem))?;
                let logits = logits_of_originals(&*entrant.target, &batch).map_err(failed)?;
                Ok::<_, Error>(logits.outer_iter().map(prediction).collect::<Vec<_>>())
            };
            let (originals, finals) = (ask(&|sample| &sample.original)?, ask(&|sample| &sample.file)?);
            seen.extend(originals.into_iter().zip(finals).map(|(original, last)| [original, last]));
        }
        rows.push((Row::new([entrant.label.as_str(), "scored"]), Paired::of(&samples, seen)));
    }
    Ok(grid(benchmark, rows))
}

/// Whether a target is right on both images of each pair.
struct Paired {
    counts: Counts,
}

impl Paired {
    fn of(samples: &[&Sample], seen: impl IntoIterator<Item = [Option<usize>; 2]>) -> Self {
        let right = samples.iter().zip(seen).map(|(sample, seen)| seen.map(|class| class == Some(sample.label)));
        let images: Vec<Indicators> = right
            .map(|[clean_correct, final_correct]| Indicators { clean_correct, produced: true, final_correct })
            .collect();
        Self { counts: Counts::of(&images) }
    }

    fn share(&self, hits: usize) -> Proportion {
        Proportion::of(hits, self.counts.n, CONFIDENCE)
    }
}

fn grid(benchmark: &Benchmark, rows: Vec<(Row, Paired)>) -> Grid {
    let card = benchmark.card();
    let columns: Vec<(Column, CellOf<'_, Paired>)> = vec![
        (
            Column::percent("originals", "originals").meaning("accuracy on the originals of the images"),
            Box::new(|paired: &Paired| (&paired.share(paired.counts.clean_correct)).into()),
        ),
        (
            Column::percent("perturbed", "perturbed").meaning("accuracy on the perturbed images"),
            Box::new(|paired| (&paired.share(paired.counts.produced_correct)).into()),
        ),
        (
            Column::percent("static-fmr", "static FMR")
                .meaning("perturbed / originals; no FMR, for the images were not made for the target"),
            Box::new(|paired| (&Ratio::of(&paired.counts, FmrReading::SAME_IMAGES, CONFIDENCE)).into()),
        ),
        (
            Column::count("lost", "lost")
                .meaning("images on which it is right before and wrong after the perturbation"),
            Box::new(|paired| {
                let Counts { clean_correct, produced_correct_and_clean_correct: both, .. } = paired.counts;
                Cell::count(clean_correct.saturating_sub(both))
            }),
        ),
    ];
    let mut grid = Grid::new("score", &card.title).labels(["target", "images"]);
    grid.caption.confidence = Some(CONFIDENCE);
    grid.caption.worlds = vec![card.world.clone()];
    let facts = [("generator", &card.generator), ("oracle", &card.oracle), ("made for", &card.target)];
    grid.caption.facts = facts.map(|(name, value)| (name.to_owned(), value.clone())).to_vec();
    let rows = rows.into_iter().map(|(row, paired)| (row.over(paired.counts.n), paired));
    grid.tabulate(columns, rows)
}
