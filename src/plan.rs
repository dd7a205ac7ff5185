//! What a row will cost: short searches on its own first images, with the run's own batch and threads.
//!
//! Two things are measured apart, because a search that ends early says little about the price of an update. With a
//! verdict that lets every image stand, the *price*: seconds to begin a sample, and seconds an update. With the row's own
//! verdict, the *survival*: how often reconstructions are rejected and updates refused. A weak prior keeps a few lucky
//! images from promising a cheap run. Survival is watched over as much of the budget as ten seconds allow. The expected
//! cost follows from a constant hazard; its interval takes the hazard's and the rejection rate's 90 % bounds.

use std::ops::Range;
use std::time::{Duration, Instant};

use fmr_core::Outcome;
use fmr_core::metrics::Interval;
use fmr_core::metrics::sample_size::{Dependence, Expected};
use fmr_core::perturb::{Perturbed, Perturber, SearchSettings, Spread, Workers};
use fmr_core::verdict::{Verdict, VerdictRule, VerdictSettings};

use crate::error::Error;
use crate::masks::RowMask;
use crate::prepare::ReadyRow;
use crate::spread;

/// Updates that the price is measured on, and that survival is measured on at least.
const MOST_UPDATES: usize = 8;
/// Images whose encodings say how far latents spread.
const SPREAD_IMAGES: usize = 8;
/// Seconds that a pilot aims at.
const SECONDS: f64 = 10.0;
/// The prior on a hazard: that of one refusal in 30 updates, worth 10 updates.
const PRIOR: (f64, f64) = (1.0 / 3.0, 10.0);
/// Standard deviations of a 90 % interval.
const Z: f64 = 1.645;

/// What a row is expected to cost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Estimate {
    /// Images of the row.
    pub images: usize,
    /// Images that its mask is learned from, without a mask.
    pub learned_from: usize,
    /// Updates that the budget allows an image.
    pub most_updates: usize,
    /// Expected updates of an image.
    pub updates: f64,
    /// Expected time of the run.
    pub time: Duration,
    /// Bounds of the time.
    pub bounds: Range<Duration>,
    /// Images of the pilot.
    pub piloted: usize,
    /// Shares of the pilot, each drawn a little towards one half; FMR follows from them.
    pub expected: Expected,
}

impl Estimate {
    /// Half width of the FMR interval that the row's images will give, as a fraction; `None` where the pilot has no
    /// image that is right.
    pub fn fmr_half_width(&self, confidence: f64) -> Option<f64> {
        // Widths fall with the square root of the number of images; a narrow one makes rounding to whole images vanish.
        let narrow = 1e-3;
        let images = self.expected.images_for(narrow, Dependence::Independent, confidence)?;
        Some(narrow * (images as f64 / self.images as f64).sqrt())
    }

    /// Half width of the interval of a rate over the row's images: the widest, that of one half.
    pub fn rate_half_width(&self, confidence: f64) -> f64 {
        Interval::wilson(self.images / 2, self.images, confidence).map_or(0.5, |interval| interval.half_width())
    }
}

/// Estimates what a row costs on `workers`; takes a few searches of a few images.
///
/// # Errors
/// A component fails on the pilot's images.
pub(crate) fn estimate(row: &ReadyRow, workers: &Workers<'_>) -> Result<Estimate, Error> {
    let search = &row.settings.search;
    let most_updates = search.updates_allowed();
    // A few images stand for those that a run encodes to learn how far latents spread.
    let spread = match search.images_for_spread() {
        0 => None,
        images => spread::measure(row, workers, None, images.min(SPREAD_IMAGES))?,
    };
    let pilot = |images, updates, accept| pilot(row, spread.as_ref(), workers, images, updates, accept);
    // One image and one update say how much a pilot may ask for. The first pass warms caches.
    pilot(1, 1, Accept::All)?;
    let one = pilot(1, 1, Accept::All)?.seconds.max(1e-6);
    let full = (workers.threads * workers.batch).clamp(2, row.samples.len().max(2));
    let affordable = (SECONDS / one * workers.threads as f64 / (2.0 + MOST_UPDATES as f64)) as usize;
    let images = full.min(affordable.max(workers.threads.max(2))).min(row.samples.len());
    let updates = most_updates.min(MOST_UPDATES);
    let start = pilot(images, 0, Accept::All)?;
    let priced = pilot(images, updates, Accept::All)?;
    let (begin, each) = price(&start, &priced, images);
    // Refusals become more frequent as an image moves away: as much of the budget is watched as there is time for.
    let affordable = (SECONDS / (images as f64 * each.max(1e-6))) as usize;
    let own = pilot(images, most_updates.min(affordable.max(MOST_UPDATES)), Accept::Own)?;
    let survival = Survival::of(&own.samples);
    let learned_from = row.mask.as_ref().and_then(RowMask::learns).map_or(0, |(_, samples)| samples.len());
    let total = (row.samples.len() + learned_from) as f64 * (search.restarts + 1) as f64;
    let seconds = |updates: f64| Duration::try_from_secs_f64(total * (begin + each * updates)).unwrap_or(Duration::MAX);
    let [fewest, expected, most] = survival.updates(most_updates);
    Ok(Estimate {
        images: row.samples.len(),
        learned_from,
        most_updates,
        updates: expected,
        time: seconds(expected),
        bounds: seconds(fewest)..seconds(most),
        piloted: images,
        expected: shares(&own.samples),
    })
}

