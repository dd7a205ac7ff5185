//! `fmr plan FILE`

use std::io::Write;
use std::time::Duration;

use clap::Args;
use fmr::core::metrics::sample_size::{Dependence, images_for_proportion};
use fmr::{Estimate, Interrupt, Runner};
use indicatif::HumanDuration;

use super::shared::ExperimentArguments;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Desired half width of the intervals of SA, PA and FMR, in percentage points (0.01 to 50)
    #[arg(long, value_name = "POINTS", default_value_t = 5.0, value_parser = points)]
    half_width: f64,
}

fn points(text: &str) -> Result<f64, String> {
    let points: f64 = text.parse().map_err(|_| "write a number of percentage points".to_owned())?;
    if (0.01..=50.0).contains(&points) { Ok(points) } else { Err("it must lie between 0.01 and 50 points".to_owned()) }
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let prepared = arguments.experiment.prepare(&Interrupt::default())?;
    let confidence = prepared.experiment.metrics.confidence;
    let wanted = arguments.half_width / 100.0;
    let runner = Runner::default();
    let (mut total, mut low, mut high) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for row in prepared.ready() {
        let estimate = runner.plan(&prepared, row)?;
        total = total.saturating_add(estimate.time);
        low = low.saturating_add(estimate.bounds.start);
        high = high.saturating_add(estimate.bounds.end);
        write_row(out, &row.settings.id, &estimate, wanted, confidence)?;
    }
    let (total, low, high) = (HumanDuration(total), HumanDuration(low), HumanDuration(high));
    writeln!(out, "all rows that can run here: about {total}, between {low} and {high}")?;
    if let Some(images) = images_for_proportion(0.5, wanted, confidence) {
        writeln!(out, "{images} images give SA and PA intervals within ±{} points", arguments.half_width)?;
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, id: &str, estimate: &Estimate, wanted: f64, confidence: f64) -> std::io::Result<()> {
    let (low, high) = (HumanDuration(estimate.bounds.start), HumanDuration(estimate.bounds.end));
    writeln!(
        out,
        "{id}: {} images, about {:.0} of {} updates each: about {}, between {low} and {high} (from {} images)",
        estimate.images,
        estimate.updates,
        estimate.most_updates,
        HumanDuration(estimate.time),
        estimate.piloted
    )?;
    if estimate.learned_from > 0 {
        writeln!(out, "  {} images without a mask included, to learn the row's mask from", estimate.learned_from)?;
    }
    let rate = 100.0 * estimate.rate_half_width(confidence);
    let fmr = estimate.fmr_half_width(confidence).map_or("–".to_owned(), |width| format!("{:.1}", 100.0 * width));
    write!(out, "  intervals: SA and PA within ±{rate:.1} points, FMR within about ±{fmr}")?;
    match estimate.expected.images_for(wanted, Dependence::Independent, confidence) {
        Some(images) => writeln!(out, "; {images} images bring FMR within ±{} points", 100.0 * wanted),
        None => writeln!(out),
    }
}
