//! What the search maximises: a differentiable function of the target's logits.

use ndarray::{Array1, Array2, ArrayView2};

use crate::ComponentError;

/// A score of each sample's logits, with its gradient. Rows are independent.
///
/// # Example
///
/// A scorer that lowers the logit of the true class:
///
/// ```
/// use fmr_core::{ComponentError, Scorer};
/// use ndarray::{Array1, Array2, ArrayView2, array};
///
/// struct TrueLogit;
///
/// impl Scorer for TrueLogit {
///     fn name(&self) -> &str {
///         "true-logit"
///     }
///
///     fn score(
///         &self,
///         logits: ArrayView2<'_, f32>,
///         _clean: ArrayView2<'_, f32>,
///         labels: &[usize],
///     ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
///         let scores = labels.iter().enumerate().map(|(i, label)| -logits[[i, *label]]).collect();
///         let slope = |(i, j)| if j == labels[i] { -1.0 } else { 0.0 };
///         Ok((scores, Array2::from_shape_fn(logits.dim(), slope)))
///     }
/// }
///
/// let logits = array![[2.0, 1.0], [0.5, 3.0]];
/// let (scores, d_logits) = TrueLogit.score(logits.view(), logits.view(), &[0, 1])?;
/// assert_eq!(scores, array![-2.0, -3.0]);
/// assert_eq!(d_logits, array![[-1.0, 0.0], [0.0, -1.0]]);
/// # Ok::<(), ComponentError>(())
/// ```
pub trait Scorer: Send + Sync {
    /// Name for messages and reports.
    fn name(&self) -> &str;

    /// Scores `[n]` and d score / d logits `[n, k]`.
    ///
    /// `labels` are true classes; `clean` holds the target's logits on the originals, which some scorers compare with.
    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError>;
}

mod kinds;
mod settings;

pub use kinds::{CrossEntropy, Divergence, Margin, Targeted};
pub use settings::{Aim, ScorerKind, ScorerSettings, TargetClass, register};
