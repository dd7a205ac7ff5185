//! Newton's method on the support: where the signs are known the problem is smooth.

use ndarray::{Array1, Array2};

use super::working_set::{Point, WorkingSet};

/// Newton steps before coordinate descent gets another look.
const MOST_STEPS: usize = 30;

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
    /// conditions on the support hold, or no step makes them hold better.
    pub(super) fn polish(set: &WorkingSet<'_>, mut point: Point) -> Point {
        let mut best = f64::INFINITY;
        for _ in 0..MOST_STEPS {
            let support = Self::of(&point);
            let r = set.model.residuals(set.y, &point.z, point.b);
            let slope = support.slope(set, &r);
            let off = slope.iter().fold(0.0_f64, |m, s| m.max(s.abs())) / set.penalty;
            let Some(direction) = (off > STATIONARY).then(|| support.direction(set, &r, slope)).flatten() else {
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
    fn slope(&self, set: &WorkingSet<'_>, r: &[f64]) -> Array1<f64> {
        let of = |(&k, sign): (&usize, &f64)| {
            set.column(k).iter().zip(r).map(|(x, r)| x * r).sum::<f64>() - set.penalty * sign
        };
        self.columns.iter().zip(&self.signs).map(of).collect()
    }

    /// The Newton direction; `None` where there is nothing to move.
    fn direction(&self, set: &WorkingSet<'_>, r: &[f64], slope: Array1<f64>) -> Option<Array1<f64>> {
        let h = set.model.curvatures(r);
        let root: Vec<f64> = h.iter().map(|h| h.sqrt()).collect();
        let rows = self.columns.iter().flat_map(|&k| set.weighted(set.column(k), &h, &root)).collect();
        let x = Array2::from_shape_vec((self.columns.len(), set.y.len()), rows).ok()?;
        solve(x.dot(&x.t()), slope)
    }

    /// The first point along `direction`, the step halved each time, that is no worse.
    fn advance(&self, set: &WorkingSet<'_>, point: &Point, direction: &Array1<f64>) -> Option<Point> {
        let mut share = 1.0;
        for _ in 0..20 {
            let mut v = point.v.clone();
            for ((&k, sign), d) in self.columns.iter().zip(&self.signs).zip(direction) {
                let moved = v[k] + share * d;
                v[k] = if moved * sign > 0.0 { moved } else { 0.0 };
            }
            let trial = set.point(v, point.b);
            if WorkingSet::no_worse(&trial, point) {
                return Some(trial);
            }
            share *= 0.5;
        }
        None
    }
}

/// Solves `a` x = `b` for a symmetric positive semi-definite `a`, by Cholesky after scaling the diagonal to one and
/// lifting it a little: equal columns make `a` singular. `None` where it is not finite.
fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Option<Array1<f64>> {
    const LIFT: f64 = 1e-12;
    let n = b.len();
    let scale: Array1<f64> = a.diag().mapv(|d| if d > 0.0 { d.sqrt().recip() } else { 1.0 });
    for i in 0..n {
        for j in 0..n {
            a[[i, j]] *= scale[i] * scale[j];
        }
        a[[i, i]] += LIFT;
        b[i] *= scale[i];
    }
    for i in 0..n {
        for j in 0..=i {
            let (left, right) = (a.row(i), a.row(j));
            let (left, right) = (left.as_slice()?, right.as_slice()?);
            let sum = a[[i, j]] - left[..j].iter().zip(&right[..j]).map(|(l, r)| l * r).sum::<f64>();
            a[[i, j]] = if i == j { sum.max(LIFT).sqrt() } else { sum / a[[j, j]] };
        }
    }
    for i in 0..n {
        b[i] = (b[i] - (0..i).map(|k| a[[i, k]] * b[k]).sum::<f64>()) / a[[i, i]];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[[k, i]] * b[k]).sum::<f64>()) / a[[i, i]];
    }
    b *= &scale;
    b.iter().all(|v| v.is_finite()).then_some(b)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solves_definite_and_singular_systems() {
        let x = solve(array![[4e6, 2.0], [2.0, 9.0]], array![8e6, 4.0]).unwrap_or_default();
        let back = array![[4e6, 2.0], [2.0, 9.0]].dot(&x);
        assert!((back[0] - 8e6).abs() < 1e-3 && (back[1] - 4.0).abs() < 1e-9, "{back}");
        let equal = array![[1.0, 1.0], [1.0, 1.0]];
        let x = solve(equal.clone(), array![2.0, 2.0]).unwrap_or_default();
        assert!((x.sum() - 2.0).abs() < 1e-9, "{x}");
    }
}
