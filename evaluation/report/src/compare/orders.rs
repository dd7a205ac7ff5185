//! How far two settings agree on the order of the same targets.

use fmr_core::metrics::{Bootstrap, Counts, FmrReading, Indicators, Interval, Kendall, resampled_fmr, resamples};

use super::SEED;

/// FMRs of targets under one setting: on the images as they are, and on resamples of them.
pub(crate) struct Orders {
    /// Absent where a target has no FMR.
    observed: Option<Vec<f64>>,
    /// The same on each resample.
    resampled: Vec<Option<Vec<f64>>>,
}

impl Orders {
    /// `targets` are what the metrics count of each target's images, in one order for all. Resamples are the same for every
    /// setting with as many images.
    pub(crate) fn of(targets: &[Vec<Indicators>], reading: FmrReading, count: usize) -> Self {
        let images = targets.first().map_or(0, Vec::len);
        let drawn = |positions: Vec<usize>| targets.iter().map(|of| resampled_fmr(of, &positions, reading)).collect();
        Self {
            observed: targets.iter().map(|of| reading.value(&Counts::of(of))).collect(),
            resampled: resamples(images, count, SEED).map(drawn).collect(),
        }
    }

    /// FMR of each target; absent where one has none.
    pub(crate) fn observed(&self) -> Option<&[f64]> {
        self.observed.as_deref()
    }

    /// Kendall's τ-b between the orders of both settings, whose targets are in one order, with an interval over the resamples.
    pub(crate) fn agreement(&self, other: &Self, confidence: f64) -> Option<(Kendall, Option<Interval>)> {
        let kendall = Kendall::of(self.observed()?, other.observed()?);
        let pairs = self.resampled.iter().zip(&other.resampled);
        let taus = Bootstrap::from_values(pairs.map(|(x, y)| Kendall::of(x.as_ref()?, y.as_ref()?).tau_b));
        Some((kendall, taus.interval(confidence)))
    }
}
