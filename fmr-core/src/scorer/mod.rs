//! What the search maximises: a differentiable function of the target's logits.

use ndarray::{Array1, Array2, ArrayView2};

use crate::ComponentError;

/// A score of each sample's logits, with its gradient. Rows are independent.
///
/// The fall of the true logit since the original:
///
/// ```
/// use fmr_core::{ComponentError, Scorer};
/// use ndarray::{Array1, Array2, ArrayView2, array};
///
/// struct Fall;
///
/// impl Scorer for Fall {
///     fn name(&self) -> &str {
///         "fall"
///     }
///
///     fn score(
///         &self,
///         logits: ArrayView2<'_, f32>,
///         clean: ArrayView2<'_, f32>,
///         labels: &[usize],
///     ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
///         let scores = labels.iter().enumerate().map(|(i, y)| clean[[i, *y]] - logits[[i, *y]]).collect();
///         let gradient = |(i, k): (usize, usize)| if labels[i] == k { -1.0 } else { 0.0 };
///         Ok((scores, Array2::from_shape_fn(logits.dim(), gradient)))
///     }
/// }
///
/// let (scores, gradients) = Fall.score(array![[1.0, 2.0]].view(), array![[4.0, 0.0]].view(), &[0])?;
/// assert_eq!((scores, gradients), (array![3.0], array![[-1.0, 0.0]]));
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
pub use settings::{ScorerKind, ScorerSettings, TargetClass};
