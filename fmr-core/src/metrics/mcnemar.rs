//! McNemar's test: do two models differ on the same images?

use serde::{Deserialize, Serialize};

use super::{Indicators, normal};

/// McNemar's tests of two models on the same images: how many images only one of them gets right, and how likely a split
/// as uneven is where the models are equally good.
///
/// ```
/// use fmr_core::metrics::McNemar;
///
/// // 15 images tell the models apart: 12 that only the first gets right, 3 that only the second does.
/// let test = McNemar::of(80, 12, 3, 5);
/// assert_eq!(test.chi2, 5.4);
/// assert!((test.exact_p - 0.0352).abs() < 1e-4);
/// assert!(test.mid_p < test.exact_p);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct McNemar {
    /// Both are right.
    pub both: usize,
    /// Only the first is right.
    pub only_first: usize,
    /// Only the second is right.
    pub only_second: usize,
    /// Neither is right.
    pub neither: usize,
    /// Exact two-sided p: twice the binomial tail, at most 1.
    pub exact_p: f64,
    /// The same with half the probability of the observed split.
    pub mid_p: f64,
    /// The classic statistic (b − c)² / (b + c); 0 where no image tells the models apart.
    pub chi2: f64,
    /// Its p, one degree of freedom.
    pub chi2_p: f64,
    /// The statistic with continuity correction.
    pub chi2_corrected: f64,
    /// Its p.
    pub chi2_corrected_p: f64,
}

impl McNemar {
    /// The tests for these counts.
    pub fn of(both: usize, only_first: usize, only_second: usize, neither: usize) -> Self {
        let apart = only_first + only_second;
        let fewer = only_first.min(only_second);
        let (tail, point) = half_binomial(fewer, apart);
        let gap = only_first.abs_diff(only_second) as f64;
        let statistic = |gap: f64| if apart == 0 { 0.0 } else { gap * gap / apart as f64 };
        let (chi2, chi2_corrected) = (statistic(gap), statistic((gap - 1.0).max(0.0)));
        Self {
            both,
            only_first,
            only_second,
            neither,
            exact_p: (2.0 * tail).min(1.0),
            mid_p: (2.0 * tail - point).min(1.0),
            chi2,
            chi2_p: normal::two_sided_p(chi2.sqrt()),
            chi2_corrected,
            chi2_corrected_p: normal::two_sided_p(chi2_corrected.sqrt()),
        }
    }

    /// Compares final images where both models' images were produced. Lists are parallel; a longer one's rest is
    /// passed over.
    pub fn on_produced(first: &[Indicators], second: &[Indicators]) -> Self {
        let mut table = [[0; 2]; 2];
        for (a, b) in first.iter().zip(second).filter(|(a, b)| a.produced && b.produced) {
            table[usize::from(a.final_correct)][usize::from(b.final_correct)] += 1;
        }
        Self::of(table[1][1], table[1][0], table[0][1], table[0][0])
    }
}

/// P(X ≤ k) and P(X = k) for X ~ Bin(n, 1/2).
fn half_binomial(k: usize, n: usize) -> (f64, f64) {
    let log_factorial = |m: usize| libm::lgamma(m as f64 + 1.0);
    let log_point = log_factorial(n) - log_factorial(k) - log_factorial(n - k) - n as f64 * std::f64::consts::LN_2;
    let point = log_point.exp();
    // Downwards from k, each term is the one above times i / (n − i + 1).
    let (mut tail, mut term) = (0.0, 1.0);
    for i in (0..=k).rev() {
        tail += term;
        term *= i as f64 / (n - i + 1) as f64;
    }
    (tail * point, point)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_models_may_change_places(b in 0usize..500, c in 0usize..500) {
            let (one, two) = (McNemar::of(1, b, c, 2), McNemar::of(1, c, b, 2));
            prop_assert_eq!(one.exact_p, two.exact_p);
            prop_assert!(one.mid_p <= one.exact_p && one.exact_p <= 1.0 && one.mid_p >= 0.0);
        }
    }
}
