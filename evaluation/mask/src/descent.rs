//! Coordinate descent for the weighted Lasso of a Newton step, from the weights that there are.

use ndarray::{Array2, ArrayView1};

use super::sums::dot;

/// Sweeps over the columns with a weight between two over all columns.
const INNER: usize = 10;

/// A sweep whose largest step lowers the objective by less than this share of it is the last.
const ENOUGH: f64 = 1e-13;

/// Lowers ½ ‖e‖² + `penalty` ‖v‖₁ over v, where the k rows of `x` are the columns of a design and e = t − Xᵀv is the
/// `rest` at the `v` that is given; at most `sweeps` times over all columns, with more over those that have a weight.
pub(super) fn descend(x: &Array2<f64>, mut rest: Vec<f64>, penalty: f64, v: &mut [f64], sweeps: usize) {
    let columns: Vec<&[f64]> = x.rows().into_iter().map(|row| row.to_slice().unwrap_or(&[])).collect();
    let squares: Vec<f64> = columns.iter().map(|x| dot::<8, _>(x, x)).collect();
    let value = ArrayView1::from(&rest).dot(&ArrayView1::from(&rest)).max(f64::MIN_POSITIVE);
    // One step along column k; gives how much the quadratic part may have changed.
    let step = |k: usize, v: &mut f64, rest: &mut [f64]| -> f64 {
        if squares[k] <= 0.0 {
            return 0.0;
        }
        let along = dot::<8, _>(columns[k], rest) + squares[k] * *v;
        let new = (along.abs() - penalty).max(0.0).copysign(along) / squares[k];
        let change = new - *v;
        if change != 0.0 {
            rest.iter_mut().zip(columns[k]).for_each(|(e, x)| *e -= change * x);
            *v = if new == 0.0 { 0.0 } else { new };
        }
        change * change * squares[k]
    };
    for _ in 0..sweeps {
        let mut largest = 0.0_f64;
        for (k, v) in v.iter_mut().enumerate() {
            largest = largest.max(step(k, v, &mut rest));
        }
        if largest <= ENOUGH * value {
            return;
        }
        let active: Vec<usize> = (0..v.len()).filter(|&k| v[k] != 0.0).collect();
        for _ in 0..INNER {
            let among = active.iter().map(|&k| step(k, &mut v[k], &mut rest)).fold(0.0, f64::max);
            if among <= ENOUGH * value {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn ends_where_the_conditions_hold() {
        let x = array![[1.0, 2.0, 0.5, -1.0], [0.5, -1.0, 2.0, 0.3], [0.0, 0.0, 0.0, 0.0], [1.1, 1.9, 0.4, -0.8]];
        let (t, penalty) = ([1.0, 3.0, -2.0, 0.5], 0.7);
        // From far away, and from zero.
        for mut v in [vec![5.0, -3.0, 0.0, 2.0], vec![0.0; 4]] {
            let rest: Vec<f64> = (0..4).map(|i| t[i] - (0..4).map(|k| x[[k, i]] * v[k]).sum::<f64>()).collect();
            descend(&x, rest, penalty, &mut v, 500);
            for k in 0..4 {
                let e = |i: usize| t[i] - (0..4).map(|k| x[[k, i]] * v[k]).sum::<f64>();
                let g: f64 = (0..4).map(|i| x[[k, i]] * e(i)).sum();
                let off = if v[k] == 0.0 { (g.abs() - penalty).max(0.0) } else { (g - penalty * v[k].signum()).abs() };
                assert!(off < 1e-5, "column {k}: {off} at {v:?}");
            }
            assert!(v[2] == 0.0 && v.iter().any(|v| *v != 0.0));
        }
    }
}
