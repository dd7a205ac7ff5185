//! From pairs of latents to a mask.

use std::collections::BTreeMap;

use fmr_core::LatentBlock;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::layout::{describe, groups, length, problem};
use super::path::{Folds, HeldOut, best_share, cross_validate, shares};
use super::{Choose, Fit, FitReport, Learning, Mask, MaskError, MaskSettings, Origin, Problem, Split, Unit, Value};

/// Points of the path that cross-validation walks where the settings ask for none.
const DEFAULT_POINTS: usize = 20;

/// Latents of images and of their perturbed versions, in the same order.
#[derive(Debug, Clone)]
pub struct LatentPairs<'a> {
    /// Latents of the originals `[n, d]`: class 0.
    pub originals: ArrayView2<'a, f32>,
    /// Final latents of Algorithm 1 for the same images `[n, d]`: class 1.
    pub perturbed: ArrayView2<'a, f32>,
    /// Layout of a latent.
    pub layout: &'a [LatentBlock],
    /// Where they come from; it is stored with the mask.
    pub origin: Origin,
}

/// What [`learn()`] found.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The mask; [`Mask::learning`] says how good it is.
    pub mask: Mask,
    /// The fit that the mask comes from.
    pub report: FitReport,
    /// The path over falling penalties, where `path-points` asks for one.
    pub path: Vec<FitReport>,
    /// Held-out losses that the penalty was chosen by, where it was cross-validated.
    pub cross_validation: Vec<HeldOut>,
}

/// Learns which latent dimensions the perturbation uses (paper, section 3.2.1): a classifier with an ℓ1 penalty tells
/// original latents from perturbed ones, and the columns that it needs are kept.
///
/// The result depends on the pairs and the settings alone. [`MaskSettings::file`] and [`MaskSettings::latents`] are for
/// the caller, who makes the pairs.
///
/// # Errors
/// Settings out of range, shapes that do not fit, a latent value that is not finite (with its row and column), too few
/// pairs, or latents that do not differ at all.
pub fn learn(pairs: &LatentPairs<'_>, settings: &MaskSettings) -> Result<Learned, MaskError> {
    settings.check()?;
    check(pairs)?;
    let rows = split(pairs.originals.nrows(), settings)?;
    if settings.unit == Unit::Dimension {
        let (originals, perturbed) = (pairs.originals.rows(), pairs.perturbed.rows());
        let all: Vec<_> = originals.into_iter().chain(perturbed).collect();
        Session { pairs, settings, rows: &all, split: rows }.learn()
    } else {
        let all = concatenate(Axis(0), &[pairs.originals, pairs.perturbed]);
        let means = unit_means(all.map_err(|e| MaskError::Data(e.to_string()))?.view(), pairs.layout, settings.unit);
        let all: Vec<_> = means.rows().into_iter().collect();
        Session { pairs, settings, rows: &all, split: rows }.learn()
    }
}

/// Train and test rows: indices into originals, then perturbed.
struct Rows {
    train: Vec<usize>,
    test: Vec<usize>,
}

/// `'p` and `'r` are the lifetimes of the latents and of the rows made of them.
struct Session<'s, 'p, 'r, T> {
    pairs: &'s LatentPairs<'p>,
    settings: &'s MaskSettings,
    rows: &'s [ArrayView1<'r, T>],
    split: Rows,
}

impl<T: Value> Session<'_, '_, '_, T> {
    fn learn(&self) -> Result<Learned, MaskError> {
        let s = self.settings;
        let (train, labels) = self.part(&self.split.train);
        let problem = Problem::new(&train, &labels, s.form())?;
        let max = problem.penalty_max();
        let mut cross_validation = Vec::new();
        let fit = match s.choose {
            Choose::Strength => problem.solve(s.penalty.lambda(s.strength, problem.rows()), s.limits(), None)?,
            Choose::Sparsity => {
                let kept = (problem.columns() as f64 * (1.0 - s.sparsity / 100.0)).round() as usize;
                problem.with_kept(kept, s.limits())?
            }
            Choose::CrossValidation | Choose::OneStandardError => {
                problem.positive(max)?;
                let points = if s.path_points == 0 { DEFAULT_POINTS } else { s.path_points };
                let shares = shares(points, s.path_end);
                cross_validation = self.cross_validate(&train, &labels, max, &shares)?;
                let frugal = s.choose == Choose::OneStandardError;
                let best = best_share(&cross_validation, frugal).unwrap_or(1.0);
                let penalties: Vec<f64> = shares.iter().filter(|&&x| x >= best).map(|x| x * max).collect();
                let last = problem.path(&penalties, s.limits())?.pop();
                last.ok_or_else(|| MaskError::Solver("cross-validation left no penalty".into()))?
            }
        };
        let report = self.report(&problem, &fit, max);
        let at_strength = match s.choose {
            Choose::Strength => None,
            _ => {
                let fit = problem.solve(s.penalty.lambda(s.strength, problem.rows()), s.limits(), None)?;
                Some(self.report(&problem, &fit, max))
            }
        };
        let mut path = Vec::new();
        if s.path_points > 0 && max > 0.0 {
            let penalties: Vec<f64> = shares(s.path_points, s.path_end).iter().map(|x| x * max).collect();
            path = problem.path(&penalties, s.limits())?.iter().map(|fit| self.report(&problem, fit, max)).collect();
        }
        let mut mask = self.mask(&fit)?;
        let (pairs, differing) = (self.pairs.originals.nrows(), Some(differing(self.pairs)));
        let (fit, settings) = (report.clone(), s.clone());
        mask.learning = Some(Learning { pairs, differing, fit, at_strength, settings });
        Ok(Learned { mask, report, path, cross_validation })
    }

    fn part(&self, which: &[usize]) -> (Vec<ArrayView1<'_, T>>, Vec<bool>) {
        let n = self.pairs.originals.nrows();
        which.iter().map(|&i| (self.rows[i].view(), i >= n)).unzip()
    }

    fn cross_validate(
        &self,
        train: &[ArrayView1<'_, T>],
        labels: &[bool],
        penalty_max: f64,
        shares: &[f64],
    ) -> Result<Vec<HeldOut>, MaskError> {
        let (s, n) = (self.settings, self.pairs.originals.nrows());
        let group = |&i: &usize| if s.split == Split::Pairs { i % n } else { i };
        let groups: Vec<usize> = self.split.train.iter().map(group).collect();
        let plan = Folds { folds: s.folds, seed: s.seed, penalty_max, shares, limits: s.limits() };
        cross_validate(train, labels, &groups, s.form(), &plan)
    }

    fn report(&self, problem: &Problem<'_, T>, fit: &Fit, penalty_max: f64) -> FitReport {
        let right = |which: &[usize]| {
            let (rows, labels) = self.part(which);
            let threshold = self.settings.model.threshold();
            let scores = problem.scores(fit, &rows);
            (scores.iter().zip(labels).filter(|(s, l)| (**s > threshold) == *l).count(), which.len())
        };
        FitReport::new(fit, problem.columns(), penalty_max, right(&self.split.train), right(&self.split.test))
    }

    fn mask(&self, fit: &Fit) -> Result<Mask, MaskError> {
        let units = fit.weights.iter().map(|w| w.0);
        let mask = Mask::of_units(self.pairs.layout.to_vec(), self.settings.unit, units)?;
        let mut mask = mask.spread(self.settings.mask_unit());
        mask.origin = self.pairs.origin.clone();
        mask.weights = fit.weights.iter().copied().collect::<BTreeMap<_, _>>();
        Ok(mask)
    }
}

