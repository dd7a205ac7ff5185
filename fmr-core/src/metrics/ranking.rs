//! How stable a ranking of models by FMR is under resampling of the images.

use serde::{Deserialize, Serialize};

use super::{Counts, FmrReading, Indicators, Kendall, bootstrap};

/// How a ranking of models by FMR holds over resamples of the images that they share.
///
/// ```
/// use fmr_core::metrics::{FmrReading, Indicators, Stability, resamples};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// // Of 100 images the first model keeps 80 under perturbation, the second 50.
/// let model = |kept: usize| (0..100).map(|i| if i < kept { right } else { fooled }).collect::<Vec<_>>();
/// let models = [model(80), model(50)];
/// let ranking = Stability::of(&models, resamples(100, 500, 7), FmrReading::default());
/// assert_eq!(ranking.observed, [Some(0.8), Some(0.5)]);
/// assert!(ranking.share_first[0] > 0.99);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stability {
    /// FMR of each model on the images as they are.
    pub observed: Vec<Option<f64>>,
    /// τ-b between resampled and observed FMRs, a resample each; absent where it is undefined.
    pub tau_b: Vec<Option<f64>>,
    /// Mean of the defined ones.
    pub mean_tau_b: Option<f64>,
    /// Share of resamples in which model a (row) is strictly above model b (column).
    pub share_above: Vec<Vec<f64>>,
    /// Share of resamples in which a model is first; the lowest number wins a tie.
    pub share_first: Vec<f64>,
    /// Share of resamples in which a model (row) has a rank (column, from the first); the lowest number wins a tie.
    pub share_of_rank: Vec<Vec<f64>>,
    /// Resamples used: those in which every model has an FMR.
    pub resamples: usize,
    /// Resamples left out.
    pub undefined: usize,
}

impl Stability {
    /// Ranks models over the given resamples of images (positions). The models' images are parallel.
    pub fn of(
        models: &[Vec<Indicators>],
        resamples: impl IntoIterator<Item = Vec<usize>>,
        reading: FmrReading,
    ) -> Self {
        let k = models.len();
        let observed: Vec<Option<f64>> = models.iter().map(|m| reading.value(&Counts::of(m))).collect();
        let reference: Option<Vec<f64>> = observed.iter().copied().collect();
        let (mut above, mut first) = (vec![vec![0_usize; k]; k], vec![0_usize; k]);
        let mut ranks = above.clone();
        let (mut tau_b, mut undefined) = (Vec::new(), 0);
        for positions in resamples {
            let drawn = models.iter().map(|m| bootstrap::resampled_fmr(m, &positions, reading));
            let Some(drawn) = drawn.collect::<Option<Vec<f64>>>() else {
                undefined += 1;
                continue;
            };
            for (row, a) in above.iter_mut().zip(&drawn) {
                row.iter_mut().zip(&drawn).for_each(|(count, b)| *count += usize::from(a > b));
            }
            let best = drawn.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if let Some(winner) = drawn.iter().position(|v| *v == best) {
                first[winner] += 1;
            }
            let mut order: Vec<usize> = (0..k).collect();
            order.sort_by(|a, b| drawn[*b].total_cmp(&drawn[*a]));
            order.iter().enumerate().for_each(|(rank, model)| ranks[*model][rank] += 1);
            tau_b.push(reference.as_ref().and_then(|r| Kendall::of(r, &drawn).tau_b));
        }
        let used = tau_b.len();
        let share = |count: usize| if used == 0 { 0.0 } else { count as f64 / used as f64 };
        let taus: Vec<f64> = tau_b.iter().flatten().copied().collect();
        Self {
            mean_tau_b: (!taus.is_empty()).then(|| taus.iter().sum::<f64>() / taus.len() as f64),
            share_above: above.into_iter().map(|row| row.into_iter().map(share).collect()).collect(),
            share_of_rank: ranks.into_iter().map(|row| row.into_iter().map(share).collect()).collect(),
            share_first: first.into_iter().map(share).collect(),
            observed,
            tau_b,
            resamples: used,
            undefined,
        }
    }

    /// Ranks between which a model (by its number) lies in a share of `confidence` of the resamples, from 1: the tails on
    /// both sides are of one size. `None` without resamples.
    pub fn ranks(&self, model: usize, confidence: f64) -> Option<[usize; 2]> {
        let shares = self.share_of_rank.get(model).filter(|_| self.resamples > 0)?;
        let tail = (1.0 - confidence) / 2.0;
        let reach = |tail: f64| {
            let mut sum = 0.0;
            let at = shares.iter().position(|share| {
                sum += share;
                sum > tail + 1e-12
            });
            at.unwrap_or(shares.len() - 1) + 1
        };
        Some([reach(tail), reach(1.0 - tail - 2e-12)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_has_a_share() {
        let model = |kept: std::ops::Range<usize>| {
            let image = |i| Indicators { clean_correct: true, produced: true, final_correct: kept.contains(&i) };
            (0..60).map(image).collect::<Vec<_>>()
        };
        let models = [model(0..30), model(0..55), model(31..60)];
        let ranking = Stability::of(&models, bootstrap::resamples(60, 400, 5), FmrReading::default());
        let firsts: Vec<f64> = ranking.share_of_rank.iter().map(|ranks| ranks[0]).collect();
        assert_eq!(firsts, ranking.share_first);
        for model in 0..3 {
            assert!((ranking.share_of_rank[model].iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((ranking.share_of_rank.iter().map(|ranks| ranks[model]).sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!(ranking.ranks(1, 0.95), Some([1, 1]));
        assert_eq!(ranking.ranks(2, 0.99), Some([2, 3]));
        assert_eq!(Stability::of(&models, [], FmrReading::default()).ranks(0, 0.95), None);
    }
}