/// Which verdict a pilot runs under.
#[derive(Clone, Copy, PartialEq)]
enum Accept {
    /// Every image stands, so that every search goes to the pilot's budget.
    All,
    /// The row's own.
    Own,
}

struct Pilot {
    samples: Vec<Perturbed>,
    seconds: f64,
}

impl Pilot {
    fn updates(&self) -> usize {
        self.samples.iter().map(|sample| sample.record.steps.len()).sum()
    }
}

/// Perturbs the row's first images with a budget of some updates.
fn pilot(
    row: &ReadyRow,
    spread: Option<&Spread>,
    workers: &Workers<'_>,
    images: usize,
    updates: usize,
    accept: Accept,
) -> Result<Pilot, Error> {
    let search = SearchSettings { budget: updates, restarts: 0, ..row.settings.search.clone() };
    let all = VerdictSettings { rule: VerdictRule::Relative, share: 0.0, ..VerdictSettings::default() };
    let all = Verdict::new(all, &row.plan.classes);
    let verdict = if accept == Accept::All { &all } else { &row.verdict };
    let perturber = Perturber { search: &search, verdict, spread, ..row.perturber(None) };
    let positions: Vec<usize> = (0..images).collect();
    let mut samples = Vec::new();
    // Pilots of few images are spread over the threads as a run's batches are.
    let workers = Workers { batch: workers.batch.min(images.div_ceil(workers.threads.max(1))), ..*workers };
    let begin = Instant::now();
    workers.run::<Error>(&perturber, &positions, &|at| Ok(row.samples.batch(at)?), |batch| {
        samples.extend(batch);
        Ok(())
    })?;
    Ok(Pilot { samples, seconds: begin.elapsed().as_secs_f64() })
}

/// Seconds of the whole machine to begin a sample, and for each of its updates.
fn price(start: &Pilot, priced: &Pilot, images: usize) -> (f64, f64) {
    let begin = start.seconds / images.max(1) as f64;
    let each = (priced.seconds - start.seconds).max(0.0) / priced.updates().max(1) as f64;
    (begin, each)
}

/// How searches of the pilot ended.
struct Survival {
    images: f64,
    rejected: f64,
    updates: f64,
    stopped: f64,
}

impl Survival {
    fn of(samples: &[Perturbed]) -> Self {
        let ended = |outcome: Outcome| samples.iter().filter(|s| s.record.outcome == outcome).count() as f64;
        Self {
            images: samples.len() as f64,
            rejected: ended(Outcome::ReconstructionRejected),
            updates: samples.iter().map(|s| s.record.steps.len()).sum::<usize>() as f64,
            stopped: ended(Outcome::StoppedByOracle) + ended(Outcome::EarlyExit),
        }
    }

    /// Updates of an image: the fewest, the expected and the most.
    fn updates(&self, allowed: usize) -> [f64; 3] {
        let hazard = bounds(self.stopped, self.updates);
        let rejection = bounds(self.rejected, self.images);
        // A constant hazard h leaves (1 − (1 − h)^B) / h of B updates.
        let attempted = |h: f64| (1.0 - (1.0 - h).powf(allowed as f64)) / h;
        let of = |h: f64, r: f64| (1.0 - r) * attempted(h);
        [of(hazard[2], rejection[2]), of(hazard[1], rejection[1]), of(hazard[0], rejection[0])]
    }
}

/// Lower bound, mean and upper bound of a rate of which `count` of `trials` were seen, under the prior.
fn bounds(count: f64, trials: f64) -> [f64; 3] {
    let (count, trials) = (count + PRIOR.0, trials + PRIOR.1);
    let mean = count / trials;
    let logit = (mean / (1.0 - mean)).ln();
    let spread = Z / (trials * mean * (1.0 - mean)).sqrt();
    let rate = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    [rate(logit - spread), mean, rate(logit + spread)]
}

/// Shares of the pilot that are right or produced, by the rule of succession.
fn shares(samples: &[Perturbed]) -> Expected {
    let share = |of: &dyn Fn(&&Perturbed) -> bool, among: &[&Perturbed]| {
        (among.iter().filter(|sample| of(sample)).count() as f64 + 1.0) / (among.len() as f64 + 2.0)
    };
    let all: Vec<&Perturbed> = samples.iter().collect();
    let produced: Vec<&Perturbed> =
        samples.iter().filter(|s| s.record.final_from.is_some() && !s.record.outcome.is_failure()).collect();
    Expected {
        sa: share(&|s| s.record.clean_prediction == Some(s.record.label), &all),
        pa: share(&|s| s.record.final_prediction == Some(s.record.label), &produced),
        vr: share(&|s| s.record.final_from.is_some(), &all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survival(rejected: f64, stopped: f64) -> Survival {
        Survival { images: 8.0, rejected, updates: 64.0 - stopped, stopped }
    }

    #[test]
    fn more_refusals_mean_fewer_updates() {
        let [low, calm, high] = survival(0.0, 0.0).updates(50);
        let [_, rough, _] = survival(0.0, 20.0).updates(50);
        assert!(low < calm && calm < high && high <= 50.0, "{low} {calm} {high}");
        assert!(rough < calm / 3.0, "{rough} {calm}");
        let rejected = survival(8.0, 0.0).updates(50);
        assert!(rejected[1] < calm / 1.5, "{rejected:?}");
    }

    #[test]
    fn no_budget_costs_no_updates() {
        assert!(survival(0.0, 1.0).updates(0).iter().all(|updates| *updates == 0.0));
    }
}