fn check(pairs: &LatentPairs<'_>) -> Result<(), MaskError> {
    if let Some(problem) = problem(pairs.layout) {
        return Err(MaskError::Layout(problem));
    }
    let (wanted, got) = (pairs.originals.dim(), pairs.perturbed.dim());
    if wanted != got || wanted.1 != length(pairs.layout) {
        return Err(MaskError::Data(format!(
            "originals are {wanted:?}, perturbed latents {got:?}, and a latent has {} values",
            length(pairs.layout)
        )));
    }
    for (side, latents) in [("original", &pairs.originals), ("perturbed", &pairs.perturbed)] {
        for (i, row) in latents.rows().into_iter().enumerate() {
            // A row without a flaw, as nearly all are, is looked through without a branch a value.
            if row.fold(true, |finite, v| finite & v.is_finite()) {
                continue;
            }
            if let Some((j, &value)) = row.iter().enumerate().find(|(_, v)| !v.is_finite()) {
                let (row, column) = (format!("{i} of the {side} latents"), describe(pairs.layout, j));
                return Err(MaskError::NotFinite { row, column, value: f64::from(value) });
            }
        }
    }
    Ok(())
}

/// Percentage of the values in which an original and its perturbed version differ.
fn differing(pairs: &LatentPairs<'_>) -> f64 {
    let differ = pairs.originals.iter().zip(pairs.perturbed).filter(|(a, b)| a != b).count();
    100.0 * differ as f64 / pairs.originals.len().max(1) as f64
}

/// Splits the rows of `n` pairs as the settings say.
fn split(n: usize, settings: &MaskSettings) -> Result<Rows, MaskError> {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut pairs: Vec<usize> = (0..n).collect();
    pairs.shuffle(&mut rng);
    pairs.truncate(settings.max_rows.unwrap_or(usize::MAX) / 2);
    if pairs.len() < 2 {
        return Err(MaskError::Data(format!("{n} pairs of latents; a fit and a score need at least 2")));
    }
    let part = |len: usize| ((len as f64 * settings.test_share).round() as usize).clamp(1, len - 1);
    let (mut test, mut train): (Vec<usize>, Vec<usize>) = match settings.split {
        Split::Pairs => {
            let (test, train) = pairs.split_at(part(pairs.len()));
            let rows = |pairs: &[usize]| pairs.iter().flat_map(|&i| [i, n + i]).collect();
            (rows(test), rows(train))
        }
        Split::Rows => {
            let mut rows: Vec<usize> = pairs.iter().flat_map(|&i| [i, n + i]).collect();
            rows.shuffle(&mut rng);
            let (test, train) = rows.split_at(part(rows.len()));
            (test.to_vec(), train.to_vec())
        }
    };
    train.sort_unstable();
    test.sort_unstable();
    Ok(Rows { train, test })
}

/// The mean of each unit's values, `[rows, units]`.
fn unit_means(latents: ArrayView2<'_, f32>, layout: &[LatentBlock], unit: Unit) -> Array2<f64> {
    let (of, count) = groups(layout, unit);
    let mut sizes = vec![0.0; count];
    of.iter().for_each(|&g| sizes[g] += 1.0);
    let mut means = Array2::zeros((latents.nrows(), count));
    for (mut out, row) in means.rows_mut().into_iter().zip(latents.rows()) {
        row.iter().zip(&of).for_each(|(&v, &g)| out[g] += f64::from(v));
        out.iter_mut().zip(&sizes).for_each(|(v, size)| *v /= size);
    }
    means
}
