//! Newton's method on the support: where the signs are known the problem is smooth.

use ndarray::Array2;

use super::cholesky::Cholesky;
use super::working_set::{Point, WorkingSet};

/// Newton steps before coordinate descent gets another look.
const MOST_STEPS: usize = 15;

/// Largest |x_jᵀ r − λ sign w_j| / λ on the support at which nothing is left to gain.
const STATIONARY: f64 = 1e-12;

/// The columns of a working set with non-zero weight.
pub(super) struct Support {
    /// Positions in the working set.
    columns: Vec<usize>,
    /// Signs of their weights.
    signs: Vec<f64>,
}

impl Support {
    /// Newton steps from `point` with the signs held: a weight that would change its sign becomes zero. Stops where the
    /// conditions on the support hold, or no step makes them hold better. `gram` is that of the set's columns where the
    /// curvature is the same everywhere.
    pub(super) fn polish(set: &WorkingSet<'_>, gram: Option<&Array2<f64>>, mut point: Point) -> Point {
        let mut best = f64::INFINITY;
        for _ in 0..MOST_STEPS {
            let support = Self::of(&point);
            let r = set.model.residuals(set.y, &point.z, point.b);
            let slope = support.slope(set, &r);
            let off = slope.iter().fold(0.0_f64, |m, s| m.max(s.abs())) / set.penalty;
            let Some(direction) = (off > STATIONARY).then(|| support.direction(set, gram, &r, &slope)).flatten() else {
                break;
            };
            let Some(next) = support.advance(set, &point, &direction) else { break };
            // At rounding level the objective no longer tells better from worse: the conditions do.
            let stalled = off >= 0.5 * best && (point.value - next.value) <= 1e-13 * point.value;
            best = best.min(off);
            point = next;
            if stalled {
                break;
            }
        }
        point
    }

    fn of(point: &Point) -> Self {
        let columns: Vec<usize> = (0..point.v.len()).filter(|&k| point.v[k] != 0.0).collect();
        let signs = columns.iter().map(|&k| point.v[k].signum()).collect();
        Self { columns, signs }
    }

    /// x_jᵀ r − λ sign w_j: minus the slope of the objective.
    fn slope(&self, set: &WorkingSet<'_>, r: &[f64]) -> Vec<f64> {
        let of = |(&k, sign): (&usize, &f64)| {
            set.column(k).iter().zip(r).map(|(x, r)| x * r).sum::<f64>() - set.penalty * sign
        };
        self.columns.iter().zip(&self.signs).map(of).collect()
    }

    /// The Newton direction; `None` where rounding leaves none.
    fn direction(
        &self,
        set: &WorkingSet<'_>,
        gram: Option<&Array2<f64>>,
        r: &[f64],
        slope: &[f64],
    ) -> Option<Vec<f64>> {
        if let Some(gram) = gram {
            let n = self.columns.len();
            let part = Array2::from_shape_fn((n, n), |(i, j)| gram[[self.columns[i], self.columns[j]]]);
            return Cholesky::of(part)?.solve(slope);
        }
        let columns: Vec<&[f64]> = self.columns.iter().map(|&k| set.column(k)).collect();
        Cholesky::of_gram(&set.design(&columns, &set.model.curvatures(r)))?.solve(slope)
    }

    /// A point along `direction` that is no worse. Whole and half steps past a change of sign are tried first, as they
    /// drop many columns at once; the step to the first change is the one that cannot fail for a quadratic loss.
    fn advance(&self, set: &WorkingSet<'_>, point: &Point, direction: &[f64]) -> Option<Point> {
        let moves = || self.columns.iter().zip(&self.signs).zip(direction).map(|((&k, sign), d)| (k, *sign, *d));
        let crossing = |(k, sign, d): (usize, f64, f64)| if d * sign < 0.0 { -point.v[k] / d } else { f64::INFINITY };
        let first = moves().map(crossing).fold(1.0, f64::min);
        let bold = (first < 1.0).then_some([1.0, 0.5, 0.25]).into_iter().flatten().filter(|share| *share > first);
        for share in bold.chain((0..30).map(|halvings| first * 0.5_f64.powi(halvings))) {
            let mut v = point.v.clone();
            for (k, sign, d) in moves() {
                let moved = v[k] + share * d;
                // The column whose sign changes first becomes zero, whatever rounding says.
                let crosses = share >= crossing((k, sign, d));
                v[k] = if crosses || moved * sign <= 0.0 { 0.0 } else { moved };
            }
            let trial = set.point(v, point.b);
            if WorkingSet::no_worse(&trial, point) {
                return Some(trial);
            }
        }
        None
    }
}
