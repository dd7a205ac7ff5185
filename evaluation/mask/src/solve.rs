//! The outer loop: which columns may carry a weight, and how far from the optimum a fit is.
//!
//! A pass over all columns gives the correlations with the residuals; they show the duality gap and the columns that
//! violate optimality. A growing working set of them is solved exactly, and the next pass checks the result. p ≫ n costs
//! a handful of passes instead of hundreds.

use std::collections::BTreeMap;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MaskError;
use super::columns::{Columns, Standardize, Value};
use super::loss::Model;
use super::working_set::WorkingSet;

/// Fewest columns that a pass may add to the working set.
const FEWEST_NEW: usize = 100;

/// A column enters from this share of the penalty on: columns at the border would otherwise cost a pass each.
const NEARLY: f64 = 1.0 - 1e-3;

/// Passes in a row that bring the gap no lower, after which rounding is taken to be in the way.
const MOST_STALLED: usize = 8;

/// What is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// Loss.
    pub model: Model,
    /// What happens to the columns first.
    pub standardize: Standardize,
    /// Whether an intercept is fitted; it is never penalised.
    pub intercept: bool,
}

/// How well a fit is solved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Optimality {
    /// Relative duality gap (P − D)/P: no solution has an objective lower by more than this share.
    pub gap: f64,
    /// max |x_jᵀ r| / λ over columns of weight zero; at most 1 at the optimum. Zero where λ is.
    pub excluded: f64,
    /// max |x_jᵀ r − λ sign w_j| / λ over the others; 0 at the optimum.
    pub included: f64,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Relative duality gap to reach.
    pub gap: f64,
    /// Most passes over all columns.
    pub passes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap: 1e-6, passes: 200 }
    }
}

/// A solution for one penalty.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Columns with a weight that is not exactly zero, ascending, and their weights on the standardised columns.
    pub weights: Vec<(usize, f64)>,
    /// Intercept on the standardised columns.
    pub intercept: f64,
    /// λ of the sum form.
    pub penalty: f64,
    /// Σ loss + λ‖w‖₁ over the train rows.
    pub objective: f64,
    /// How well it is solved.
    pub optimality: Optimality,
    /// Passes over all columns.
    pub passes: usize,
    /// Whether the gap that was asked for was reached.
    pub converged: bool,
}

/// An ℓ1-penalised linear classifier on given rows, which stay where they are.
pub struct Problem<'a, T: Value> {
    columns: Columns<'a, T>,
    y: Vec<f64>,
    form: Form,
}

