//! The weighted Lasso that every Newton step comes down to, solved by `linfa-elasticnet`.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_elasticnet::ElasticNet;
use linfa_ndarray::{Array1, Array2, ShapeBuilder};

use super::MaskError;

/// Minimises ½ Σ_i (t_i − Σ_k x_ik v_k)² + `penalty` ‖v‖₁ over v.
///
/// `columns` holds k columns of t.len() values, one after the other. Accurate to a duality gap of `tolerance` · ‖t‖²
/// unless `most_epochs` run out, which the caller sees in its own gap.
///
/// # Errors
/// linfa refuses the problem.
pub(super) fn lasso(
    mut columns: Vec<f64>,
    target: Vec<f64>,
    penalty: f64,
    tolerance: f64,
    most_epochs: u32,
) -> Result<Vec<f64>, MaskError> {
    let n = target.len();
    let k = columns.len() / n.max(1);
    // With more rows than columns linfa goes on to estimate variances, in O(k³). Zero columns, which its descent
    // skips, spare us that.
    let padded = k.max(n);
    columns.resize(n * padded, 0.0);
    let failed = |e: &dyn std::fmt::Display| MaskError::Solver(format!("linfa-elasticnet: {e}"));
    let x = Array2::from_shape_vec((n, padded).f(), columns).map_err(|e| failed(&e))?;
    let fit = ElasticNet::<f64>::lasso()
        .with_intercept(false)
        .penalty(penalty / n as f64)
        .tolerance(tolerance)
        .max_iterations(most_epochs)
        .fit(&Dataset::new(x, Array1::from_vec(target)))
        .map_err(|e| failed(&e))?;
    // What linfa holds for zero in its own residual is zero.
    Ok(fit.hyperplane().iter().take(k).map(|&v| if v.abs() <= f64::EPSILON { 0.0 } else { v }).collect())
}
