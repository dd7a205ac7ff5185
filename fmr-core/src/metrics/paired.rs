//! Two models, or one model several times, on the same images: intervals that keep the pairing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Counts, FmrReading, Indicators, Interval, MetricsSettings, Ratio, Reading, normal};
use crate::SampleRecord;

/// Samples that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// The sides hold different numbers of images.
    #[error("{first} images on one side, {second} on the other: a comparison needs the same images on both")]
    Unequal {
        /// Images of the first side.
        first: usize,
        /// Images of the other.
        second: usize,
    },
    /// An image that only one side has.
    #[error("sample {key} is on one side only: a comparison needs the same images on both")]
    Unpaired {
        /// Name of the sample.
        key: String,
    },
    /// There is nothing to compare.
    #[error("no images to compare")]
    Empty,
}

/// What the metrics count of two runs over the same images, brought into one order by the samples' names.
///
/// # Errors
/// A sample that only one of the runs has.
pub fn aligned(
    first: &[SampleRecord],
    second: &[SampleRecord],
    settings: &MetricsSettings,
) -> Result<(Vec<Indicators>, Vec<Indicators>), ComparisonError> {
    let by_key = |records: &[SampleRecord]| {
        let reading = Reading::new(settings, records);
        records.iter().map(|r| (r.key.clone(), reading.indicators(r))).collect::<BTreeMap<String, Indicators>>()
    };
    let (one, two) = (by_key(first), by_key(second));
    let absent = |from: &BTreeMap<String, Indicators>, other: &BTreeMap<String, Indicators>| {
        from.keys().find(|key| !other.contains_key(*key)).cloned()
    };
    if let Some(key) = absent(&one, &two).or(absent(&two, &one)) {
        return Err(ComparisonError::Unpaired { key });
    }
    Ok((one.into_values().collect(), two.into_values().collect()))
}

/// FMR of two models on the same base images, image by image in the same order.
///
/// ```
/// use fmr_core::metrics::{FmrReading, Indicators, PairedFmr};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// let model = |kept: usize| (0..100).map(|i| if i < kept { right } else { fooled }).collect::<Vec<_>>();
/// let compared = PairedFmr::of(&model(80), &model(70), FmrReading::default(), 0.95)?;
/// assert!((compared.difference.unwrap() - 0.1).abs() < 1e-12);
/// // Every image that the second model keeps the first keeps too, so the pairing tells much.
/// assert!(compared.log_ratio_se < compared.unpaired_se);
/// # Ok::<(), fmr_core::metrics::ComparisonError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PairedFmr {
    /// FMR of the first model.
    pub first: Ratio,
    /// FMR of the second.
    pub second: Ratio,
    /// FMR₁ − FMR₂; absent where one is undefined, like all that follows.
    pub difference: Option<f64>,
    /// Standard error of the difference, from the difference of the images' influences.
    pub difference_se: Option<f64>,
    /// Interval of the difference.
    pub difference_interval: Option<Interval>,
    /// ln(FMR₁ / FMR₂); absent where one is 0.
    pub log_ratio: Option<f64>,
    /// Its standard error √Σ(φ₁ − φ₂)² / n.
    pub log_ratio_se: Option<f64>,
    /// Interval of FMR₁ / FMR₂.
    pub ratio_interval: Option<Interval>,
    /// `log_ratio / log_ratio_se`; absent where the models agree on every image.
    pub z: Option<f64>,
    /// Two-sided p of `z`.
    pub p: Option<f64>,
    /// What the standard error of `log_ratio` would be were the pairing ignored; larger as a rule.
    pub unpaired_se: Option<f64>,
}

