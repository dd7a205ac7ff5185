//! Bootstrap distributions of FMR: seeded, from given resamples, or exact for few images.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Counts, FmrReading, Indicators, Interval};

/// The distribution of FMR over resamples of the images with replacement.
///
/// ```
/// use fmr_core::metrics::{Bootstrap, FmrReading, Indicators};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// let images: Vec<Indicators> = (0..200).map(|i| if i % 4 == 0 { fooled } else { right }).collect();
/// let bootstrap = Bootstrap::of(&images, FmrReading::default(), 2000, 1);
/// let interval = bootstrap.interval(0.95).expect("FMR is defined on every resample");
/// assert!(interval.lo < 0.75 && 0.75 < interval.hi && interval.half_width() < 0.07);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// FMR of each resample for which it is defined, ascending.
    values: Vec<f64>,
    /// Resamples for which it is not.
    pub undefined: usize,
}

/// FMR of one resample, given as positions of images; `None` where it is undefined.
///
/// Positions beyond the last image are passed over.
pub fn resampled_fmr(images: &[Indicators], positions: &[usize], reading: FmrReading) -> Option<f64> {
    reading.value(&Counts::of(positions.iter().filter_map(|i| images.get(*i))))
}

/// `count` resamples of `n` images with replacement: lists of `n` positions, the same for a seed on every machine.
pub fn resamples(n: usize, count: usize, seed: u64) -> impl Iterator<Item = Vec<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(move |_| (0..n).map(|_| random.random_range(0..n)).collect())
}

impl Bootstrap {
    /// Distribution over `count` seeded resamples.
    pub fn of(images: &[Indicators], reading: FmrReading, count: usize, seed: u64) -> Self {
        Self::from_values(resamples(images.len(), count, seed).map(|r| resampled_fmr(images, &r, reading)))
    }

    /// Distribution of the given values, of which those that are `None` are undefined.
    pub fn from_values(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let (mut defined, mut undefined) = (Vec::new(), 0);
        for value in values {
            match value {
                Some(value) => defined.push(value),
                None => undefined += 1,
            }
        }
        defined.sort_by(f64::total_cmp);
        Self { values: defined, undefined }
    }

    /// The defined values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Standard deviation; absent for fewer than two values.
    pub fn sd(&self) -> Option<f64> {
        let n = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / n;
        let squares: f64 = self.values.iter().map(|v| (v - mean).powi(2)).sum();
        (self.values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
    }

    /// Quantile by linear interpolation at (m − 1)·q (R's type 7); absent without values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.values.len().checked_sub(1)?;
        let position = q.clamp(0.0, 1.0) * last as f64;
        let below = self.values[position.floor() as usize];
        let above = self.values[position.ceil() as usize];
        Some(below + (above - below) * position.fract())
    }

    /// Percentile interval.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let tail = (1.0 - confidence) / 2.0;
        self.quantile(tail).zip(self.quantile(1.0 - tail)).map(|(lo, hi)| Interval { lo, hi })
    }
}

/// The exact distribution of FMR over all n^n resamples of n images, for few images.
///
/// ```
/// use fmr_core::metrics::{ExactBootstrap, FmrReading, Indicators};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// // Two images: resamples keep both, one (twice as likely) or none of them.
/// let exact = ExactBootstrap::of(&[right, fooled], FmrReading::default()).expect("few images");
/// assert!((exact.mean() - 0.5).abs() < 1e-12);
/// assert_eq!(exact.quantile(0.2), Some(0.0));
/// assert_eq!(exact.quantile(0.5), Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ExactBootstrap {
    /// Values with their probabilities among defined resamples, ascending.
    values: Vec<(f64, f64)>,
    /// Probability of a resample for which FMR is undefined.
    pub undefined: f64,
}

/// Most groups of equal resamples that are enumerated.
const MOST_GROUPS: f64 = 5e6;

