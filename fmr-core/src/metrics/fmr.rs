//! FMR = PA / SA and its interval: a ratio of two dependent proportions over overlapping sets of images.

use serde::{Deserialize, Serialize};

use super::settings::{PaOver, SaOver};
use super::{Counts, Indicators, Interval, normal};

/// Variances of ln FMR below this are rounding: the interval is then the quotient of two Wilson intervals.
const LEAST_VARIANCE: f64 = 1e-12;

/// What stands above and below the line of FMR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FmrReading {
    /// Denominator of PA.
    pub pa_over: PaOver,
    /// Images of SA.
    pub sa_over: SaOver,
}

impl FmrReading {
    /// Both accuracies on the produced images only.
    pub const SAME_IMAGES: Self = Self { pa_over: PaOver::Produced, sa_over: SaOver::Produced };

    /// Numerator and denominator of PA.
    pub(super) fn pa(&self, counts: &Counts) -> (usize, usize) {
        match self.pa_over {
            PaOver::Produced => (counts.produced_correct, counts.produced),
            PaOver::All => (counts.produced_correct, counts.n),
        }
    }

    /// Numerator and denominator of SA.
    pub(super) fn sa(&self, counts: &Counts) -> (usize, usize) {
        match self.sa_over {
            SaOver::All => (counts.clean_correct, counts.n),
            SaOver::Produced => (counts.produced_and_clean_correct, counts.produced),
        }
    }

    /// FMR; absent where PA or SA is undefined or SA is 0.
    pub fn value(&self, counts: &Counts) -> Option<f64> {
        let ((q, v), (a, n)) = (self.pa(counts), self.sa(counts));
        (v > 0 && a > 0 && n > 0).then(|| (q as f64 / v as f64) / (a as f64 / n as f64))
    }

    /// FMR · φ / n, φ an image's influence on ln FMR: what the image contributes to FMR's linearisation. `None` where
    /// FMR is undefined.
    ///
    /// φ = x/x̄ − v/v̄ − c/c̄ + 1 (over the images that the reading names); multiplied by FMR it stays finite where no
    /// image is right (x̄ = 0).
    pub(super) fn influence(&self, image: &Indicators, counts: &Counts) -> Option<f64> {
        let fmr = self.value(counts)?;
        let ((_, v), (a, n)) = (self.pa(counts), self.sa(counts));
        let counted = |over: bool| f64::from(u8::from(over));
        let in_pa = counted(self.pa_over == PaOver::All || image.produced);
        let in_sa = counted(self.sa_over == SaOver::All || image.produced);
        let right_sa = counted(image.clean_correct) * in_sa;
        // d FMR / d Q = n / (v a).
        let per_hit = n as f64 / (v as f64 * a as f64);
        let of_pa = counted(image.survives()) * per_hit - fmr * in_pa / v as f64;
        let of_sa = right_sa / a as f64 - in_sa / n as f64;
        Some(of_pa - fmr * of_sa)
    }

    /// [`FmrReading::influence`] of every image; `None` where FMR is undefined.
    pub(super) fn influences(&self, images: &[Indicators], counts: &Counts) -> Option<Vec<f64>> {
        images.iter().map(|image| self.influence(image, counts)).collect()
    }

    /// Variance of ln FMR from counts: Σφ²/n², in the protocol's closed form 1/Q − 1/V + 1/A − 1/n − 2QC/(QA) +
    /// 2VC/(VA) for the default reading. Absent where undefined or where nothing survives.
    pub fn variance_of_log(&self, counts: &Counts) -> Option<f64> {
        let fmr = self.value(counts).filter(|f| *f > 0.0)?;
        let cells = counts.cells()?;
        cells.iter().map(|(image, m)| Some(*m as f64 * (self.influence(image, counts)? / fmr).powi(2))).sum()
    }
}

/// How an interval came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// FMR · exp(± z · se), se the delta method's standard error of ln FMR.
    LogDelta,
    /// Quotient of two Wilson intervals, each at half the error: nothing survives, or the variance is 0.
    WilsonQuotient,
    /// From the intervals of the classes, for a mean over classes.
    Classes,
    /// None: the ratio is undefined.
    Undefined,
}

/// FMR with its interval. A fraction, not percent; may exceed 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ratio {
    /// The ratio; absent where undefined (nothing produced, or SA is 0), to be printed as "–".
    pub value: Option<f64>,
    /// Interval of `value`.
    pub interval: Option<Interval>,
    /// Standard error of ln FMR, where the interval rests on it.
    pub se_log: Option<f64>,
    /// How the interval came about.
    pub method: IntervalMethod,
}

