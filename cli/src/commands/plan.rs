//! `fmr plan FILE`

use std::time::{Duration, Instant};

use clap::Args;
use fmr::core::metrics::Interval;
use fmr::core::perturb::{Perturber, SearchSettings};
use fmr::{Error, Interrupt, ReadyRow, RowMask};
use indicatif::HumanDuration;

use super::shared::ExperimentArguments;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Half width that the intervals of SA and PA are to have, in percentage points.
    #[arg(long, value_name = "POINTS", default_value_t = 5.0)]
    half_width: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = arguments.experiment.prepare(&Interrupt::default())?;
    let confidence = prepared.experiment.metrics.confidence;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes = prepared.experiment.run.side_by_side(cores).lanes;
    let mut total = Duration::ZERO;
    for row in prepared.ready() {
        let (n, each) = (row.samples.len(), time_of_one(row)?);
        let learns = row.mask.as_ref().and_then(RowMask::learns);
        let learned_from = learns.map_or(0, |(_, samples)| samples.len());
        let cost = each * u32::try_from(n + learned_from).unwrap_or(u32::MAX) / u32::try_from(lanes).unwrap_or(1);
        total += cost;
        println!(
            "{}: {n} images, at most {} updates each, up to {}; intervals within ±{:.1} points",
            row.settings.id,
            row.settings.search.updates_allowed(),
            HumanDuration(cost),
            100.0 * half_width(n, confidence),
        );
        if learned_from > 0 {
            println!("  of that {learned_from} images without a mask, from which the row's mask is learned");
        }
    }
    println!("all rows that can run here: up to {} on {lanes} lanes", HumanDuration(total));
    match images_for(arguments.half_width / 100.0, confidence) {
        Some(n) => println!("{n} images give intervals within ±{} points", arguments.half_width),
        None => return Err(Failure::Text("--half-width must lie between 0.01 and 50 points".to_owned())),
    }
    Ok(())
}

/// Time that one sample takes on one thread if the oracle refuses no update: measured on two short searches.
fn time_of_one(row: &ReadyRow) -> Result<Duration, Error> {
    let time = |updates: usize| -> Result<Duration, Error> {
        let search = SearchSettings { budget: updates, ..row.settings.search.clone() };
        let perturber = Perturber {
            generator: &*row.generator,
            oracle: &*row.oracle,
            target: &*row.target,
            scorer: &*row.scorer,
            search: &search,
            verdict: &row.verdict,
            classes: row.plan.classes.len(),
            mask: None,
            observer: &(),
            cache: None,
        };
        let begin = Instant::now();
        perturber.run(&row.samples.batch(&[0])?)?;
        Ok(begin.elapsed())
    };
    const PROBE: usize = 4;
    // The first pass warms caches up.
    time(1)?;
    let (one, more) = (time(1)?, time(1 + PROBE)?);
    let update = more.saturating_sub(one) / u32::try_from(PROBE).unwrap_or(1);
    let updates = u32::try_from(row.settings.search.updates_allowed()).unwrap_or(u32::MAX);
    Ok(one + update * updates * u32::try_from(row.settings.search.restarts + 1).unwrap_or(1))
}

/// Widest half width of a rate's interval over n images: that of one half.
fn half_width(n: usize, confidence: f64) -> f64 {
    Interval::wilson(n / 2, n, confidence).map_or(0.5, |interval| interval.half_width())
}

/// Least number of images whose intervals are within the half width.
fn images_for(half: f64, confidence: f64) -> Option<usize> {
    if !(0.0001..=0.5).contains(&half) {
        return None;
    }
    let (mut few, mut enough) = (1_usize, 1_usize);
    while half_width(enough, confidence) > half {
        few = enough;
        enough *= 2;
    }
    while few + 1 < enough {
        let middle = few.midpoint(enough);
        if half_width(middle, confidence) > half { few = middle } else { enough = middle }
    }
    Some(enough)
}