impl PairedFmr {
    /// Compares two models.
    ///
    /// # Errors
    /// Sides of unequal length.
    pub fn of(
        first: &[Indicators],
        second: &[Indicators],
        reading: FmrReading,
        confidence: f64,
    ) -> Result<Self, ComparisonError> {
        if first.len() != second.len() {
            return Err(ComparisonError::Unequal { first: first.len(), second: second.len() });
        }
        let counts = [Counts::of(first), Counts::of(second)];
        let [one, two] = counts.map(|c| Ratio::of(&c, reading, confidence));
        let mut result = Self {
            first: one,
            second: two,
            difference: None,
            difference_se: None,
            difference_interval: None,
            log_ratio: None,
            log_ratio_se: None,
            ratio_interval: None,
            z: None,
            p: None,
            unpaired_se: None,
        };
        let (Some(f1), Some(f2)) = (one.value, two.value) else { return Ok(result) };
        let (Some(of_first), Some(of_second)) =
            (reading.influences(first, &counts[0]), reading.influences(second, &counts[1]))
        else {
            return Ok(result);
        };
        let spread = |weigh: &dyn Fn(f64, f64) -> f64| {
            of_first.iter().zip(&of_second).map(|(a, b)| weigh(*a, *b).powi(2)).sum::<f64>().sqrt()
        };
        let z = normal::two_sided(confidence);
        let (difference, se) = (f1 - f2, spread(&|a, b| a - b));
        result.difference = Some(difference);
        result.difference_se = Some(se);
        result.difference_interval = Some(Interval { lo: difference - z * se, hi: difference + z * se });
        if f1 > 0.0 && f2 > 0.0 {
            let (log_ratio, se) = ((f1 / f2).ln(), spread(&|a, b| a / f1 - b / f2));
            result.log_ratio = Some(log_ratio);
            result.log_ratio_se = Some(se);
            result.ratio_interval = Some(Interval { lo: (log_ratio - z * se).exp(), hi: (log_ratio + z * se).exp() });
            result.z = (se > 0.0).then_some(log_ratio / se);
            result.p = result.z.map(normal::two_sided_p);
            let variance = |c: &Counts| reading.variance_of_log(c);
            result.unpaired_se = variance(&counts[0]).zip(variance(&counts[1])).map(|(a, b)| (a + b).sqrt());
        }
        Ok(result)
    }
}

/// FMR of one model over repeated runs (seeds) of the same images, image by image in the same order in every run.
///
/// The runs are pooled; their images are not new ones, so an image's influences are summed over its runs before they
/// are squared (clusters by image).
///
/// # Errors
/// No run, or runs of unequal length.
pub fn repeated(runs: &[Vec<Indicators>], reading: FmrReading, confidence: f64) -> Result<Ratio, ComparisonError> {
    let Some(first) = runs.first() else { return Err(ComparisonError::Empty) };
    if let Some(other) = runs.iter().find(|r| r.len() != first.len()) {
        return Err(ComparisonError::Unequal { first: first.len(), second: other.len() });
    }
    let counts = Counts::of(runs.iter().flatten());
    let variance = reading.value(&counts).filter(|f| *f > 0.0).and_then(|fmr| {
        let of_image = |i: usize| runs.iter().map(|run| reading.influence(&run[i], &counts)).sum::<Option<f64>>();
        (0..first.len()).map(|i| of_image(i).map(|sum| (sum / fmr).powi(2))).sum()
    });
    Ok(Ratio::with_variance(&counts, reading, variance, runs.len(), confidence))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn images(seed: usize, n: usize) -> Vec<Indicators> {
        let bit = |i: usize, k: usize| (i + seed).wrapping_mul(2_654_435_761) >> (7 + k) & 3 != 0;
        (0..n).map(|i| Indicators { clean_correct: bit(i, 0), produced: bit(i, 3), final_correct: bit(i, 6) }).collect()
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let model = images(1, 50);
        let same = PairedFmr::of(&model, &model, FmrReading::default(), 0.95).unwrap();
        assert_eq!((same.difference, same.difference_se, same.z), (Some(0.0), Some(0.0), None));
    }

    #[test]
    fn repeating_the_same_run_tells_nothing_new() {
        let run = images(2, 60);
        let once = Ratio::of(&Counts::of(&run), FmrReading::default(), 0.95);
        let thrice = repeated(&[run.clone(), run.clone(), run], FmrReading::default(), 0.95).unwrap();
        assert!((once.se_log.unwrap() - thrice.se_log.unwrap()).abs() < 1e-12);
        assert!((once.value.unwrap() - thrice.value.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn unequal_sides_are_refused() {
        let error = PairedFmr::of(&images(1, 3), &images(1, 4), FmrReading::default(), 0.95).unwrap_err();
        insta::assert_snapshot!(error, @"3 images on one side, 4 on the other: a comparison needs the same images on both");
        assert_eq!(repeated(&[], FmrReading::default(), 0.95).unwrap_err(), ComparisonError::Empty);
    }
}
