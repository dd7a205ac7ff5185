//! The weighted Lasso that every Newton step comes down to, solved by `linfa-elasticnet`.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_elasticnet::ElasticNet;
use linfa_ndarray::{Array1, Array2, ShapeBuilder};

use super::MaskError;
use super::cholesky::Cholesky;

/// Minimises ½ ‖t − Xᵀv‖² + `penalty` ‖v‖₁ over v, where the k rows of `x` are the columns of a design and t is the
/// `target`. Coordinate descent starts at zero and stops at a duality gap of `tolerance` · ‖t‖² or after `most_epochs`.
///
/// With fewer columns than rows the problem is first written with k rows, by the square root of the Gram matrix: epochs
/// then cost k² instead of k·n, and linfa does not go on to estimate variances, in O(k³), which it does where there are
/// more rows than columns.
///
/// # Errors
/// linfa refuses the problem.
pub(super) fn lasso(
    x: ndarray::Array2<f64>,
    target: Vec<f64>,
    penalty: f64,
    tolerance: f64,
    most_epochs: u32,
) -> Result<Vec<f64>, MaskError> {
    let (k, n) = x.dim();
    let factor = if k < n { Cholesky::of_gram(&x) } else { None };
    let (columns, target) = match factor {
        Some(factor) => {
            let along = x.dot(&ndarray::ArrayView1::from(&target)).to_vec();
            (factor.root(), factor.forward(&along))
        }
        None => (x.into_raw_vec_and_offset().0, target),
    };
    let rows = target.len();
    let failed = |e: &dyn std::fmt::Display| MaskError::Solver(format!("linfa-elasticnet: {e}"));
    let design = Array2::from_shape_vec((rows, k).f(), columns).map_err(|e| failed(&e))?;
    let fit = ElasticNet::<f64>::lasso()
        .with_intercept(false)
        .penalty(penalty / rows as f64)
        .tolerance(tolerance)
        .max_iterations(most_epochs)
        .fit(&Dataset::new(design, Array1::from_vec(target)))
        .map_err(|e| failed(&e))?;
    // What linfa holds for zero in its own residual is zero.
    Ok(fit.hyperplane().iter().map(|&v| if v.abs() <= f64::EPSILON { 0.0 } else { v }).collect())
}
