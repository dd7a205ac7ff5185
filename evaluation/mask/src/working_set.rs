//! The problem on a few columns: proximal Newton steps find the support, Newton steps on it the last digits.

use std::borrow::Cow;

use ndarray::Array2;

use super::MaskError;
use super::cholesky::Cholesky;
use super::descent::descend;
use super::lasso::lasso;
use super::loss::Model;
use super::support::Support;

/// Steps of either kind before the caller looks at all columns again.
const MOST_ROUNDS: usize = 30;

/// Sweeps over all columns of the set before Newton steps on the support get a look; more in later rounds.
const SWEEPS: usize = 10;

/// A relative change of the objective below which a step counts as no worse.
const ROUNDING: f64 = 1e-14;

/// A point of the restricted problem.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// One weight a column of the working set.
    pub v: Vec<f64>,
    /// Σ_k x_k v_k of every row.
    pub z: Vec<f64>,
    /// The best intercept for `z`.
    pub b: f64,
    /// Objective: loss and penalty.
    pub value: f64,
}

/// What all steps of a Lasso share, whose curvature is the same everywhere: with k columns of n > k values, a problem
/// of k rows.
struct Fixed {
    /// Gram matrix of the columns, centred where there is an intercept.
    gram: Array2<f64>,
    factor: Cholesky,
    /// Its square root's columns, a row each.
    root: Array2<f64>,
}

/// The restricted problem.
pub(super) struct WorkingSet<'a> {
    pub model: Model,
    /// Labels in {0, 1}.
    pub y: &'a [f64],
    pub intercept: bool,
    pub penalty: f64,
    /// Numbers of its columns.
    pub members: Vec<usize>,
    /// Those columns, y.len() values each, one after the other.
    pub x: Vec<f64>,
}

impl WorkingSet<'_> {
    /// Column k.
    pub(super) fn column(&self, k: usize) -> &[f64] {
        let n = self.y.len();
        &self.x[k * n..(k + 1) * n]
    }

    /// The point of weights `v`; the search for its intercept starts at `b`.
    pub(super) fn point(&self, v: Vec<f64>, b: f64) -> Point {
        let mut z = vec![0.0; self.y.len()];
        for (k, &v) in v.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            z.iter_mut().zip(self.column(k)).for_each(|(z, x)| *z += v * x);
        }
        let b = if self.intercept { self.model.intercept(self.y, &z, b) } else { 0.0 };
        let norm: f64 = v.iter().map(|v| v.abs()).sum();
        let value = self.model.value(self.y, &z, b) + self.penalty * norm;
        Point { v, z, b, value }
    }

    /// Whether `new` may replace `old`.
    pub(super) fn no_worse(new: &Point, old: &Point) -> bool {
        new.value <= old.value + ROUNDING * old.value.abs()
    }

    fn all(&self) -> Vec<&[f64]> {
        self.x.chunks_exact(self.y.len()).collect()
    }

    /// x_kᵀ r for every column.
    pub(super) fn correlations(&self, r: &[f64]) -> Vec<f64> {
        self.x.chunks_exact(self.y.len()).map(|x| x.iter().zip(r).map(|(x, r)| x * r).sum()).collect()
    }

    /// Relative duality gap of the restricted problem.
    fn gap(&self, point: &Point) -> f64 {
        let r = self.model.residuals(self.y, &point.z, point.b);
        let largest = self.correlations(&r).iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        (point.value - self.model.dual(self.y, &r, largest, self.penalty, self.intercept)) / point.value
    }

    /// What the steps share, where that is worth it.
    fn fixed(&self) -> Option<Fixed> {
        let (k, n) = (self.members.len(), self.y.len());
        if self.model != Model::Lasso || k >= n {
            return None;
        }
        let design = self.design(&self.all(), &vec![1.0; n]);
        let gram = design.dot(&design.t());
        let factor = Cholesky::of(gram.clone())?;
        let root = Array2::from_shape_vec((k, k), factor.root()).ok()?;
        Some(Fixed { gram, factor, root })
    }

    /// Walks from `point` to a relative gap of `tolerance`, or as near as rounding lets it.
    ///
    /// # Errors
    /// The Lasso solver refuses a step.
    pub(super) fn minimise(&self, mut point: Point, tolerance: f64) -> Result<Point, MaskError> {
        let fixed = self.fixed();
        let mut inner = 1e-3_f64;
        let mut gap = f64::INFINITY;
        for round in 0..MOST_ROUNDS {
            point = self.proximal_newton(point, fixed.as_ref(), inner, round + 1)?;
            point = Support::polish(self, fixed.as_ref().map(|f| &f.gram), point);
            let new = self.gap(&point);
            if new <= tolerance || (inner <= 1e-12 && new >= gap) {
                break;
            }
            // The support is not yet right: look more closely.
            inner = (inner * 0.1).max(1e-13);
            gap = gap.min(new);
        }
        Ok(point)
    }

    /// One step to the minimum of the penalised quadratic model at `point`, halved until the objective does not rise.
    /// `effort` bounds how long it is looked for.
    fn proximal_newton(
        &self,
        point: Point,
        fixed: Option<&Fixed>,
        tolerance: f64,
        effort: usize,
    ) -> Result<Point, MaskError> {
        let r = self.model.residuals(self.y, &point.z, point.b);
        let h = self.model.curvatures(&r);
        // What the working response z + r/h leaves unexplained, less the intercept: the rows are h-centred.
        let rest: Vec<f64> = r.iter().zip(&h).map(|(r, h)| r / h).collect();
        let rest = self.design(&[&rest], &h).into_raw_vec_and_offset().0;
        let (design, rest) = match fixed {
            Some(fixed) => (Cow::Borrowed(&fixed.root), fixed.factor.forward(&self.correlations(&rest))),
            None => (Cow::Owned(self.design(&self.all(), &h)), rest),
        };
        let goal = if point.v.iter().all(|v| *v == 0.0) {
            lasso(design.into_owned(), rest, self.penalty, tolerance, 2000 * effort as u32)?
        } else {
            let mut goal = point.v.clone();
            descend(&design, rest, self.penalty, &mut goal, SWEEPS * effort);
            goal
        };
        let mut share = 1.0;
        for _ in 0..40 {
            let towards = |(from, to): (&f64, &f64)| if share == 1.0 { *to } else { from + share * (to - from) };
            let trial = self.point(point.v.iter().zip(&goal).map(towards).collect(), point.b);
            if Self::no_worse(&trial, &point) {
                return Ok(trial);
            }
            share *= 0.5;
        }
        Ok(point)
    }

    /// One row √h (x − x̄) for each of the `columns`, with the h-weighted mean x̄ where there is an intercept to take it up.
    pub(super) fn design(&self, columns: &[&[f64]], h: &[f64]) -> Array2<f64> {
        let root: Vec<f64> = h.iter().map(|h| h.sqrt()).collect();
        let total: f64 = h.iter().sum();
        let mut design = Array2::zeros((columns.len(), h.len()));
        for (mut row, x) in design.rows_mut().into_iter().zip(columns) {
            let mean = if self.intercept { x.iter().zip(h).map(|(x, h)| x * h).sum::<f64>() / total } else { 0.0 };
            row.iter_mut().zip(x.iter().zip(&root)).for_each(|(out, (x, root))| *out = root * (x - mean));
        }
        design
    }
}
