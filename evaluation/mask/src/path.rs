//! Fits over a range of penalties, and the choice of one.

use ndarray::ArrayView1;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Fit, Form, Limits, MaskError, Problem, Value};

/// Halvings of the interval that holds the wanted sparsity.
const MOST_HALVINGS: usize = 40;

/// Shares of the largest useful penalty, from 1 down to `end` by a constant factor.
pub fn shares(points: usize, end: f64) -> Vec<f64> {
    let last = points.saturating_sub(1).max(1) as f64;
    (0..points).map(|i| end.powf(i as f64 / last)).collect()
}

impl<T: Value> Problem<'_, T> {
    /// Fits for falling penalties, each from the weights of the one before.
    ///
    /// # Errors
    /// As [`Problem::solve`].
    pub fn path(&self, penalties: &[f64], limits: Limits) -> Result<Vec<Fit>, MaskError> {
        let mut fits: Vec<Fit> = Vec::with_capacity(penalties.len());
        for &penalty in penalties {
            fits.push(self.solve(penalty, limits, fits.last())?);
        }
        Ok(fits)
    }

    /// The fit that keeps `wanted` columns, or as near to that many as a penalty can be found for; of two equally near,
    /// the sparser.
    ///
    /// The number of columns kept falls with the penalty on the whole, not at every point: where it does not, the
    /// nearest of the fits that the search met is given.
    ///
    /// # Errors
    /// As [`Problem::solve`]; or no column differs between the classes.
    pub fn with_kept(&self, wanted: usize, limits: Limits) -> Result<Fit, MaskError> {
        let max = self.penalty_max();
        let mut best = self.solve(self.positive(max)?, limits, None)?;
        let mut sparse = best.clone();
        let mut dense = None;
        // Down by factors until too many are kept, then bisection on the logarithm.
        for _ in 0..MOST_HALVINGS {
            if best.weights.len() == wanted {
                break;
            }
            let next = match &dense {
                None if sparse.penalty < 1e-6 * max => break,
                None => 0.7 * sparse.penalty,
                Some(dense) => {
                    let dense: &Fit = dense;
                    (sparse.penalty * dense.penalty).sqrt()
                }
            };
            let fit = self.solve(next, limits, Some(&sparse))?;
            let off = |fit: &Fit| (fit.weights.len().abs_diff(wanted), fit.weights.len());
            if off(&fit) < off(&best) {
                best = fit.clone();
            }
            if fit.weights.len() > wanted { dense = Some(fit) } else { sparse = fit }
        }
        Ok(best)
    }

    /// `max`, where a path can start at it.
    pub(super) fn positive(&self, max: f64) -> Result<f64, MaskError> {
        if max > 0.0 {
            Ok(max)
        } else {
            let problem = "no column differs between originals and perturbed: there is nothing to learn a mask from";
            Err(MaskError::Data(problem.into()))
        }
    }
}

/// Held-out loss a row at each share of the path: mean over the folds, and its standard error.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// Share of the largest useful penalty.
    pub share: f64,
    /// Mean loss of a held-out row.
    pub mean: f64,
    /// Standard error of that mean over the folds.
    pub error: f64,
}

/// Cross-validates a path. Rows of one `group` stay in one fold; the penalty of a fold is scaled to its number of rows.
///
/// # Errors
/// Fewer groups than folds, a fold that leaves one class only, or as [`Problem::solve`].
pub fn cross_validate<T: Value>(
    rows: &[ArrayView1<'_, T>],
    labels: &[bool],
    groups: &[usize],
    form: Form,
    plan: &Folds<'_>,
) -> Result<Vec<HeldOut>, MaskError> {
    let mut order: Vec<usize> = groups.to_vec();
    order.sort_unstable();
    order.dedup();
    if order.len() < plan.folds {
        return Err(MaskError::Data(format!("{} groups of train rows for {} folds", order.len(), plan.folds)));
    }
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(plan.seed));
    let fold_of = |group: usize| order.iter().position(|&g| g == group).map(|at| at % plan.folds);
    let folds: Vec<Option<usize>> = groups.iter().map(|&g| fold_of(g)).collect();
    let mut losses: Vec<Vec<f64>> = vec![Vec::new(); plan.shares.len()];
    for fold in 0..plan.folds {
        let (held, kept): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&i| folds[i] == Some(fold));
        let part = |which: &[usize]| -> (Vec<ArrayView1<'_, T>>, Vec<bool>) {
            which.iter().map(|&i| (rows[i], labels[i])).unzip()
        };
        let ((train, train_labels), (test, test_labels)) = (part(&kept), part(&held));
        let problem = Problem::new(&train, &train_labels, form)?;
        let scale = plan.penalty_max * kept.len() as f64 / rows.len() as f64;
        let penalties: Vec<f64> = plan.shares.iter().map(|s| s * scale).collect();
        for (losses, fit) in losses.iter_mut().zip(problem.path(&penalties, plan.limits)?) {
            let scores = problem.scores(&fit, &test);
            let of = |(&label, score)| form.model.loss(f64::from(u8::from(label)), score);
            losses.push(test_labels.iter().zip(scores).map(of).sum::<f64>() / test.len() as f64);
        }
    }
    let n = plan.folds as f64;
    let held_out = plan.shares.iter().zip(losses).map(|(&share, losses)| {
        let mean = losses.iter().sum::<f64>() / n;
        let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
        HeldOut { share, mean, error: (variance / n).sqrt() }
    });
    Ok(held_out.collect())
}

/// How to cross-validate.
#[derive(Debug, Clone)]
pub struct Folds<'a> {
    /// Number of folds, at least 2.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// Largest useful penalty of all rows together.
    pub penalty_max: f64,
    /// Shares of it to try, falling.
    pub shares: &'a [f64],
    /// When each fit stops.
    pub limits: Limits,
}

/// The share with the least held-out loss; with `frugal` the largest share within one standard error of it.
pub fn best_share(held_out: &[HeldOut], frugal: bool) -> Option<f64> {
    let least = held_out.iter().min_by(|a, b| a.mean.total_cmp(&b.mean))?;
    let most = least.mean + if frugal { least.error } else { 0.0 };
    held_out.iter().filter(|h| h.mean <= most).map(|h| h.share).max_by(f64::total_cmp)
}
