//! Cholesky's factor of a Gram matrix that may be singular.

use ndarray::{Array1, Array2};

use super::sums::dot;

/// What is added to the unit diagonal, so that equal columns do no harm.
const LIFT: f64 = 1e-12;

/// L Lᵀ = S G S + lift, where S scales the diagonal of G to one.
pub(super) struct Cholesky {
    lower: Array2<f64>,
    scale: Array1<f64>,
}

impl Cholesky {
    /// Factors x xᵀ, for rows `x`; `None` where it is not finite.
    pub(super) fn of_gram(x: &Array2<f64>) -> Option<Self> {
        Self::of(x.dot(&x.t()))
    }

    /// Factors a Gram matrix; `None` where it is not finite.
    pub(super) fn of(mut a: Array2<f64>) -> Option<Self> {
        let n = a.nrows();
        let scale: Array1<f64> = a.diag().mapv(|d| if d > 0.0 { d.sqrt().recip() } else { 1.0 });
        for i in 0..n {
            for j in 0..=i {
                let lift = if i == j { LIFT } else { 0.0 };
                let sum = a[[i, j]] * scale[i] * scale[j] + lift - dot::<4, _>(row(&a, i, j), row(&a, j, j));
                a[[i, j]] = if i == j { sum.max(LIFT).sqrt() } else { sum / a[[j, j]] };
            }
            (i + 1..n).for_each(|j| a[[i, j]] = 0.0);
        }
        a.iter().all(|v| v.is_finite()).then_some(Self { lower: a, scale })
    }

    /// L⁻¹ S b.
    pub(super) fn forward(&self, b: &[f64]) -> Vec<f64> {
        let mut x = Vec::with_capacity(b.len());
        for (i, b) in b.iter().enumerate() {
            x.push((b * self.scale[i] - dot::<4, _>(row(&self.lower, i, i), &x)) / self.lower[[i, i]]);
        }
        x
    }

    /// G⁻¹ b; `None` where it is not finite.
    pub(super) fn solve(&self, b: &[f64]) -> Option<Vec<f64>> {
        let mut x = self.forward(b);
        for i in (0..x.len()).rev() {
            x[i] /= self.lower[[i, i]];
            let (solved, rest) = (x[i], &mut x[..i]);
            rest.iter_mut().zip(row(&self.lower, i, i)).for_each(|(x, l)| *x -= l * solved);
        }
        x.iter_mut().zip(&self.scale).for_each(|(x, s)| *x *= s);
        x.iter().all(|v| v.is_finite()).then_some(x)
    }

    /// The columns, one after the other, of the square root R of G: RᵀR = G.
    pub(super) fn root(&self) -> Vec<f64> {
        let rows = self.lower.rows().into_iter().zip(&self.scale);
        rows.flat_map(|(row, scale)| row.into_iter().map(move |l| l / scale)).collect()
    }
}

/// The first `most` values of row `i`; the matrices here are in standard order.
fn row(a: &Array2<f64>, i: usize, most: usize) -> &[f64] {
    a.row(i).to_slice().map_or(&[], |row| &row[..most])
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solves_definite_and_singular_systems() {
        let x = array![[2000.0, 3.0, 0.0, 1.0, 0.5], [1.0, 2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1e-3, 2e-3, 0.0]];
        let b = [1.0, -2.0, 3.0];
        let factor = Cholesky::of_gram(&x);
        let solved = factor.as_ref().and_then(|f| f.solve(&b)).unwrap_or_default();
        let back = x.dot(&x.t()).dot(&Array1::from(solved));
        // The lift shows where the columns are nearly collinear, as these are.
        assert!(back.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{back}");

        let root = factor.map(|f| Array2::from_shape_vec((3, 3), f.root()).unwrap_or_default()).unwrap_or_default();
        let (gram, wanted) = (root.dot(&root.t()), x.dot(&x.t()));
        assert!(gram.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9 * (1.0 + b.abs())), "{gram}");

        let equal = array![[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]];
        let solved = Cholesky::of_gram(&equal).and_then(|f| f.solve(&[28.0, 28.0])).unwrap_or_default();
        assert!((solved.iter().sum::<f64>() - 2.0).abs() < 1e-6, "{solved:?}");
    }
}