impl<'a, T: Value> Problem<'a, T> {
    /// The problem of telling the rows labelled `true` (class 1) from the others.
    ///
    /// # Errors
    /// Labels that do not fit the rows or name one class only, rows of different lengths, a value that is not finite.
    pub fn new(rows: &[ArrayView1<'a, T>], labels: &[bool], form: Form) -> Result<Self, MaskError> {
        if labels.len() != rows.len() {
            return Err(MaskError::Data(format!("{} labels for {} rows", labels.len(), rows.len())));
        }
        let ones = labels.iter().filter(|l| **l).count();
        if ones == 0 || ones == labels.len() {
            let class = u8::from(ones > 0);
            return Err(MaskError::Data(format!(
                "all {} train rows are of class {class}; a classifier needs rows of both classes",
                labels.len()
            )));
        }
        let columns = Columns::new(rows, form.standardize, form.intercept)?;
        Ok(Self { columns, y: labels.iter().map(|&l| f64::from(u8::from(l))).collect(), form })
    }

    /// Number of train rows.
    pub fn rows(&self) -> usize {
        self.columns.rows()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// What is fitted.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The smallest penalty at which every weight is zero.
    pub fn penalty_max(&self) -> f64 {
        let z = vec![0.0; self.y.len()];
        let b = if self.form.intercept { self.form.model.intercept(&self.y, &z, 0.0) } else { 0.0 };
        largest(&self.columns.correlations(&self.form.model.residuals(&self.y, &z, b)))
    }

    /// Scores x·w + b of rows of raw values. Class 1 iff above [`Model::threshold`].
    pub fn scores<U: Value>(&self, fit: &Fit, rows: &[ArrayView1<'_, U>]) -> Vec<f64> {
        rows.iter().map(|row| fit.intercept + self.columns.apply(&fit.weights, row)).collect()
    }

    /// Minimises the objective for one penalty λ, from the weights of `start` where given.
    ///
    /// # Errors
    /// The penalty is not a positive number, or the Lasso solver inside refuses a step. Running out of passes is no
    /// error: see [`Fit::converged`].
    pub fn solve(&self, penalty: f64, limits: Limits, start: Option<&Fit>) -> Result<Fit, MaskError> {
        if !(penalty > 0.0 && penalty.is_finite()) {
            return Err(MaskError::Solver(format!("the penalty is {penalty}, must be a positive number")));
        }
        let Form { model, intercept, .. } = self.form;
        let mut weights: Vec<(usize, f64)> = start.map_or_else(Vec::new, |fit| fit.weights.clone());
        weights.retain(|&(j, w)| j < self.columns() && w.is_finite());
        weights.sort_unstable_by_key(|w| w.0);
        let mut set = WorkingSet { model, y: &self.y, intercept, penalty, members: Vec::new(), x: Vec::new() };
        let (mut b, mut passes) = (0.0, 0);
        let (mut least, mut stalled) = (f64::INFINITY, 0);
        loop {
            self.fill(&mut set, weights.iter().map(|w| w.0).collect());
            let point = set.point(weights.iter().map(|w| w.1).collect(), b);
            b = point.b;
            let r = model.residuals(&self.y, &point.z, b);
            let g = self.columns.correlations(&r);
            passes += 1;
            let gap = point.value - model.dual(&self.y, &r, largest(&g), penalty, intercept);
            let gap = if point.value > 0.0 { (gap / point.value).max(0.0) } else { 0.0 };
            stalled = if gap < least { 0 } else { stalled + 1 };
            least = least.min(gap);
            if gap <= limits.gap || passes >= limits.passes || stalled >= MOST_STALLED {
                return Ok(Fit {
                    intercept: self.columns.outer_intercept(b, &weights),
                    optimality: optimality(&g, &weights, penalty, gap),
                    weights,
                    penalty,
                    objective: point.value,
                    passes,
                    converged: gap <= limits.gap,
                });
            }
            let violators = self.violators(&g, &weights, penalty);
            let mut v: Vec<f64> = weights.iter().map(|w| w.1).collect();
            v.resize(v.len() + violators.len(), 0.0);
            self.fill(&mut set, weights.iter().map(|w| w.0).chain(violators).collect());
            // Coarse while the working set is still wrong, sharp at the end.
            let tolerance = (0.1 * gap).min(1e-3).max(0.1 * limits.gap);
            let point = set.minimise(set.point(v, b), tolerance)?;
            b = point.b;
            weights = set.members.iter().copied().zip(point.v).filter(|(_, v)| *v != 0.0).collect();
            weights.sort_unstable_by_key(|w| w.0);
        }
    }

    /// Makes `members` the columns of the working set; only those that it does not hold yet are gathered from the rows.
    fn fill(&self, set: &mut WorkingSet<'_>, members: Vec<usize>) {
        let held: BTreeMap<usize, usize> = set.members.iter().enumerate().map(|(k, &j)| (j, k)).collect();
        let n = self.rows();
        let mut x = vec![0.0; members.len() * n];
        let mut missing = Vec::new();
        for (place, &j) in members.iter().enumerate() {
            match held.get(&j) {
                Some(&k) => x[place * n..(place + 1) * n].copy_from_slice(set.column(k)),
                None => missing.push((place, j)),
            }
        }
        self.columns.gather(&missing, &mut x);
        (set.members, set.x) = (members, x);
    }

    /// The columns outside `weights` that violate optimality most, one of each group of equal ones.
    fn violators(&self, g: &[f64], weights: &[(usize, f64)], penalty: f64) -> Vec<usize> {
        let most = FEWEST_NEW.max(weights.len());
        let member = |j: usize| weights.binary_search_by_key(&j, |w| w.0).is_ok();
        let mut found: Vec<usize> = (0..g.len()).filter(|&j| g[j].abs() > NEARLY * penalty || member(j)).collect();
        let rank = |&j: &usize| (g[j].abs(), g[j], member(j));
        found.sort_by(|i, j| {
            let ((a, x, m), (b, y, n)) = (rank(i), rank(j));
            b.total_cmp(&a).then(x.total_cmp(&y)).then(n.cmp(&m)).then(i.cmp(j))
        });
        // Equal columns have equal correlations to the last bit, so they are neighbours, members first.
        found.dedup_by(|later, first| g[*later] == g[*first] && !member(*later) && self.columns.equal(*later, *first));
        found.retain(|&j| !member(j));
        found.truncate(most);
        found
    }
}

/// How well the weights meet the optimality conditions, `g` being the correlations with the residuals.
fn optimality(g: &[f64], weights: &[(usize, f64)], penalty: f64, gap: f64) -> Optimality {
    let mut rest = weights.iter().peekable();
    let (mut excluded, mut included) = (0.0_f64, 0.0_f64);
    for (j, g) in g.iter().enumerate() {
        match rest.next_if(|w| w.0 == j) {
            None => excluded = excluded.max(g.abs() / penalty),
            Some((_, w)) => included = included.max((g - penalty * w.signum()).abs() / penalty),
        }
    }
    Optimality { gap, excluded, included }
}

fn largest(g: &[f64]) -> f64 {
    g.iter().fold(0.0, |m, g| m.max(g.abs()))
}
