//! How many images an interval of a given width needs.
//!
//! ```
//! use fmr_core::metrics::sample_size::{Dependence, Expected, images_for_proportion, of_population};
//!
//! // An accuracy of about 90 %, to one percentage point at 95 % confidence.
//! assert_eq!(images_for_proportion(0.9, 0.01, 0.95), Some(3458));
//! // Of a test set of 10,000 images fewer are enough, because it is finite.
//! assert_eq!(of_population(3458, 10_000), Some(2570));
//! // FMR needs more, the more the less its two accuracies depend on each other.
//! let expected = Expected { sa: 0.9, pa: 0.4, vr: 0.95 };
//! let images = |dependence| expected.images_for(0.02, dependence, 0.95);
//! assert!(images(Dependence::Nested) < images(Dependence::Independent));
//! ```

use serde::{Deserialize, Serialize};

use super::normal;

/// How being right after the perturbation depends on being right before it. Real data lie between the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// Every image that is right after the perturbation was right before.
    Nested,
    /// The two are independent: an upper bound.
    #[default]
    Independent,
}

/// Expected figures of a run, all fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Standard accuracy.
    pub sa: f64,
    /// Perturbed accuracy.
    pub pa: f64,
    /// Validation rate.
    pub vr: f64,
}

impl Expected {
    /// Expected FMR.
    pub fn fmr(&self) -> f64 {
        self.pa / self.sa
    }

    /// σ² = n · Var(ln FMR).
    pub fn variance_of_log(&self, dependence: Dependence) -> f64 {
        let (a, v, x) = (self.sa, self.vr, self.pa * self.vr);
        let both = match dependence {
            Dependence::Nested => x,
            Dependence::Independent => x * a,
        };
        // Being produced is taken to be independent of being right on the clean image.
        let produced_and_clean = a * v;
        1.0 / x - 1.0 / v + 1.0 / a - 1.0 - 2.0 * both / (x * a) + 2.0 * produced_and_clean / (v * a)
    }

    /// Images for an FMR interval of `half_width` (a fraction): ⌈z² FMR² σ² / h²⌉. `None` where the figures are no
    /// fractions above 0 or the width is not positive.
    pub fn images_for(&self, half_width: f64, dependence: Dependence, confidence: f64) -> Option<u64> {
        let z = normal::two_sided(confidence);
        ceil((z * self.fmr() / half_width).powi(2) * self.variance_of_log(dependence))
    }
}

/// Number of images for an interval of `half_width` around a proportion expected at `p` (both fractions), at a confidence
/// between 0 and 1. `None` where `half_width` is 0.
pub fn images_for_proportion(p: f64, half_width: f64, confidence: f64) -> Option<u64> {
    ceil((normal::two_sided(confidence) / half_width).powi(2) * p * (1.0 - p))
}

/// Number of images that tell two FMRs apart with the given power (between 0 and 1). `sd` is the standard deviation, over
/// images, of the difference of influences FMR₁φ₁ − FMR₂φ₂. `None` where the FMRs are equal.
pub fn images_for_difference(fmr1: f64, fmr2: f64, sd: f64, power: f64, confidence: f64) -> Option<u64> {
    let z = normal::two_sided(confidence) + normal::quantile(power);
    ceil((z * sd / (fmr1 - fmr2)).powi(2))
}

/// The sample size that is enough for a finite population where `n` images are needed for an infinite one.
pub fn of_population(n: u64, population: u64) -> Option<u64> {
    ceil(n as f64 / (1.0 + (n as f64 - 1.0) / population as f64))
}

/// Rounds up, forgiving what rounding errors add to a whole number.
fn ceil(value: f64) -> Option<u64> {
    (value.is_finite() && value >= 0.0).then(|| (value - 1e-9).ceil().max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_figures_have_no_size() {
        let nothing = Expected { sa: 0.9, pa: 0.0, vr: 1.0 };
        assert_eq!(nothing.images_for(0.01, Dependence::Nested, 0.95), None);
        assert_eq!(Expected { pa: 0.5, ..nothing }.images_for(0.0, Dependence::Nested, 0.95), None);
        assert_eq!(images_for_difference(0.5, 0.5, 0.4, 0.8, 0.95), None);
    }
}
