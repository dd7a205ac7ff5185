//! Sums whose order is fixed.

use super::Value;

/// Σ x r, in `N` running sums that the compiler turns into vector registers.
pub(super) fn dot<const N: usize, T: Value>(x: &[T], r: &[f64]) -> f64 {
    let mut sums = [0.0; N];
    let (xs, rs) = (x.chunks_exact(N), r.chunks_exact(N));
    let rest: f64 = xs.remainder().iter().zip(rs.remainder()).map(|(&x, r)| x.into() * r).sum();
    for (x, r) in xs.zip(rs) {
        for k in 0..N {
            sums[k] += x[k].into() * r[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}
