//! Rank agreement of two lists of figures: Kendall's τ and Spearman's ρ.

use serde::{Deserialize, Serialize};

use super::normal;

/// Above this many values p comes from the normal approximation even without ties.
const MOST_EXACT: usize = 200;

/// How a p came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankMethod {
    /// By counting permutations: there are no ties.
    Exact,
    /// Normal approximation, with correction for ties.
    Asymptotic,
}

/// Agreement of two rankings of the same things, e.g. of models by their accuracy and by their FMR.
///
/// ```
/// use fmr_core::metrics::{Kendall, RankMethod};
///
/// let accuracy = [0.76, 0.78, 0.80, 0.82, 0.84];
/// let robustness = [0.31, 0.35, 0.33, 0.40, 0.47];
/// let agreement = Kendall::of(&accuracy, &robustness);
/// assert_eq!((agreement.concordant, agreement.discordant), (9, 1));
/// assert_eq!(agreement.tau_b, Some(0.8));
/// assert_eq!(agreement.p_method, Some(RankMethod::Exact));
/// // 5 of the 120 orders of five things have at most one inversion.
/// assert!((agreement.p.unwrap() - 2.0 * 5.0 / 120.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kendall {
    /// Things ranked.
    pub n: usize,
    /// Pairs in the same order on both sides.
    pub concordant: usize,
    /// Pairs in opposite orders.
    pub discordant: usize,
    /// Pairs that are equal on the first side.
    pub ties_x: usize,
    /// Pairs that are equal on the second side.
    pub ties_y: usize,
    /// (C − D) over all pairs; absent for fewer than two things.
    pub tau_a: Option<f64>,
    /// (C − D) / √((n₀ − ties x)(n₀ − ties y)); absent where a side is constant, like all that follows.
    pub tau_b: Option<f64>,
    /// Two-sided p of no association.
    pub p: Option<f64>,
    /// How `p` came about.
    pub p_method: Option<RankMethod>,
    /// p by the normal approximation; absent for two things.
    pub p_asymptotic: Option<f64>,
    /// Spearman's ρ, ties sharing their mean rank.
    pub spearman: Option<f64>,
}

impl Kendall {
    /// Agreement of two parallel lists; a longer one's rest is passed over.
    pub fn of(x: &[f64], y: &[f64]) -> Self {
        let n = x.len().min(y.len());
        let (x, y) = (&x[..n], &y[..n]);
        let (mut concordant, mut discordant, mut ties_x, mut ties_y) = (0, 0, 0, 0);
        for i in 0..n {
            for j in 0..i {
                let (dx, dy) = (x[i] - x[j], y[i] - y[j]);
                ties_x += usize::from(dx == 0.0);
                ties_y += usize::from(dy == 0.0);
                concordant += usize::from(dx * dy > 0.0);
                discordant += usize::from(dx * dy < 0.0);
            }
        }
        let pairs = n * n.saturating_sub(1) / 2;
        let gap = concordant as f64 - discordant as f64;
        let untied = (pairs - ties_x) as f64 * (pairs - ties_y) as f64;
        let tau_b = (untied > 0.0).then(|| gap / untied.sqrt());
        let p_asymptotic = tau_b.filter(|_| n > 2).map(|_| asymptotic_p(gap, x, y));
        let exact = ties_x == 0 && ties_y == 0 && n <= MOST_EXACT;
        let p = if exact { tau_b.map(|_| exact_p(n, concordant.min(discordant))) } else { p_asymptotic };
        let method = if exact { RankMethod::Exact } else { RankMethod::Asymptotic };
        Self {
            n,
            concordant,
            discordant,
            ties_x,
            ties_y,
            tau_a: (pairs > 0).then(|| gap / pairs as f64),
            tau_b,
            p,
            p_method: tau_b.map(|_| method),
            p_asymptotic,
            spearman: tau_b.and_then(|_| correlation(&ranks(x), &ranks(y))),
        }
    }
}

/// Twice the share of permutations of n things with at most `inversions` inversions, at most 1.
fn exact_p(n: usize, inversions: usize) -> f64 {
    // Share of permutations of m things with i inversions, m growing: the m-th thing adds 0 to m − 1 of them.
    let mut share = vec![0.0; inversions + 1];
    share[0] = 1.0;
    for m in 2..=n {
        let mut next = vec![0.0; inversions + 1];
        let mut window = 0.0;
        for i in 0..=inversions {
            window += share[i];
            if i >= m {
                window -= share[i - m];
            }
            next[i] = window / m as f64;
        }
        share = next;
    }
    (2.0 * share.iter().sum::<f64>()).min(1.0)
}

fn asymptotic_p(gap: f64, x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let sums = |values: &[f64]| {
        let mut sums = [0.0; 3];
        for t in tie_sizes(values) {
            sums[0] += t * (t - 1.0) / 2.0;
            sums[1] += t * (t - 1.0) * (t - 2.0);
            sums[2] += t * (t - 1.0) * (2.0 * t + 5.0);
        }
        sums
    };
    let ([pairs_x, triples_x, v_x], [pairs_y, triples_y, v_y]) = (sums(x), sums(y));
    let m = n * (n - 1.0);
    let mut variance = (m * (2.0 * n + 5.0) - v_x - v_y) / 18.0 + 2.0 * pairs_x * pairs_y / m;
    if triples_x * triples_y > 0.0 {
        variance += triples_x * triples_y / (9.0 * m * (n - 2.0));
    }
    normal::two_sided_p(gap / variance.sqrt())
}

/// Sizes of the groups of equal values.
fn tie_sizes(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64).collect()
}

/// Ranks from 0, ties sharing their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let below = values.iter().filter(|w| *w < v).count() as f64;
        let equal = values.iter().filter(|w| *w == v).count() as f64;
        below + (equal - 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// Pearson's correlation; absent where a side is constant.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let product = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum::<f64>();
    let spread = (product(&|a, _| a * a) * product(&|_, b| b * b)).sqrt();
    (spread > 0.0).then(|| product(&|a, b| a * b) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_have_no_agreement() {
        for list in [&[][..], &[1.0]] {
            let none = Kendall::of(list, list);
            assert_eq!((none.tau_a, none.tau_b, none.p, none.spearman), (None, None, None, None));
        }
    }

    #[test]
    fn exact_p_sums_over_permutations() {
        // Of the 24 orders of four things 1, 3 and 5 have 0, 1 and 2 inversions.
        assert!((exact_p(4, 1) - 2.0 * 4.0 / 24.0).abs() < 1e-15);
        assert!((exact_p(4, 2) - 2.0 * 9.0 / 24.0).abs() < 1e-15);
        assert_eq!(exact_p(4, 3), 1.0);
    }
}
