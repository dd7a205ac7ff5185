//! Error consistency: do two judges err on the same images?

use serde::{Deserialize, Serialize};

use super::{Interval, normal};

/// Which images two judges are right on, and how far they agree beyond chance (Cohen's κ; Geirhos and others, 2020).
///
/// ```
/// use fmr_core::metrics::Agreement;
///
/// // Cohen's own kind of example: 20, 5, 10 and 15 of 50 images, agreement in 70 % of cases, 50 % by chance.
/// let agreement = Agreement::of([20, 5, 10, 15], 0.95);
/// assert!((agreement.kappa.unwrap() - 0.4).abs() < 1e-12);
/// let interval = agreement.interval.unwrap();
/// assert!(interval.lo > 0.1 && interval.hi < 0.7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Agreement {
    /// Images on which both are right.
    pub both: usize,
    /// Images on which only the first is.
    pub only_first: usize,
    /// Images on which only the second is.
    pub only_second: usize,
    /// Images on which neither is.
    pub neither: usize,
    /// κ: 1 where both err on the same images, 0 where agreement is that of chance, at least −1. Absent without images,
    /// and where one is right, or wrong, on every image: chance explains all of their agreement then.
    pub kappa: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
}

impl Agreement {
    /// Agreement of counts: both right, only the first, only the second, neither.
    ///
    /// The interval is that of Fleiss, Cohen and Everitt (1969), within −1 and 1. Where it has no width, because the
    /// judges agree on every image, it is Wilson's of the agreement, with chance as it is.
    pub fn of([both, only_first, only_second, neither]: [usize; 4], confidence: f64) -> Self {
        let mut agreement = Self { both, only_first, only_second, neither, kappa: None, interval: None };
        let images = agreement.images();
        let n = images as f64;
        let (p, q) = ((both + only_first) as f64 / n, (both + only_second) as f64 / n);
        let observed = (both + neither) as f64 / n;
        let chance = p * q + (1.0 - p) * (1.0 - q);
        let varies = |share: f64| 0.0 < share && share < 1.0;
        if images == 0 || !varies(p) || !varies(q) {
            return agreement;
        }
        let kappa = (observed - chance) / (1.0 - chance);
        let influence = |first: f64, second: f64| {
            let of_observed = f64::from(u8::from(first == second)) - observed;
            let of_chance = (2.0 * q - 1.0) * (first - p) + (2.0 * p - 1.0) * (second - q);
            of_observed / (1.0 - chance) - (1.0 - observed) * of_chance / (1.0 - chance).powi(2)
        };
        let cells = [(1.0, 1.0, both), (1.0, 0.0, only_first), (0.0, 1.0, only_second), (0.0, 0.0, neither)];
        let squares: f64 = cells.iter().map(|(a, b, count)| *count as f64 * influence(*a, *b).powi(2)).sum();
        let half = normal::two_sided(confidence) * squares.sqrt() / n;
        agreement.kappa = Some(kappa);
        agreement.interval = if half > 1e-9 {
            Some(Interval { lo: (kappa - half).max(-1.0), hi: (kappa + half).min(1.0) })
        } else {
            let of_share = |share: f64| ((share - chance) / (1.0 - chance)).max(-1.0);
            Interval::wilson(both + neither, images, confidence)
                .map(|wilson| Interval { lo: of_share(wilson.lo), hi: of_share(wilson.hi) })
        };
        agreement
    }

    /// Agreement of pairs: whether the first is right on an image, and whether the second is.
    pub fn of_pairs(pairs: impl IntoIterator<Item = [bool; 2]>, confidence: f64) -> Self {
        let mut counts = [0; 4];
        for [first, second] in pairs {
            counts[usize::from(!first) * 2 + usize::from(!second)] += 1;
        }
        Self::of(counts, confidence)
    }

    /// Images that it is over.
    pub fn images(&self) -> usize {
        self.both + self.only_first + self.only_second + self.neither
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kappa_is_agreement_beyond_chance() {
        assert_eq!(Agreement::of([5, 0, 0, 5], 0.95).kappa, Some(1.0));
        assert_eq!(Agreement::of([4, 4, 4, 4], 0.95).kappa, Some(0.0));
        for nothing in [[7, 0, 0, 0], [0, 0, 0, 7], [7, 2, 0, 0], [0, 0, 2, 7], [0; 4]] {
            let agreement = Agreement::of(nothing, 0.95);
            assert_eq!((agreement.kappa, agreement.interval), (None, None));
        }
    }

    #[test]
    fn the_interval_is_that_of_fleiss_cohen_and_everitt() {
        // By their formula for two classes, by hand: se = 0.13064 for 20, 5, 10, 15.
        let interval = Agreement::of([20, 5, 10, 15], 0.95).interval.unwrap();
        let (p, po, pe, k) = ([[0.4, 0.1], [0.2, 0.3]], 0.7, 0.5, 0.4);
        let (rows, columns) = ([0.5, 0.5], [0.6, 0.4]);
        let mut sum = 0.0;
        for i in 0..2 {
            for j in 0..2 {
                let marginal: f64 = columns[i] + rows[j];
                sum += p[i][j]
                    * if i == j { (1.0 - marginal * (1.0 - k)).powi(2) } else { ((1.0 - k) * marginal).powi(2) };
            }
        }
        let variance: f64 = (sum - (k - pe * (1.0 - k)).powi(2)) / ((1.0 - pe) * (1.0 - pe) * 50.0);
        assert!((interval.half_width() - 1.959_963_984_540_054 * variance.sqrt()).abs() < 1e-9, "{po} {interval:?}");
    }

    proptest! {
        #[test]
        fn the_judges_may_change_places(counts in prop::array::uniform4(0usize..60)) {
            let [both, first, second, neither] = counts;
            let (one, two) = (Agreement::of(counts, 0.95), Agreement::of([both, second, first, neither], 0.95));
            let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                (a, b) => a == b,
            };
            prop_assert!(near(one.kappa, two.kappa));
            if let (Some(kappa), Some(Interval { lo, hi })) = (one.kappa, one.interval) {
                prop_assert!(-1.0 <= lo && lo <= kappa && kappa <= hi + 1e-12 && hi <= 1.0, "{:?}", one);
            }
        }

        #[test]
        fn pairs_are_counted(pairs in prop::collection::vec(any::<[bool; 2]>(), 0..50)) {
            let agreement = Agreement::of_pairs(pairs.clone(), 0.9);
            let count = |pair: [bool; 2]| pairs.iter().filter(|p| **p == pair).count();
            prop_assert_eq!(agreement.only_first, count([true, false]));
            prop_assert_eq!(agreement.only_second, count([false, true]));
            prop_assert_eq!(agreement.images(), pairs.len());
        }
    }
}
