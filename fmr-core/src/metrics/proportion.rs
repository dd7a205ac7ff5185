//! Proportions with Wilson intervals.

use serde::{Deserialize, Serialize};

use super::normal;

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interval {
    /// Lower limit.
    pub lo: f64,
    /// Upper limit.
    pub hi: f64,
}

impl Interval {
    /// Interval of the mean of `values` by the normal distribution; absent below ten values, for which it would promise too
    /// much.
    pub fn of_mean(values: &[f64], confidence: f64) -> Option<Self> {
        let n = values.len();
        if n < 10 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let half = normal::two_sided(confidence) * (variance / n as f64).sqrt();
        Some(Self { lo: mean - half, hi: mean + half })
    }

    /// Wilson's interval of `hits` out of `of`; absent where `of` is 0.
    ///
    /// The lower limit is exactly 0 where nothing hits, the upper exactly 1 where everything does.
    pub fn wilson(hits: usize, of: usize, confidence: f64) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let (k, n) = (hits as f64, of as f64);
        let z = normal::two_sided(confidence);
        let z2 = z * z;
        let p = k / n;
        let scale = 1.0 + z2 / n;
        let centre = (p + z2 / (2.0 * n)) / scale;
        let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
        let lo = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
        let hi = if hits >= of { 1.0 } else { (centre + half).min(1.0) };
        Some(Self { lo, hi })
    }

    /// Half its width.
    pub fn half_width(&self) -> f64 {
        (self.hi - self.lo) / 2.0
    }
}

/// A share of images, with its interval. A fraction, not percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proportion {
    /// Images that count.
    pub hits: usize,
    /// Images looked at.
    pub of: usize,
    /// `hits / of`, or the mean over classes in macro figures; absent where undefined, to be printed as "–".
    pub value: Option<f64>,
    /// Interval of `value`.
    pub interval: Option<Interval>,
}

impl Proportion {
    /// `hits` of `of`, with Wilson's interval.
    pub fn of(hits: usize, of: usize, confidence: f64) -> Self {
        let value = (of > 0).then(|| hits as f64 / of as f64);
        Self { hits, of, value, interval: Interval::wilson(hits, of, confidence) }
    }

    /// `hits / of`.
    pub fn value(&self) -> Option<f64> {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_of_nothing_is_undefined() {
        let none = Proportion::of(0, 0, 0.95);
        assert_eq!((none.value, none.interval), (None, None));
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_value(of in 1usize..5000, share in 0.0f64..=1.0, confidence in 0.5f64..0.999) {
            let hits = (of as f64 * share).round() as usize;
            let p = Proportion::of(hits, of, confidence);
            let (value, interval) = (p.value.unwrap_or(f64::NAN), Interval::wilson(hits, of, confidence));
            prop_assert_eq!(p.interval, interval);
            let interval = interval.ok_or_else(|| TestCaseError::fail("undefined"))?;
            prop_assert!(0.0 <= interval.lo && interval.lo <= value && value <= interval.hi && interval.hi <= 1.0);
            prop_assert_eq!(interval.lo == 0.0, hits == 0);
            prop_assert_eq!(interval.hi == 1.0, hits == of);
        }
    }
}
