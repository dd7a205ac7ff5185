//! One number for a curve: the area under FMR against step size.

use serde::{Deserialize, Serialize};

use super::{ComparisonError, Counts, FmrReading, Indicators, Interval, IntervalMethod, Ratio, normal};

/// The area under the curve of FMR against step size, of one model on the same images at every step size.
///
/// The axis is log₁₀ of the step size, the curve is straight between neighbours, and the area is divided by the length of
/// the axis: the mean FMR over step sizes from the smallest to the largest, each factor counting alike. It depends on the
/// step sizes at the ends, and compares models over the same ones only.
///
/// ```
/// use fmr_core::metrics::{Area, FmrReading, Indicators};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// let kept = |kept: usize| (0..100).map(|i| if i < kept { right } else { fooled }).collect::<Vec<_>>();
/// // FMR is 1, 0.5 and 0.25 at step sizes of equal ratio.
/// let curve = [(0.001, kept(100)), (0.01, kept(50)), (0.1, kept(25))];
/// let area = Area::of(&curve, FmrReading::default(), 0.95)?.expect("a curve");
/// assert!((area.value.unwrap() - 0.5625).abs() < 1e-12);
/// assert_eq!((area.from, area.to, area.images), (0.001, 0.1, 100));
/// # Ok::<(), fmr_core::metrics::ComparisonError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Area {
    /// The area, a mean of FMRs; absent where one of these is undefined.
    pub value: Option<f64>,
    /// Its interval: an image's influences are summed over the step sizes before they are squared.
    pub interval: Option<Interval>,
    /// Smallest step size.
    pub from: f64,
    /// Largest step size.
    pub to: f64,
    /// Images, the same at every step size.
    pub images: usize,
}

impl Area {
    /// The area under a curve. Each of `points` is a step size and what the metrics count of the images, in the same order
    /// at every step size. `None` for fewer than two different step sizes, or one that is not positive.
    ///
    /// # Errors
    /// Points with different numbers of images.
    pub fn of(
        points: &[(f64, Vec<Indicators>)],
        reading: FmrReading,
        confidence: f64,
    ) -> Result<Option<Self>, ComparisonError> {
        let mut points: Vec<(f64, &[Indicators])> = points.iter().map(|(step, images)| (*step, &images[..])).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| a.0 == b.0);
        let [(from, first), .., (to, _)] = points[..] else { return Ok(None) };
        if let Some((_, other)) = points.iter().find(|(_, images)| images.len() != first.len()) {
            return Err(ComparisonError::Unequal { first: first.len(), second: other.len() });
        }
        if !(from > 0.0 && to.is_finite()) {
            return Ok(None);
        }
        let weights = weights(&points.iter().map(|(step, _)| step.log10()).collect::<Vec<_>>());
        let undefined = Self { value: None, interval: None, from, to, images: first.len() };
        let mut value = 0.0;
        // Squares of what lies below and above the value, beyond what the influences say.
        let (mut below, mut above) = (0.0, 0.0);
        let mut sums = vec![0.0; first.len()];
        for ((_, images), weight) in points.iter().zip(weights) {
            let counts = Counts::of(*images);
            let ratio = Ratio::of(&counts, reading, confidence);
            let (Some(fmr), Some(influences)) = (ratio.value, reading.influences(images, &counts)) else {
                return Ok(Some(undefined));
            };
            value += weight * fmr;
            match (ratio.method, ratio.interval) {
                // Influences say nothing where all images agree.
                (IntervalMethod::WilsonQuotient, Some(interval)) => {
                    below += (weight * (fmr - interval.lo)).powi(2);
                    above += (weight * (interval.hi - fmr)).powi(2);
                }
                _ => sums.iter_mut().zip(influences).for_each(|(sum, influence)| *sum += weight * influence),
            }
        }
        let spread = normal::two_sided(confidence).powi(2) * sums.iter().map(|sum| sum * sum).sum::<f64>();
        let interval = Interval { lo: (value - (spread + below).sqrt()).max(0.0), hi: value + (spread + above).sqrt() };
        Ok(Some(Self { value: Some(value), interval: Some(interval), ..undefined }))
    }
}

/// Weights of the trapezoid rule over ascending places, which sum to 1.
fn weights(places: &[f64]) -> Vec<f64> {
    let length = places[places.len() - 1] - places[0];
    let gap = |i: usize| places.get(i + 1).map_or(0.0, |next| next - places[i]);
    let before = |i: usize| i.checked_sub(1).map_or(0.0, gap);
    (0..places.len()).map(|i| (before(i) + gap(i)) / 2.0 / length).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn images(seed: usize, n: usize) -> Vec<Indicators> {
        let bit = |i: usize, k: usize| (i + seed).wrapping_mul(2_654_435_761) >> (7 + k) & 3 != 0;
        (0..n).map(|i| Indicators { clean_correct: bit(i, 0), produced: bit(i, 3), final_correct: bit(i, 6) }).collect()
    }

    fn area(points: &[(f64, Vec<Indicators>)]) -> Area {
        Area::of(points, FmrReading::default(), 0.95).unwrap().unwrap()
    }

    #[test]
    fn a_flat_curve_has_the_area_and_the_uncertainty_of_one_point() {
        let run = images(1, 80);
        let flat = area(&[(0.1, run.clone()), (0.001, run.clone()), (0.004, run.clone())]);
        let one = Ratio::of(&Counts::of(&run), FmrReading::default(), 0.95);
        assert!((flat.value.unwrap() - one.value.unwrap()).abs() < 1e-12);
        // One and the same images tell no more at three step sizes.
        let half = 1.959_963_984_540_054 * one.value.unwrap() * one.se_log.unwrap();
        assert!((flat.interval.unwrap().half_width() - half).abs() < 1e-9);
    }

    #[test]
    fn the_interval_holds_as_often_as_it_says() {
        // The bootstrap is the yardstick: both intervals have the same width within a tenth.
        let curve = [(0.001, images(1, 200)), (0.005, images(5, 200)), (0.01, images(9, 200))];
        let ours = area(&curve).interval.unwrap();
        let mut drawn: Vec<f64> = crate::metrics::resamples(200, 2000, 3)
            .map(|positions| {
                let pick = |images: &Vec<Indicators>| positions.iter().map(|i| images[*i]).collect::<Vec<_>>();
                area(&curve.each_ref().map(|(step, images)| (*step, pick(images)))).value.unwrap()
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let width = drawn[1949] - drawn[50];
        assert!((width / (2.0 * ours.half_width()) - 1.0).abs() < 0.1, "{width} {ours:?}");
    }

    #[test]
    fn curves_that_are_none_have_no_area() {
        let run = images(2, 10);
        assert_eq!(Area::of(&[(0.1, run.clone())], FmrReading::default(), 0.95).unwrap(), None);
        assert_eq!(Area::of(&[(0.1, run.clone()), (0.1, run.clone())], FmrReading::default(), 0.95).unwrap(), None);
        assert_eq!(Area::of(&[(0.0, run.clone()), (0.1, run.clone())], FmrReading::default(), 0.95).unwrap(), None);
        assert!(Area::of(&[(0.1, run.clone()), (0.2, images(2, 11))], FmrReading::default(), 0.95).is_err());
        let none = vec![Indicators::default(); 10];
        assert_eq!(area(&[(0.1, run), (0.2, none)]).value, None);
    }
}