impl Ratio {
    /// No ratio.
    pub const UNDEFINED: Self = Self { value: None, interval: None, se_log: None, method: IntervalMethod::Undefined };

    /// FMR of the counted images.
    pub fn of(counts: &Counts, reading: FmrReading, confidence: f64) -> Self {
        Self::with_variance(counts, reading, reading.variance_of_log(counts), 1, confidence)
    }

    /// FMR of images that were counted `repeats` times, with a variance of ln FMR that was found otherwise.
    pub(super) fn with_variance(
        counts: &Counts,
        reading: FmrReading,
        variance: Option<f64>,
        repeats: usize,
        confidence: f64,
    ) -> Self {
        let Some(value) = reading.value(counts) else { return Self::UNDEFINED };
        if let Some(variance) = variance.filter(|v| *v > LEAST_VARIANCE) {
            let se = variance.sqrt();
            let factor = (normal::two_sided(confidence) * se).exp();
            let interval = Some(Interval { lo: value / factor, hi: value * factor });
            return Self { value: Some(value), interval, se_log: Some(se), method: IntervalMethod::LogDelta };
        }
        let ((q, v), (a, n)) = (reading.pa(counts), reading.sa(counts));
        let each = 1.0 - (1.0 - confidence) / 2.0;
        let quotient = |pa: Interval, sa: Interval| Interval { lo: pa.lo / sa.hi, hi: pa.hi / sa.lo };
        // Repeats are no new images.
        let wilson = |hits: usize, of: usize| Interval::wilson(hits / repeats, of / repeats, each);
        let interval = wilson(q, v).zip(wilson(a, n)).map(|(pa, sa)| quotient(pa, sa));
        Self { value: Some(value), interval, se_log: None, method: IntervalMethod::WilsonQuotient }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn images() -> impl Strategy<Value = Vec<Indicators>> {
        let one = (any::<bool>(), any::<bool>(), any::<bool>());
        let image = one.prop_map(|(clean_correct, produced, right)| Indicators {
            clean_correct,
            produced,
            final_correct: produced && right,
        });
        prop::collection::vec(image, 1..60)
    }

    fn readings() -> [FmrReading; 4] {
        let all = |pa_over, sa_over| FmrReading { pa_over, sa_over };
        [
            all(PaOver::Produced, SaOver::All),
            all(PaOver::All, SaOver::All),
            all(PaOver::Produced, SaOver::Produced),
            all(PaOver::All, SaOver::Produced),
        ]
    }

    proptest! {
        #[test]
        fn fmr_is_pa_over_sa_inside_its_interval(images in images()) {
            let counts = Counts::of(&images);
            for reading in readings() {
                let ratio = Ratio::of(&counts, reading, 0.95);
                let ((q, v), (a, n)) = (reading.pa(&counts), reading.sa(&counts));
                if v == 0 || a == 0 {
                    prop_assert_eq!(ratio, Ratio::UNDEFINED);
                    continue;
                }
                let value = ratio.value.unwrap();
                prop_assert_eq!(value, (q as f64 / v as f64) / (a as f64 / n as f64));
                let interval = ratio.interval.unwrap();
                prop_assert!(interval.lo <= value && value <= interval.hi, "{:?}", ratio);
            }
        }

        #[test]
        fn the_variance_is_the_closed_form(images in images()) {
            let counts = Counts::of(&images);
            let number = |k: usize| k as f64;
            let (n, a, v, q) = (number(counts.n), number(counts.clean_correct), number(counts.produced), number(counts.produced_correct));
            let (qc, vc) = (number(counts.produced_correct_and_clean_correct), number(counts.produced_and_clean_correct));
            prop_assume!(q > 0.0 && a > 0.0);
            let closed = 1.0 / q - 1.0 / v + 1.0 / a - 1.0 / n - 2.0 * qc / (q * a) + 2.0 * vc / (v * a);
            let ours = FmrReading::default().variance_of_log(&counts).unwrap();
            prop_assert!((ours - closed).abs() < 1e-12, "{} {}", ours, closed);
        }

        #[test]
        fn influences_sum_to_nothing(images in images()) {
            let counts = Counts::of(&images);
            for reading in readings().into_iter().filter(|r| r.value(&counts).is_some()) {
                let sum: f64 = images.iter().map(|i| reading.influence(i, &counts).unwrap()).sum();
                prop_assert!(sum.abs() < 1e-9, "{}", sum);
            }
        }
    }
}