impl ExactBootstrap {
    /// Enumerates the resamples, grouped by how many images of each kind they hold; `None` where there is no image or
    /// where that is more than a few million groups.
    pub fn of(images: &[Indicators], reading: FmrReading) -> Option<Self> {
        let n = images.len();
        let cells: Vec<(Indicators, usize)> =
            Counts::of(images).cells()?.into_iter().filter(|(_, count)| *count > 0).collect();
        let groups: f64 = (1..cells.len()).map(|k| (n + k) as f64 / k as f64).product();
        if n == 0 || groups > MOST_GROUPS {
            return None;
        }
        let (mut values, mut undefined) = (Vec::new(), 0.0);
        let log_all = libm::lgamma(n as f64 + 1.0);
        each_composition(n, &mut vec![0; cells.len()], 0, &mut |parts| {
            let log_of_cell = |(count, (_, m)): (&usize, &(Indicators, usize))| {
                *count as f64 * (*m as f64 / n as f64).ln() - libm::lgamma(*count as f64 + 1.0)
            };
            let probability = (log_all + parts.iter().zip(&cells).map(log_of_cell).sum::<f64>()).exp();
            let drawn = parts.iter().zip(&cells).flat_map(|(k, (image, _))| std::iter::repeat_n(image, *k));
            match reading.value(&Counts::of(drawn)) {
                Some(value) => values.push((value, probability)),
                None => undefined += probability,
            }
        });
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let defined: f64 = values.iter().map(|v| v.1).sum();
        values.iter_mut().for_each(|v| v.1 /= defined);
        Some(Self { values, undefined })
    }

    /// Mean over defined resamples.
    pub fn mean(&self) -> f64 {
        self.values.iter().map(|(value, p)| value * p).sum()
    }

    /// Standard deviation over defined resamples.
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        self.values.iter().map(|(value, p)| (value - mean).powi(2) * p).sum::<f64>().sqrt()
    }

    /// Smallest value whose cumulative probability reaches `q`; absent where no resample is defined.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let mut sum = 0.0;
        let reached = self.values.iter().find(|(_, p)| {
            sum += p;
            sum >= q
        });
        reached.or(self.values.last()).map(|(value, _)| *value)
    }
}

/// Calls `f` with every way to write `n` as an ordered sum of `parts.len()` numbers, from position `at` on.
fn each_composition(n: usize, parts: &mut [usize], at: usize, f: &mut dyn FnMut(&[usize])) {
    if at + 1 == parts.len() {
        parts[at] = n;
        f(parts);
        return;
    }
    for k in 0..=n {
        parts[at] = k;
        each_composition(n - k, parts, at + 1, f);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn images() -> Vec<Indicators> {
        let image = |c: u8, v: u8, x: u8| Indicators { clean_correct: c > 0, produced: v > 0, final_correct: x > 0 };
        vec![image(1, 1, 1), image(1, 1, 0), image(1, 1, 0), image(0, 1, 0), image(1, 0, 0), image(1, 1, 1)]
    }

    #[test]
    fn seeded_resamples_come_near_the_exact_distribution() {
        let exact = ExactBootstrap::of(&images(), FmrReading::default()).unwrap();
        let drawn = Bootstrap::of(&images(), FmrReading::default(), 20_000, 7);
        assert!((exact.sd() / drawn.sd().unwrap() - 1.0).abs() < 0.03);
        assert!((exact.undefined - drawn.undefined as f64 / 20_000.0).abs() < 0.003);
        assert_eq!(drawn, Bootstrap::of(&images(), FmrReading::default(), 20_000, 7));
    }

    #[test]
    fn no_images_give_no_figures() {
        assert!(ExactBootstrap::of(&[], FmrReading::default()).is_none());
        let none = Bootstrap::of(&[], FmrReading::default(), 3, 0);
        assert_eq!((none.undefined, none.sd(), none.interval(0.95)), (3, None, None));
    }
}
